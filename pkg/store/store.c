/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reservations on disk, in the reference host-local's folder and under its lock.
 *
 * Claim: the record is written whole under a temporary name inside INDEX_DIR and then renamed to
 * the address, refusing to replace anything. So an address file is there with its owner or not at
 * all, and two claims cannot both win even if one of them ignores the lock. Then the index entry.
 * Release: the address file is read again, and removed only if it still names the owner; then the
 * index entry.
 *
 * What a crash leaves: at worst the temporary record (removed by the next claim, release or GC), or
 * a whole reservation, which the DEL or GC that every failed ADD is followed by releases.
 * What a power cut leaves: perhaps an address file without its data, or none. Nothing is fsynced:
 * no pod survives a power cut, and an empty file is no reservation to us: whoever meets one under
 * the lock takes it over, since nobody can be in the middle of writing it (the reference writes
 * under the same lock).
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/text.h"
#include "base/trace.h"
#include "store/names.h"
#include "store/record.h"

#define LOCK	   "lock"
#define TEMP	   "new" /* in INDEX_DIR */
#define LAST_NAME  40
#define LOCK_TRIES 16

int store_path(const char *data_dir, const char *network, char buf[PATH_MAX], struct cni_error *err)
{
	if (!text_format(buf, PATH_MAX, "%s/%s", data_dir, network))
		return cni_fail(err, CNI_INVALID_CONFIG,
				"the folder <dataDir>/<name> is longer than a path can be: \"%s\"",
				data_dir);
	return 0;
}

static int open_dir(const char *path, bool create, int *ret_fd, struct cni_error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && create) {
		if (fs_mkdirs(path, 0755, err) < 0)
			return -1;
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0)
		return cni_fail_sys_code(err, CNI_IO, errno, "open the folder %s", path);
	*ret_fd = fd;
	return 0;
}

static int check_lock(int fd, const char *path, struct cni_error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return cni_fail_sys_code(err, CNI_IO, errno, "look at %s/" LOCK, path);
	if (!S_ISREG(st.st_mode))
		return cni_fail(err, CNI_IO,
				"%s/" LOCK " is not a regular file, so it cannot be the lock of "
				"the reservations: remove it, and it is made anew",
				path);
	return 0;
}

/*
 * The reference's name and mode. An existing one is opened as it is, so that a read-only file
 * system can be looked at. Where it is absent and cannot be made (a full disk), nobody holds it,
 * and whoever only reads or releases locks the folder itself instead. Opening a FIFO would wait for
 * its writer, hence O_NONBLOCK.
 */
static int open_lock(int dir, bool create, const char *path, int *ret_fd, struct cni_error *err)
{
	const int flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC;
	scoped_fd int fd = openat(dir, LOCK, flags);

	if (fd < 0 && errno == ENOENT)
		fd = openat(dir, LOCK, flags | O_CREAT, 0750);
	if (fd >= 0 && check_lock(fd, path, err) < 0)
		return -1;
	if (fd < 0 && !create && (errno == ENOSPC || errno == EDQUOT || errno == EROFS))
		fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return cni_fail_sys_code(err, CNI_IO, errno, "open %s/" LOCK, path);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* Open and lock once. *ret_good false: the lock file, or the folder with it, was removed while we
 * waited, so that somebody else may hold a new one. */
static int lock_once(struct store *s, bool create, bool *ret_good, struct cni_error *err)
{
	char what[PATH_MAX + sizeof("/" LOCK)];
	scoped_fd int dir = -1;
	scoped_fd int lock = -1;
	struct stat st;

	(void)text_format(what, sizeof(what), "%s/" LOCK, s->path);
	if (open_dir(s->path, create, &dir, err) < 0)
		return -1;
	*ret_good = false;
	if (open_lock(dir, create, s->path, &lock, err) < 0)
		return create && err->sys == ENOENT ? 0 : -1; /* the folder was removed */
	if (fs_lock(lock, what, FS_LOCK_SECONDS, err) < 0)
		return -1;
	if (fstat(lock, &st) < 0)
		return cni_fail_sys_code(err, CNI_IO, errno, "look at %s", what);
	*ret_good = st.st_nlink > 0;
	if (*ret_good) {
		s->dir = take_fd(&dir);
		s->lock = take_fd(&lock);
	}
	return 0;
}

int store_open(struct store *s, const char *data_dir, const char *network, bool create,
	       struct cni_error *err)
{
	bool good = false;

	if (store_path(data_dir, network, s->path, err) < 0)
		return -1;
	for (unsigned i = 0; !good && i < LOCK_TRIES; i++) {
		if (lock_once(s, create, &good, err) < 0)
			return -1;
	}
	if (!good)
		return cni_fail(err, CNI_TRY_AGAIN, "somebody keeps removing %s/" LOCK, s->path);
	if (index_open(&s->index, s->dir, create, err) == 0)
		return 0;
	store_close(s);
	return cni_wrap(err, "%s", s->path);
}

static void drop_temp(struct store *s)
{
	s->temp = false;
	if (s->index.dir >= 0)
		(void)unlinkat(s->index.dir, TEMP, 0);
}

/* The stamp is the last thing done under the lock; the lock goes with its descriptor. */
void store_close(struct store *s)
{
	if (s->temp)
		drop_temp(s);
	index_close(&s->index);
	close_fdp(&s->dir);
	close_fdp(&s->lock);
}

/* Write a whole file under the temporary name. What lies there is debris: we hold the lock. It is
 * removed and not overwritten, as it may be a second name of a file in use (see place()). */
static int write_temp(struct store *s, const char *data, size_t len, struct cni_error *err)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
	int dir = s->index.dir;
	scoped_fd int fd = -1;
	ssize_t n;

	if (dir < 0)
		return cni_fail_sys_code(err, CNI_IO, s->index.sys, "make the folder %s/" INDEX_DIR,
					 s->path);
	fd = openat(dir, TEMP, flags, 0600);
	if (fd < 0 && errno == EEXIST) {
		(void)unlinkat(dir, TEMP, 0);
		fd = openat(dir, TEMP, flags, 0600);
	}
	if (fd < 0)
		return cni_fail_sys_code(err, CNI_IO, errno, "write to %s", s->path);
	s->temp = true;
	n = write(fd, data, len);
	if (n < 0 || (size_t)n != len)
		return cni_fail_sys_code(err, CNI_IO, n < 0 ? errno : ENOSPC, "write to %s",
					 s->path);
	return 0;
}

