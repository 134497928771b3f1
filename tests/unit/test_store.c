/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/scoped.h"
#include "base/text.h"
#include "store/names.h"
#include "store/record.h"
#include "store/store.h"

/* A folder of its own per test; `path` is the network's. */
struct world {
	char dir[64];
	char path[128];
};

static const struct owner alice = { "net", "alice", "eth0" };
static const struct owner alice1 = { "net", "alice", "eth1" };
static const struct owner bob = { "net", "bob", "eth0" };

static int setup(void **state)
{
	struct world *w = test_calloc(1, sizeof(*w));

	(void)text_format(w->dir, sizeof(w->dir), "/tmp/test-store-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	(void)text_format(w->path, sizeof(w->path), "%s/net", w->dir);
	*state = w;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct world *w = *state;

	assert_int_equal(nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
	test_free(w);
	return 0;
}

/* ---- what others do to the folder ---- */

static void in_folder(const struct world *w, const char *name, char buf[PATH_MAX])
{
	assert_true(text_format(buf, PATH_MAX, "%s/%s", w->path, name));
}

static void put_bytes(const struct world *w, const char *name, const char *data, size_t len)
{
	char path[PATH_MAX];
	int fd;

	in_folder(w, name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	(void)close(fd);
}

static void put(const struct world *w, const char *name, const char *text)
{
	put_bytes(w, name, text, strlen(text));
}

static void take_away(const struct world *w, const char *name)
{
	char path[PATH_MAX];

	in_folder(w, name, path);
	assert_int_equal(remove(path), 0);
}

static bool exists(const struct world *w, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	in_folder(w, name, path);
	return lstat(path, &st) == 0;
}

static void assert_file(const struct world *w, const char *name, const char *text, mode_t mode)
{
	char path[PATH_MAX], buf[256];
	struct stat st;
	ssize_t n;
	int fd;

	in_folder(w, name, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	n = read(fd, buf, sizeof(buf) - 1);
	assert_true(n >= 0);
	buf[n] = '\0';
	assert_string_equal(buf, text);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
	(void)close(fd);
}

/* ---- what we do, each in a store opened for it alone ---- */

static struct ip ip(const char *s)
{
	struct ip a;

	if (!ip_parse(s, &a))
		fail_msg("%s", s);
	return a;
}

static void must_open(struct store *s, const struct world *w, bool create)
{
	struct cni_error err;

	if (store_open(s, w->dir, "net", create, &err) < 0)
		fail_msg("%s", err.msg);
}

static bool claim(const struct world *w, const struct owner *o, const char *address)
{
	scoped_store struct store s = STORE_CLOSED;
	const struct ip a = ip(address);
	struct cni_error err;
	bool got;

	must_open(&s, w, true);
	if (store_claim(&s, o, &a, &got, &err) < 0)
		fail_msg("%s", err.msg);
	return got;
}

static void release(const struct world *w, const struct owner *o)
{
	scoped_store struct store s = STORE_CLOSED;
	struct cni_error err;

	must_open(&s, w, false);
	if (store_release(&s, o, &err) < 0)
		fail_msg("%s", err.msg);
}

/* What `o` has, as "a b", in the order of the addresses. */
static void owned_text(const struct store *s, const struct owner *o, char *buf, size_t cap)
{
	struct cni_error err;
	struct owned owned;
	char one[IP_TEXT];
	struct text t;

	if (store_find(s, o, &owned, &err) < 0)
		fail_msg("%s", err.msg);
	text_init(&t, buf, cap);
	for (size_t i = 0; i < owned.n; i++) {
		ip_print(&owned.ip[i], one);
		text_add(&t, "%s%s", i > 0 ? " " : "", one);
	}
}

static void assert_owns(const struct world *w, const struct owner *o, const char *want)
{
	scoped_store struct store s = STORE_CLOSED;
	char got[512];

	must_open(&s, w, false);
	owned_text(&s, o, got, sizeof(got));
	assert_string_equal(got, want);
}

/* Is the index on disk believed, as after a change of ours and nobody else's? */
static bool index_is_fresh(const struct world *w)
{
	scoped_store struct store s = STORE_CLOSED;

	must_open(&s, w, false);
	return s.index.on_disk && !s.index.changed;
}

static size_t index_entries(const struct world *w)
{
	scoped_fd int dir = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char path[PATH_MAX];
	struct stat st;
	size_t n = 0;
	const struct owner *all[] = { &alice, &alice1, &bob };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		assert_true(
		    text_format(path, sizeof(path), INDEX_DIR "/%016llx",
				(unsigned long long)index_hash(all[i]->container, all[i]->ifname)));
		n += fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0 ? 1 : 0;
	}
	return n;
}

/* ---- tests ---- */

static void files_are_the_references(void **state)
{
	struct world *w = *state;
	struct stat st;

	assert_true(claim(w, &alice, "10.1.2.3"));
	assert_true(claim(w, &alice, "2001:DB8:0::5"));
	assert_file(w, "10.1.2.3", "alice\r\neth0", 0600);
	assert_file(w, "2001:db8::5", "alice\r\neth0", 0600);
	assert_file(w, "lock", "", 0750);
	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_false(exists(w, INDEX_DIR "/new"));
}

static void last_is_a_hint(void **state)
{
	struct world *w = *state;
	scoped_store struct store s = STORE_CLOSED;
	const struct ip first = ip("10.1.2.3"), second = ip("2001:db8::1");
	struct cni_error err;
	struct ip got;

	must_open(&s, w, true);
	assert_false(store_last(s.dir, 0, &got));
	assert_int_equal(store_set_last(&s, 0, &first, &err), 0);
	assert_int_equal(store_set_last(&s, 1, &second, &err), 0);
	assert_int_equal(store_set_last(&s, 0, &second, &err), 0);
	assert_file(w, "last_reserved_ip.0", "2001:db8::1", 0600);
	assert_true(store_last(s.dir, 0, &got));
	assert_true(ip_equal(&got, &second));
	put(w, "last_reserved_ip.0", "10.1.2.9\n");
	assert_true(store_last(s.dir, 0, &got));
	put(w, "last_reserved_ip.0",
	    "rubbish, and longer than any address can be, by a good measure");
	assert_false(store_last(s.dir, 0, &got));
}

static void one_owner_per_address(void **state)
{
	struct world *w = *state;

	assert_true(claim(w, &alice, "10.1.2.3"));
	assert_false(claim(w, &bob, "10.1.2.3"));
	assert_false(claim(w, &alice, "10.1.2.3"));
	assert_true(claim(w, &bob, "10.1.2.4"));
	assert_true(claim(w, &alice1, "10.1.2.5"));
	assert_owns(w, &alice, "10.1.2.3");
	assert_owns(w, &alice1, "10.1.2.5");
	assert_true(index_is_fresh(w));
	release(w, &alice);
	release(w, &alice);
	assert_owns(w, &alice, "");
	assert_owns(w, &alice1, "10.1.2.5");
	assert_owns(w, &bob, "10.1.2.4");
	assert_true(claim(w, &bob, "10.1.2.3"));
	assert_owns(w, &bob, "10.1.2.4 10.1.2.3");
	assert_true(index_is_fresh(w));
}

static void several_claims_in_one_go(void **state)
{
	struct world *w = *state;
	scoped_store struct store s = STORE_CLOSED;
	const struct ip a = ip("10.1.2.3"), b = ip("10.1.2.4"), c = ip("fd00::1");
	struct cni_error err;
	char got[64];
	bool ok;

	must_open(&s, w, true);
	assert_int_equal(store_claim(&s, &bob, &a, &ok, &err), 0);
	assert_int_equal(store_claim(&s, &alice, &a, &ok, &err), 0);
	assert_false(ok);
	/* The record that lies ready for alice now must not become bob's. */
	assert_int_equal(store_claim(&s, &bob, &c, &ok, &err), 0);
	assert_int_equal(store_claim(&s, &alice, &b, &ok, &err), 0);
	assert_int_equal(store_claim(&s, &bob, &b, &ok, &err), 0);
	assert_false(ok);
	assert_file(w, "fd00::1", "bob\r\neth0", 0600);
	assert_int_equal(store_drop(&s, &bob, &a, &err), 0);
	assert_int_equal(store_drop(&s, &bob, &a, &err), 0);
	assert_int_equal(store_drop(&s, &bob, &b, &err), 0);
	owned_text(&s, &bob, got, sizeof(got));
	assert_string_equal(got, "fd00::1");
	owned_text(&s, &alice, got, sizeof(got));
	assert_string_equal(got, "10.1.2.4");
}

static void absent_folder(void **state)
{
	struct world *w = *state;
	struct store s = STORE_CLOSED;
	struct cni_error err;

	assert_int_equal(store_open(&s, w->dir, "net", false, &err), -1);
	assert_int_equal(err.sys, ENOENT);
	assert_int_equal(err.code, CNI_IO);
	assert_int_equal(access(w->path, F_OK), -1);
	store_close(&s);
}

static void reading_makes_no_index(void **state)
{
	struct world *w = *state;

	assert_int_equal(mkdir(w->path, 0755), 0);
	put(w, "10.1.2.3", "alice\r\neth0");
	assert_owns(w, &alice, "10.1.2.3");
	release(w, &alice);
	assert_false(exists(w, "10.1.2.3"));
	assert_false(exists(w, INDEX_DIR));
}

static void records(void **state)
{
	static const struct {
		const char *text;
		size_t len; /* 0: strlen */
		enum record_kind kind;
		const char *container, *ifname;
	} cases[] = {
		{ "c1\r\neth0", 0, RECORD_FULL, "c1", "eth0" },
		{ " c1\r\neth0\r\n \n", 0, RECORD_FULL, "c1", "eth0" },
		{ "c1", 0, RECORD_OLD, "c1", "" },
		{ "c1\r\n", 0, RECORD_OLD, "c1", "" },
		{ "c1\n", 0, RECORD_OLD, "c1", "" },
		{ "", 0, RECORD_EMPTY, "", "" },
		{ " \r\n", 0, RECORD_EMPTY, "", "" },
		{ "\0\0\0", 3, RECORD_EMPTY, "", "" },
		{ "c1\neth0", 0, RECORD_FOREIGN, "", "" },
		{ "c1\r\neth0\r\nmore", 0, RECORD_FOREIGN, "", "" },
		{ "c1\r\nethernet-0123456789", 0, RECORD_FOREIGN, "", "" },
		{ "a b", 0, RECORD_FOREIGN, "", "" },
		{ "-c1", 0, RECORD_FOREIGN, "", "" },
		{ "c\0001", 3, RECORD_FOREIGN, "", "" },
		{ "\xff\xfe", 0, RECORD_FOREIGN, "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t len = cases[i].len > 0 ? cases[i].len : strlen(cases[i].text);
		struct record r;

		memset(&r, 0x55, sizeof(r));
		memcpy(r.text, cases[i].text, len);
		r.text[len] = '\0';
		record_parse(&r, len);
		if (r.kind != cases[i].kind)
			fail_msg("case %zu: kind %d", i, r.kind);
		assert_string_equal(r.container, cases[i].container);
		assert_string_equal(r.ifname, cases[i].ifname);
	}
}

static void too_long_to_store(void **state)
{
	struct world *w = *state;
	scoped_store struct store s = STORE_CLOSED;
	const struct ip a = ip("10.1.2.3");
	char id[RECORD_MAX + 1];
	const struct owner o = { "net", id, "eth0" };
	struct cni_error err;
	bool got;

	memset(id, 'x', sizeof(id));
	id[RECORD_MAX] = '\0';
	must_open(&s, w, true);
	assert_int_equal(store_claim(&s, &o, &a, &got, &err), -1);
	assert_int_equal(err.code, CNI_BAD_ENV);
	id[RECORD_MAX - IFNAME_MAX - 2] = '\0';
	assert_int_equal(store_claim(&s, &o, &a, &got, &err), 0);
	assert_true(got);
	assert_int_equal(store_release(&s, &o, &err), 0);
	assert_false(exists(w, "10.1.2.3"));
}

static void empty_files_are_no_reservations(void **state)
{
	struct world *w = *state;

	assert_true(claim(w, &bob, "10.1.2.2"));
	put(w, "10.1.2.3", "");
	put(w, "10.1.2.4", " \r\n");
	put_bytes(w, "10.1.2.5", "\0\0\0\0", 4);
	assert_true(claim(w, &alice, "10.1.2.3"));
	assert_true(claim(w, &alice, "10.1.2.4"));
	assert_true(claim(w, &alice, "10.1.2.5"));
	assert_owns(w, &alice, "10.1.2.3 10.1.2.4 10.1.2.5");
	/* What lost its content after the index knew of it goes with its owner. */
	put(w, "10.1.2.4", "");
	assert_owns(w, &alice, "10.1.2.3 10.1.2.5");
	release(w, &alice);
	assert_false(exists(w, "10.1.2.3"));
	assert_false(exists(w, "10.1.2.4"));
	assert_false(exists(w, "10.1.2.5"));
	assert_owns(w, &bob, "10.1.2.2");
}

static void foreign_things_stay(void **state)
{
	struct world *w = *state;
	char path[PATH_MAX];

	assert_true(claim(w, &bob, "10.1.2.2"));
	in_folder(w, "10.1.2.3", path);
	assert_int_equal(mkdir(path, 0755), 0);
	in_folder(w, "10.1.2.4", path);
	assert_int_equal(symlink("/nowhere", path), 0);
	in_folder(w, "10.1.2.5", path);
	assert_int_equal(mkfifo(path, 0600), 0);
	put(w, "10.1.2.6", "not a container");
	put(w, "README", "bob\r\neth0");
	put(w, "010.1.2.7", "bob\r\neth0");
	put(w, "2001:DB8::1", "bob\r\neth0");
	assert_false(claim(w, &alice, "10.1.2.3"));
	assert_false(claim(w, &alice, "10.1.2.4"));
	assert_false(claim(w, &alice, "10.1.2.5"));
	assert_false(claim(w, &alice, "10.1.2.6"));
	assert_owns(w, &alice, "");
	assert_owns(w, &bob, "10.1.2.2");
	release(w, &bob);
	release(w, &alice);
	assert_false(exists(w, "10.1.2.2"));
	assert_true(exists(w, "10.1.2.3") && exists(w, "10.1.2.4") && exists(w, "10.1.2.5") &&
		    exists(w, "10.1.2.6") && exists(w, "README") && exists(w, "010.1.2.7") &&
		    exists(w, "2001:DB8::1"));
}

static void others_changes_are_seen(void **state)
{
	struct world *w = *state;

	assert_true(claim(w, &alice, "10.1.2.2"));
	/* Within the same tick of the kernel's clock, whatever it is. */
	put(w, "10.1.2.3", "bob\r\neth0");
	assert_owns(w, &bob, "10.1.2.3");
	assert_true(index_is_fresh(w));
	assert_owns(w, &alice, "10.1.2.2");
	take_away(w, "10.1.2.2");
	assert_false(index_is_fresh(w));
	assert_owns(w, &alice, "");
	assert_int_equal(index_entries(w), 1);
	put(w, "10.1.2.2", "bob\r\neth0");
	assert_owns(w, &bob, "10.1.2.2 10.1.2.3");
	release(w, &bob);
	assert_false(exists(w, "10.1.2.2"));
	assert_false(exists(w, "10.1.2.3"));
	assert_int_equal(index_entries(w), 0);
}

/* Kernels without fine-grained times stamp a change with the last tick of the clock, file systems
 * with small inodes with the last second: neither may ever be the time that we chose. */
static void folder_time_is_past(void **state)
{
	struct world *w = *state;
	struct timespec now;
	struct stat st;

	assert_true(claim(w, &alice, "10.1.2.2"));
	assert_int_equal(stat(w->path, &st), 0);
	assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
	assert_true(st.st_mtim.tv_sec + 1 < now.tv_sec);
	assert_true(st.st_mtim.tv_sec + 60 > now.tv_sec);
}

/* A file overwritten in place moves no time of the folder: its content decides all the same. */
static void overwritten_in_place(void **state)
{
	struct world *w = *state;

	assert_true(claim(w, &alice, "10.1.2.2"));
	put(w, "10.1.2.2", "alice");
	assert_true(index_is_fresh(w));
	assert_owns(w, &alice, "10.1.2.2");
	put(w, "10.1.2.2", "bob\r\neth0");
	assert_owns(w, &alice, "");
	release(w, &alice);
	assert_file(w, "10.1.2.2", "bob\r\neth0", 0600);
	put(w, "10.1.2.2", "alice");
	release(w, &alice1); /* by container alone, any interface */
	put(w, "10.1.2.9", "x");
	assert_owns(w, &alice, "10.1.2.2");
	release(w, &alice1);
	assert_false(exists(w, "10.1.2.2"));
}

static void exact_before_old_format(void **state)
{
	struct world *w = *state;

	assert_true(claim(w, &alice, "10.1.2.2"));
	put(w, "10.1.2.3", "alice");
	put(w, "10.1.2.4", "alice\n");
	assert_owns(w, &alice, "10.1.2.2");
	assert_owns(w, &alice1, "10.1.2.3 10.1.2.4");
	release(w, &alice);
	assert_false(exists(w, "10.1.2.2"));
	assert_true(exists(w, "10.1.2.3"));
	assert_owns(w, &bob, "");
	release(w, &alice);
	assert_false(exists(w, "10.1.2.3"));
	assert_false(exists(w, "10.1.2.4"));
}

/* The index says what it likes: the address files decide. */
static void index_is_never_believed(void **state)
{
	struct world *w = *state;
	char name[64], path[PATH_MAX];

	assert_true(claim(w, &alice, "10.1.2.2"));
	assert_true(claim(w, &bob, "10.1.2.3"));
	(void)text_format(name, sizeof(name), INDEX_DIR "/%016llx",
			  (unsigned long long)index_hash("alice", "eth0"));
	take_away(w, name);
	in_folder(w, name, path);
	assert_int_equal(symlink("rubbish,10.1.2.3,10.9.9.9,,10.1.2.2", path), 0);
	assert_true(index_is_fresh(w)); /* nothing tells: the folder itself was not touched */
	assert_owns(w, &alice, "10.1.2.2");
	release(w, &alice);
	assert_true(exists(w, "10.1.2.3"));
	assert_false(exists(w, "10.1.2.2"));
}

static void damaged_index_is_rebuilt(void **state)
{
	static const char *const stamps[] = { "", "0.000000000 0.000000000", "rubbish", NULL };
	struct world *w = *state;
	char path[PATH_MAX];

	assert_true(claim(w, &alice, "10.1.2.2"));
	for (size_t i = 0; i < ARRAY_SIZE(stamps); i++) {
		char entry[64];

		(void)text_format(entry, sizeof(entry), INDEX_DIR "/%016llx",
				  (unsigned long long)index_hash("alice", "eth0"));
		take_away(w, entry);
		take_away(w, INDEX_DIR "/stamp");
		in_folder(w, INDEX_DIR "/stamp", path);
		if (stamps[i] != NULL && stamps[i][0] != '\0')
			assert_int_equal(symlink(stamps[i], path), 0);
		else if (stamps[i] != NULL)
			put(w, INDEX_DIR "/stamp", "a file");
		assert_owns(w, &alice, "10.1.2.2");
		assert_true(index_is_fresh(w));
		assert_int_equal(index_entries(w), 1);
	}
	(void)nftw((in_folder(w, INDEX_DIR, path), path), remove_one, 8, FTW_DEPTH | FTW_PHYS);
	assert_owns(w, &alice, "10.1.2.2");
	assert_true(claim(w, &alice, "10.1.2.3"));
	assert_true(index_is_fresh(w));
	assert_owns(w, &alice, "10.1.2.2 10.1.2.3");
}

/* cp -a and tar put back an old mtime, but not the ctime. */
static void restored_times_do_not_deceive(void **state)
{
	struct world *w = *state;
	struct timespec times[2];
	struct stat st;

	assert_true(claim(w, &alice, "10.1.2.2"));
	assert_int_equal(stat(w->path, &st), 0);
	put(w, "10.1.2.3", "bob\r\neth0");
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	assert_int_equal(utimensat(AT_FDCWD, w->path, times, 0), 0);
	assert_false(index_is_fresh(w));
	assert_owns(w, &bob, "10.1.2.3");
}

static void index_that_cannot_be(void **state)
{
	struct world *w = *state;
	struct store s = STORE_CLOSED;
	const struct ip a = ip("10.1.2.9");
	struct cni_error err;
	bool got;

	assert_int_equal(mkdir(w->path, 0755), 0);
	put(w, INDEX_DIR, "a file in the way");
	put(w, "10.1.2.2", "alice\r\neth0");
	put(w, "10.1.2.3", "bob\r\neth0");
	assert_owns(w, &alice, "10.1.2.2");
	must_open(&s, w, true);
	assert_int_equal(store_claim(&s, &alice, &a, &got, &err), -1);
	assert_non_null(strstr(err.msg, INDEX_DIR));
	assert_int_equal(err.sys, ENOTDIR);
	store_close(&s);
	release(w, &alice);
	assert_false(exists(w, "10.1.2.2"));
	assert_owns(w, &bob, "10.1.2.3");
}

/* Whatever instant somebody died at: the states between two system calls of a claim. */
static void crash_points(void **state)
{
	struct world *w = *state;
	char from[PATH_MAX], to[PATH_MAX];

	assert_true(claim(w, &bob, "10.1.2.2"));
	/* The record was made, not yet placed; then half written. */
	put(w, INDEX_DIR "/new", "alice\r\neth0");
	assert_true(claim(w, &bob, "10.1.2.3"));
	assert_file(w, "10.1.2.3", "bob\r\neth0", 0600);
	put(w, INDEX_DIR "/new", "ali");
	release(w, &alice);
	assert_false(exists(w, INDEX_DIR "/new"));
	/* Placed by a link (where rename cannot refuse), the temporary name not yet gone. */
	in_folder(w, "10.1.2.2", from);
	in_folder(w, INDEX_DIR "/new", to);
	assert_int_equal(link(from, to), 0);
	assert_true(claim(w, &alice, "10.1.2.4"));
	assert_file(w, "10.1.2.2", "bob\r\neth0", 0600);
	/* Placed, not yet in the index; the stamp is the old one. */
	put(w, INDEX_DIR "/new", "alice\r\neth0");
	in_folder(w, INDEX_DIR "/new", from);
	in_folder(w, "10.1.2.5", to);
	assert_int_equal(rename(from, to), 0);
	assert_owns(w, &alice, "10.1.2.4 10.1.2.5");
	/* A link of the index half replaced. */
	in_folder(w, INDEX_DIR "/tmp", to);
	assert_int_equal(symlink("10.1.2.4", to), 0);
	assert_true(claim(w, &alice, "10.1.2.6"));
	assert_owns(w, &alice, "10.1.2.4 10.1.2.5 10.1.2.6");
	assert_false(exists(w, INDEX_DIR "/tmp"));
	/* Removed, still in the index. */
	take_away(w, "10.1.2.6");
	assert_owns(w, &alice, "10.1.2.4 10.1.2.5");
}

static bool keep_bob(void *ctx, const char *container, const char *ifname)
{
	size_t *asked = ctx;

	(*asked)++;
	return strcmp(container, "bob") == 0 && (ifname[0] == '\0' || strcmp(ifname, "eth0") == 0);
}

static void gc(void **state)
{
	struct world *w = *state;
	struct store s = STORE_CLOSED;
	struct cni_error err;
	size_t asked = 0;
	char path[PATH_MAX];

	assert_true(claim(w, &bob, "10.1.2.2"));
	assert_true(claim(w, &alice, "10.1.2.3"));
	assert_true(claim(w, &alice1, "10.1.2.4"));
	put(w, "10.1.2.5", "bob");
	put(w, "10.1.2.6", "alice");
	put(w, "10.1.2.7", "");
	put(w, "10.1.2.8", "not a container");
	put(w, "10.1.2.9", "bob\r\neth1");
	put(w, "notes", "alice\r\neth0");
	put(w, "last_reserved_ip.0", "10.1.2.9");
	put(w, INDEX_DIR "/new", "alice\r\neth0");
	in_folder(w, "10.1.2.10", path);
	assert_int_equal(mkdir(path, 0755), 0);
	must_open(&s, w, true);
	assert_int_equal(store_gc(&s, keep_bob, &asked, &err), 0);
	store_close(&s);
	assert_int_equal(asked, 6);
	assert_true(exists(w, "10.1.2.2") && exists(w, "10.1.2.5") && exists(w, "10.1.2.8") &&
		    exists(w, "10.1.2.10") && exists(w, "notes") && exists(w, "lock") &&
		    exists(w, "last_reserved_ip.0"));
	assert_false(exists(w, "10.1.2.3") || exists(w, "10.1.2.4") || exists(w, "10.1.2.6") ||
		     exists(w, "10.1.2.7") || exists(w, "10.1.2.9") || exists(w, INDEX_DIR "/new"));
	assert_true(index_is_fresh(w));
	assert_int_equal(index_entries(w), 1);
}

static void many_processes(void **state)
{
	struct world *w = *state;
	enum { N = 16 };
	pid_t pids[N];
	scoped_names struct names names = { 0 };
	scoped_fd int dir = -1;
	struct cni_error err;

	for (size_t i = 0; i < N; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			char id[16], address[32];
			const struct owner o = { "net", id, "eth0" };
			bool got = false;

			(void)text_format(id, sizeof(id), "c%zu", i);
			for (unsigned k = 1; !got && k <= N; k++) {
				(void)text_format(address, sizeof(address), "10.1.2.%u", k);
				got = claim(w, &o, address);
			}
			_exit(got ? 0 : 1);
		}
	}
	for (size_t i = 0; i < N; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	dir = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(names_read(dir, &names, &err), 0);
	assert_int_equal(names.n, N);
	assert_true(index_is_fresh(w));
	for (size_t i = 0; i < N; i++) {
		char id[16];
		const struct owner o = { "net", id, "eth0" };

		(void)text_format(id, sizeof(id), "c%zu", i);
		release(w, &o);
	}
	names_free(&names);
	assert_int_equal(names_read(dir, &names, &err), 0);
	assert_int_equal(names.n, 0);
}

/* /proc/locks marks waiters: "3: -> FLOCK  ADVISORY  WRITE 4711 fe:00:123456 0 EOF". */
static bool waits_for_lock(pid_t pid)
{
	FILE *locks = fopen("/proc/locks", "re");
	char line[256];
	bool waits = false;

	assert_non_null(locks);
	while (!waits && fgets(line, sizeof(line), locks) != NULL) {
		int waiter;

		waits = sscanf(line, "%*s -> FLOCK %*s %*s %d", &waiter) == 1 && waiter == pid;
	}
	(void)fclose(locks);
	return waits;
}

/* The folder is wiped while somebody waits for its lock: he must not work in a deleted one. */
static void wiped_while_waiting(void **state)
{
	struct world *w = *state;
	struct store s = STORE_CLOSED;
	int status;
	pid_t pid;

	must_open(&s, w, true);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(s.lock); /* or we would hold it ourselves */
		_exit(claim(w, &alice, "10.1.2.2") ? 0 : 1);
	}
	for (unsigned i = 0; i < 1000 && !waits_for_lock(pid); i++)
		(void)poll(NULL, 0, 5);
	assert_true(waits_for_lock(pid));
	assert_int_equal(nftw(w->path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
	store_close(&s);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_owns(w, &alice, "10.1.2.2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(files_are_the_references, setup, teardown),
		cmocka_unit_test_setup_teardown(last_is_a_hint, setup, teardown),
		cmocka_unit_test_setup_teardown(one_owner_per_address, setup, teardown),
		cmocka_unit_test_setup_teardown(several_claims_in_one_go, setup, teardown),
		cmocka_unit_test_setup_teardown(absent_folder, setup, teardown),
		cmocka_unit_test_setup_teardown(reading_makes_no_index, setup, teardown),
		cmocka_unit_test(records),
		cmocka_unit_test_setup_teardown(too_long_to_store, setup, teardown),
		cmocka_unit_test_setup_teardown(empty_files_are_no_reservations, setup, teardown),
		cmocka_unit_test_setup_teardown(foreign_things_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(others_changes_are_seen, setup, teardown),
		cmocka_unit_test_setup_teardown(folder_time_is_past, setup, teardown),
		cmocka_unit_test_setup_teardown(overwritten_in_place, setup, teardown),
		cmocka_unit_test_setup_teardown(exact_before_old_format, setup, teardown),
		cmocka_unit_test_setup_teardown(index_is_never_believed, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged_index_is_rebuilt, setup, teardown),
		cmocka_unit_test_setup_teardown(restored_times_do_not_deceive, setup, teardown),
		cmocka_unit_test_setup_teardown(index_that_cannot_be, setup, teardown),
		cmocka_unit_test_setup_teardown(crash_points, setup, teardown),
		cmocka_unit_test_setup_teardown(gc, setup, teardown),
		cmocka_unit_test_setup_teardown(many_processes, setup, teardown),
		cmocka_unit_test_setup_teardown(wiped_while_waiting, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
