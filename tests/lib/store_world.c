/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store_world.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"

const struct owner alice = { "net", "alice", "eth0" };
const struct owner alice1 = { "net", "alice", "eth1" };
const struct owner bob = { "net", "bob", "eth0" };

int store_setup(void **state)
{
	struct world *w = test_calloc(1, sizeof(*w));

	(void)text_format(w->dir, sizeof(w->dir), "/tmp/test-store-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	(void)text_format(w->path, sizeof(w->path), "%s/net", w->dir);
	*state = w;
	return 0;
}

int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int store_teardown(void **state)
{
	struct world *w = *state;

	assert_int_equal(nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
	test_free(w);
	return 0;
}

/* ---- what others do to the folder ---- */

void in_folder(const struct world *w, const char *name, char buf[PATH_MAX])
{
	assert_true(text_format(buf, PATH_MAX, "%s/%s", w->path, name));
}

void put_bytes(const struct world *w, const char *name, const char *data, size_t len)
{
	char path[PATH_MAX];
	int fd;

	in_folder(w, name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	(void)close(fd);
}

void put(const struct world *w, const char *name, const char *text)
{
	put_bytes(w, name, text, strlen(text));
}

void take_away(const struct world *w, const char *name)
{
	char path[PATH_MAX];

	in_folder(w, name, path);
	assert_int_equal(remove(path), 0);
}

bool exists(const struct world *w, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	in_folder(w, name, path);
	return lstat(path, &st) == 0;
}

void assert_file(const struct world *w, const char *name, const char *text, mode_t mode)
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

struct ip ip(const char *s)
{
	struct ip a;

	if (!ip_parse(s, &a))
		fail_msg("%s", s);
	return a;
}

void must_open(struct store *s, const struct world *w, bool create)
{
	struct cni_error err;

	if (store_open(s, w->dir, "net", create, &err) < 0)
		fail_msg("%s", err.msg);
}

bool claim(const struct world *w, const struct owner *o, const char *address)
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

void release(const struct world *w, const struct owner *o)
{
	scoped_store struct store s = STORE_CLOSED;
	struct cni_error err;

	must_open(&s, w, false);
	if (store_release(&s, o, &err) < 0)
		fail_msg("%s", err.msg);
}

void owned_text(const struct store *s, const struct owner *o, char *buf, size_t cap)
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

void assert_owns(const struct world *w, const struct owner *o, const char *want)
{
	scoped_store struct store s = STORE_CLOSED;
	char got[512];

	must_open(&s, w, false);
	owned_text(&s, o, got, sizeof(got));
	assert_string_equal(got, want);
}

bool index_is_fresh(const struct world *w)
{
	scoped_store struct store s = STORE_CLOSED;

	must_open(&s, w, false);
	return s.index.on_disk && !s.index.changed;
}

size_t index_entries(const struct world *w)
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