/* Give the temporary file its name: 1, or 0 if something has it, or -1 with errno. */
static int place(struct store *s, const char *name)
{
	int dir = s->index.dir;
	int r = renameat2(dir, TEMP, s->dir, name, RENAME_NOREPLACE);

	if (r < 0 && (errno == EINVAL || errno == ENOSYS)) {
		/* NFS and the like know no such rename, but links. */
		r = linkat(dir, TEMP, s->dir, name, 0);
		if (r == 0)
			(void)unlinkat(dir, TEMP, 0);
	}
	if (r < 0)
		return errno == EEXIST ? 0 : -1;
	s->temp = false;
	return 1;
}

/* Something has the name: true if it was an empty file, which is gone now. */
static bool reclaim(struct store *s, const struct ip *ip, const char *name)
{
	struct cni_error ignored;
	struct record r;

	if (record_read(s->dir, ip, &r, &ignored) < 0 || r.kind != RECORD_EMPTY)
		return false;
	trace("take over %s/%s, which is empty", s->path, name);
	return unlinkat(s->dir, name, 0) == 0;
}

int store_claim(struct store *s, const struct owner *o, const struct ip *ip, bool *ret_got,
		struct cni_error *err)
{
	uint64_t owner = index_hash(o->container, o->ifname);
	char data[RECORD_MAX], name[IP_TEXT];
	size_t len;
	int r;

	if (record_format(o, data, &len, err) < 0)
		return -1;
	if ((!s->temp || s->temp_for != owner) && write_temp(s, data, len, err) < 0)
		return -1;
	s->temp_for = owner;
	ip_print(ip, name);
	trace("reserve %s/%s for %s %s", s->path, name, o->container, o->ifname);
	r = place(s, name);
	if (r == 0 && reclaim(s, ip, name))
		r = place(s, name);
	if (r < 0)
		return cni_fail_sys_code(err, CNI_IO, errno, "reserve %s/%s", s->path, name);
	if (r > 0)
		index_add(&s->index, owner, ip);
	*ret_got = r > 0;
	return 0;
}

/* What the files of some candidates say. `full`: by container and interface; `old`: by container.
 */
struct findings {
	struct owned *full, *old, *empty;
};

static void note(struct owned *list, const struct ip *ip)
{
	if (list != NULL && list->n < ARRAY_SIZE(list->ip))
		list->ip[list->n++] = *ip;
}

static int look(const struct store *s, const struct owner *o, const char *ifname,
		const struct findings *f, struct cni_error *err)
{
	struct ip candidates[INDEX_CANDIDATES];
	struct record r;
	size_t n;

	if (index_get(&s->index, index_hash(o->container, ifname), candidates, &n, err) < 0)
		return cni_wrap(err, "%s", s->path);
	for (size_t i = 0; i < n; i++) {
		if (record_read(s->dir, &candidates[i], &r, err) < 0)
			return cni_wrap(err, "%s", s->path);
		if (r.kind == RECORD_EMPTY)
			note(f->empty, &candidates[i]);
		else if (record_is(&r, o))
			note(r.kind == RECORD_FULL ? f->full : f->old, &candidates[i]);
	}
	return 0;
}

int store_find(const struct store *s, const struct owner *o, struct owned *ret,
	       struct cni_error *err)
{
	struct owned full = { .n = 0 }, old = { .n = 0 };
	const struct findings f = { .full = &full, .old = &old };

