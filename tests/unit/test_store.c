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
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "store/names.h"
#include "store/record.h"
#include "store_world.h"

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

/* A FIFO would be waited for, a folder would be locked by us alone. */
static void a_lock_is_a_regular_file(void **state)
{
	struct world *w = *state;
	char path[PATH_MAX];

	assert_true(claim(w, &alice, "10.1.2.3"));
	in_folder(w, "lock", path);
	for (int i = 0; i < 4; i++) {
		struct store s = STORE_CLOSED;
		struct cni_error err;

		assert_int_equal(remove(path), 0);
		assert_int_equal(i % 2 == 0 ? mkfifo(path, 0600) : mkdir(path, 0755), 0);
		(void)alarm(20); /* the end of a test that hangs */
		assert_int_equal(store_open(&s, w->dir, "net", i < 2, &err), -1);
		(void)alarm(0);
		assert_int_equal(err.code, CNI_IO);
		assert_non_null(strstr(err.msg, path));
		assert_non_null(strstr(err.msg, "remove it"));
		store_close(&s);
	}
	assert_int_equal(remove(path), 0);
	release(w, &alice);
	assert_false(exists(w, "10.1.2.3"));
	assert_file(w, "lock", "", 0750);
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

enum { PROCESSES = 16 };

static void numbered(char id[16], size_t i)
{
	(void)text_format(id, 16, "c%zu", i);
}

/* The first free of 10.1.2.1 to .16, as container number `i`. */
static bool claim_any(const struct world *w, size_t i)
{
	char id[16], address[32];
	const struct owner o = { "net", id, "eth0" };
	bool got = false;

	numbered(id, i);
	for (unsigned k = 1; !got && k <= PROCESSES; k++) {
		(void)text_format(address, sizeof(address), "10.1.2.%u", k);
		got = claim(w, &o, address);
	}
	return got;
}

static size_t count_names(const struct world *w)
{
	scoped_fd int dir = open(w->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	scoped_names struct names names = { 0 };
	struct cni_error err;

	assert_int_equal(names_read(dir, &names, &err), 0);
	return names.n;
}

static void many_processes(void **state)
{
	struct world *w = *state;
	pid_t pids[PROCESSES];

	for (size_t i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			_exit(claim_any(w, i) ? 0 : 1);
	}
	for (size_t i = 0; i < PROCESSES; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(count_names(w), PROCESSES);
	assert_true(index_is_fresh(w));
	for (size_t i = 0; i < PROCESSES; i++) {
		char id[16];
		const struct owner o = { "net", id, "eth0" };

		numbered(id, i);
		release(w, &o);
	}
	assert_int_equal(count_names(w), 0);
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
		cmocka_unit_test_setup_teardown(files_are_the_references, store_setup,
						store_teardown),
		cmocka_unit_test_setup_teardown(last_is_a_hint, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(one_owner_per_address, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(several_claims_in_one_go, store_setup,
						store_teardown),
		cmocka_unit_test_setup_teardown(a_lock_is_a_regular_file, store_setup,
						store_teardown),
		cmocka_unit_test_setup_teardown(absent_folder, store_setup, store_teardown),
		cmocka_unit_test(records),
		cmocka_unit_test_setup_teardown(too_long_to_store, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(empty_files_are_no_reservations, store_setup,
						store_teardown),
		cmocka_unit_test_setup_teardown(foreign_things_stay, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(exact_before_old_format, store_setup,
						store_teardown),
		cmocka_unit_test_setup_teardown(crash_points, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(gc, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(many_processes, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(wiped_while_waiting, store_setup, store_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