	if (look(s, o, o->ifname, &f, err) < 0 || look(s, o, "", &f, err) < 0)
		return -1;
	*ret = full.n > 0 ? full : old;
	return 0;
}

static int remove_address(struct store *s, const struct ip *ip, struct cni_error *err)
{
	char name[IP_TEXT];

	ip_print(ip, name);
	trace("release %s/%s", s->path, name);
	if (fs_remove_at(s->dir, name, err) < 0)
		return cni_wrap(err, "%s", s->path);
	return 0;
}

int store_drop(struct store *s, const struct owner *o, const struct ip *ip, struct cni_error *err)
{
	struct record r;

	if (record_read(s->dir, ip, &r, err) < 0)
		return cni_wrap(err, "%s", s->path);
	if ((record_is(&r, o) || r.kind == RECORD_EMPTY) && remove_address(s, ip, err) < 0)
		return -1;
	index_remove(&s->index, index_hash(o->container, o->ifname), ip);
	if (r.kind == RECORD_OLD)
		index_remove(&s->index, index_hash(o->container, ""), ip);
	return 0;
}

int store_release(struct store *s, const struct owner *o, struct cni_error *err)
{
	struct owned full = { .n = 0 }, old = { .n = 0 }, empty = { .n = 0 };
	const struct findings f = { .full = &full, .old = &old, .empty = &empty };
	const struct owned *found = &full;
	struct cni_error step;

	cni_clear(err);
	drop_temp(s);
	if (look(s, o, o->ifname, &f, err) < 0 || look(s, o, "", &f, err) < 0)
		return -1;
	if (full.n == 0)
		found = &old;
	for (size_t i = 0; i < found->n; i++) {
		if (store_drop(s, o, &found->ip[i], &step) < 0)
			cni_keep_first(err, &step);
	}
	for (size_t i = 0; i < empty.n; i++) {
		if (store_drop(s, o, &empty.ip[i], &step) < 0)
			cni_keep_first(err, &step);
	}
	return err->code == CNI_OK ? 0 : -1;
}

int store_gc(struct store *s, store_keep_fn keep, void *ctx, struct cni_error *err)
{
	scoped_names struct names names = { 0 };
	struct cni_error step;
	struct record r;

	cni_clear(err);
	drop_temp(s);
	if (index_rebuild(&s->index, err) < 0 || names_read(s->dir, &names, err) < 0)
		return cni_wrap(err, "%s", s->path);
	for (size_t i = 0; i < names.n; i++) {
		if (record_read(s->dir, &names.ip[i], &r, &step) < 0) {
			cni_keep_first(err, &step);
			continue;
		}
		if (r.kind == RECORD_ABSENT || r.kind == RECORD_FOREIGN ||
		    (r.kind != RECORD_EMPTY && keep(ctx, r.container, r.ifname)))
			continue;
		if (remove_address(s, &names.ip[i], &step) < 0)
			cni_keep_first(err, &step);
		else
			index_remove(&s->index, index_hash(r.container, r.ifname), &names.ip[i]);
	}
	return err->code == CNI_OK ? 0 : -1;
}

static void last_name(size_t set, char buf[LAST_NAME])
{
	(void)text_format(buf, LAST_NAME, "last_reserved_ip.%zu", set);
}

bool store_last(int dir, size_t set, struct ip *ret)
{
	char name[LAST_NAME], text[IP_TEXT + 2];
	struct cni_error ignored;

	last_name(set, name);
	if (fs_read_at(dir, name, text, sizeof(text), NULL, &ignored) < 0)
		return false;
	text[strcspn(text, " \t\r\n")] = '\0';
	return ip_parse(text, ret);
}

/*
 * Put the temporary file in the place of `name`. Exchanging and removing the old one is as atomic
 * as renaming over it, but ext4 (auto_da_alloc) writes a file that replaces another to the disk at
 * once: 0.1 ms at best and 4 ms at p90, for a hint.
 */
static int replace(struct store *s, const char *name)
{
	int dir = s->index.dir;
	int sys;

	if (renameat2(dir, TEMP, s->dir, name, RENAME_EXCHANGE) < 0)
		return renameat(dir, TEMP, s->dir,
				name); /* the first one; or a lesser file system */
	if (unlinkat(dir, TEMP, 0) == 0)
		return 0;
	sys = errno; /* what was there is no file */
	(void)renameat2(dir, TEMP, s->dir, name, RENAME_EXCHANGE);
	errno = sys;
	return -1;
}

int store_set_last(struct store *s, size_t set, const struct ip *ip, struct cni_error *err)
{
	char name[LAST_NAME], text[IP_TEXT];

	last_name(set, name);
	ip_print(ip, text);
	if (write_temp(s, text, strlen(text), err) < 0)
		return -1;
	s->temp_for = 0;
	index_touch(&s->index);
	if (replace(s, name) < 0)
		return cni_fail_sys_code(err, CNI_IO, errno, "write %s/%s", s->path, name);
	s->temp = false;
	return 0;
}
