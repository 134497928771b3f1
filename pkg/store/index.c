/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One symbolic link per attachment in INDEX_DIR: its name is the hash of (container, interface),
 * its text the addresses, comma-separated. The links lead nowhere, on purpose. A link is made and
 * replaced whole, is read by one call, takes no data block, and is ordered by the journal together
 * with the folder's entries; and the reference's host-local, which reads every file that it finds
 * below the folder, fails on it and goes on.
 *
 * Absence in the index has to be believed, or every ADD would read every file. So we must know
 * that nobody else added a file: after each change of ours the folder's mtime is set to a time of
 * our own, two seconds in the past, and written down in the link `stamp` with the ctime that
 * resulted. Whoever else adds, removes or renames an entry moves the mtime to the kernel's present,
 * which is never the past we chose, not even on a file system that counts in seconds; whoever
 * restores an old mtime (cp -a, tar, touch) moves the ctime. In either case the stamp is wrong
 * and all address files are read once. (A file overwritten in place changes neither: what it says
 * now is seen when its address comes up, and by GC.)
 *
 * Every function that reports a change is called after the change, so dying at any point leaves a
 * wrong stamp, or an entry that is right. An entry may also be stale; it is checked against the
 * address file before anything is done about it.
 */
#include "store/index.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/scoped.h"
#include "base/text.h"
#include "base/trace.h"
#include "store/names.h"
#include "store/record.h"

#define STAMP	   "stamp"
#define TEMP	   "tmp"
#define ENTRY_NAME 17 /* 16 hex digits and NUL */
#define STAMP_AGE  2  /* seconds */

uint64_t index_hash(const char *container, const char *ifname)
{
	const char *const parts[] = { container, ifname };

	return text_hash(parts, ARRAY_SIZE(parts));
}

static void entry_name(uint64_t hash, char buf[ENTRY_NAME])
{
	(void)text_format(buf, ENTRY_NAME, "%016" PRIx64, hash);
}

/* Point the link `name` at `text`; a link of that name is replaced in one step. */
static int put_link(int dir, const char *name, const char *text)
{
	if (symlinkat(text, dir, name) == 0)
		return 0;
	if (errno != EEXIST)
		return -1;
	if (symlinkat(text, dir, TEMP) < 0 &&
	    (errno != EEXIST || unlinkat(dir, TEMP, 0) < 0 || symlinkat(text, dir, TEMP) < 0))
		return -1;
	return renameat(dir, TEMP, dir, name);
}

/* The text of a link; "" if it is absent or not one of ours. False: nobody knows. */
static bool get_link(int dir, const char *name, char buf[PATH_MAX])
{
	ssize_t n = readlinkat(dir, name, buf, PATH_MAX - 1);

	buf[n > 0 ? n : 0] = '\0';
	return n >= 0 || errno == ENOENT || errno == EINVAL;
}

static bool read_entry(const struct index *ix, uint64_t hash, struct ip ret[INDEX_CANDIDATES],
		       size_t *ret_n)
{
	char name[ENTRY_NAME], text[PATH_MAX];
	char *rest = text;

	entry_name(hash, name);
	if (!get_link(ix->dir, name, text))
		return false;
	*ret_n = 0;
	while (rest != NULL && *ret_n < INDEX_CANDIDATES) {
		const char *one = strsep(&rest, ",");

		if (ip_parse(one, &ret[*ret_n]))
			++*ret_n;
	}
	return true;
}

/* False: the index on disk is not complete any more. */
static bool write_entry(const struct index *ix, uint64_t hash, const struct ip *ips, size_t n)
{
	char name[ENTRY_NAME], text[PATH_MAX], ip[IP_TEXT];
	struct text t;

	entry_name(hash, name);
	if (n == 0)
		return unlinkat(ix->dir, name, 0) == 0 || errno == ENOENT;
	text_init(&t, text, sizeof(text));
	for (size_t i = 0; i < n; i++) {
		ip_print(&ips[i], ip);
		text_add(&t, "%s%s", i > 0 ? "," : "", ip);
	}
	return !t.cut && put_link(ix->dir, name, text) == 0;
}

static void stamp_text(const struct stat *st, char *buf, size_t cap)
{
	(void)text_format(buf, cap, "%jd.%09ld %jd.%09ld", (intmax_t)st->st_mtim.tv_sec,
			  st->st_mtim.tv_nsec, (intmax_t)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
}

static bool stamp_is_right(const struct index *ix)
{
	char now[64], then[PATH_MAX];
	struct stat st;

	if (fstat(ix->folder, &st) < 0)
		return false;
	stamp_text(&st, now, sizeof(now));
	return get_link(ix->dir, STAMP, then) && strcmp(now, then) == 0;
}

/* Whatever fails here leaves a wrong stamp: the next call rebuilds. */
static void stamp(const struct index *ix)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { 0 } };
	struct stat st;
	char text[64];

	(void)clock_gettime(CLOCK_REALTIME, &times[1]);
	times[1].tv_sec -= STAMP_AGE;
	if (futimens(ix->folder, times) < 0 || fstat(ix->folder, &st) < 0)
		return;
	stamp_text(&st, text, sizeof(text));
	(void)put_link(ix->dir, STAMP, text);
}

static int compare_pairs(const void *a, const void *b)
{
	const struct index_pair *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return ip_cmp(&x->ip, &y->ip);
}

static bool push_pair(struct index *ix, uint64_t hash, const struct ip *ip)
{
	if (ix->n == ix->cap) {
		size_t want = ix->cap == 0 ? 256 : ix->cap * 2;
		struct index_pair *bigger = realloc(ix->pairs, want * sizeof(*bigger));

		if (bigger == NULL)
			return false;
		ix->pairs = bigger;
		ix->cap = want;
	}
	ix->pairs[ix->n++] = (struct index_pair){ .hash = hash, .ip = *ip };
	return true;
}

/* Read every address file once. *ret_complete false: some file could not be read. */
static int scan(struct index *ix, bool *ret_complete, struct cni_error *err)
{
	scoped_names struct names names = { 0 };
	struct record r;

	if (names_read(ix->folder, &names, err) < 0)
		return -1;
	*ret_complete = true;
	for (size_t i = 0; i < names.n; i++) {
		if (record_read(ix->folder, &names.ip[i], &r, err) < 0) {
			cni_clear(err);
			*ret_complete = false;
		} else if ((r.kind == RECORD_OLD || r.kind == RECORD_FULL) &&
			   !push_pair(ix, index_hash(r.container, r.ifname), &names.ip[i])) {
			return cni_fail(err, CNI_INTERNAL, "no memory for %zu reservations",
					names.n);
		}
	}
	if (ix->n > 0)
		qsort(ix->pairs, ix->n, sizeof(ix->pairs[0]), compare_pairs);
	return 0;
}

static bool have_hash(const struct index *ix, const char *name)
{
	size_t low = 0, high = ix->n;
	char entry[ENTRY_NAME];

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order;

		entry_name(ix->pairs[mid].hash, entry);
		order = strcmp(name, entry);
		if (order == 0)
			return true;
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return false;
}

/* Remove the entries that no address file stands behind, and what a crash left. */
static bool remove_stale(const struct index *ix)
{
	int fd = openat(ix->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;
	bool ok = true;

	if (d == NULL) {
		close_fdp(&fd);
		return false;
	}
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] != '.' && strcmp(e->d_name, STAMP) != 0 &&
		    !have_hash(ix, e->d_name))
			ok = unlinkat(ix->dir, e->d_name, 0) == 0 && ok;
	}
	(void)closedir(d);
	return ok;
}

static bool entry_is(const struct index *ix, uint64_t hash, const struct ip *ips, size_t n)
{
	struct ip now[INDEX_CANDIDATES];
	size_t found;

	return read_entry(ix, hash, now, &found) && found == n &&
	       memcmp(now, ips, n * sizeof(ips[0])) == 0;
}

/* After a change by somebody else most entries are still right: only those that are not are
 * written. */
static bool write_all(const struct index *ix)
{
	struct ip ips[INDEX_CANDIDATES];

	for (size_t i = 0, n = 0; i < ix->n; i++) {
		bool last = i + 1 == ix->n || ix->pairs[i + 1].hash != ix->pairs[i].hash;

		if (n == ARRAY_SIZE(ips))
			return false;
		ips[n++] = ix->pairs[i].ip;
		if (last && !entry_is(ix, ix->pairs[i].hash, ips, n) &&
		    !write_entry(ix, ix->pairs[i].hash, ips, n))
			return false;
		if (last)
			n = 0;
	}
	return true;
}

int index_rebuild(struct index *ix, struct cni_error *err)
{
	bool complete;

	ix->n = 0;
	if (scan(ix, &complete, err) < 0)
		return -1;
	trace("rebuild the index of %zu reservations", ix->n);
	ix->changed = true;
	ix->on_disk = ix->dir >= 0 && complete && remove_stale(ix) && write_all(ix);
	ix->in_pairs = !ix->on_disk;
	return 0;
}

int index_open(struct index *ix, int folder, bool create, struct cni_error *err)
{
	*ix = (struct index){ .folder = folder, .dir = -1 };
	if (create && mkdirat(folder, INDEX_DIR, 0700) < 0 && errno != EEXIST)
		ix->sys = errno;
	ix->dir = openat(folder, INDEX_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (ix->dir < 0 && ix->sys == 0)
		ix->sys = errno;
	if (ix->dir >= 0 && stamp_is_right(ix)) {
		ix->on_disk = true;
		return 0;
	}
	return index_rebuild(ix, err);
}

void index_close(struct index *ix)
{
	if (ix->changed && ix->on_disk)
		stamp(ix);
	close_fdp(&ix->dir);
	free(ix->pairs);
	*ix = (struct index){ .folder = -1, .dir = -1 };
}

int index_get(const struct index *ix, uint64_t hash, struct ip ret[INDEX_CANDIDATES], size_t *ret_n,
	      struct cni_error *err)
{
	size_t n = 0;

	if (!ix->in_pairs && !read_entry(ix, hash, ret, &n))
		return cni_fail_sys_code(err, CNI_IO, errno, "read the index " INDEX_DIR);
	for (size_t i = 0; ix->in_pairs && i < ix->n && n < INDEX_CANDIDATES; i++) {
		if (ix->pairs[i].hash == hash)
			ret[n++] = ix->pairs[i].ip;
	}
	*ret_n = n;
	return 0;
}

void index_touch(struct index *ix)
{
	ix->changed = true;
}

/* Write an entry's addresses anew: without `ip`, and with it at the end if it is `there`. An entry
 * that cannot be read is left as it is, and the index is no longer complete. */
static void rewrite(struct index *ix, uint64_t hash, const struct ip *ip, bool there)
{
	struct ip ips[INDEX_CANDIDATES + 1];
	size_t n, left = 0;
	bool ok = read_entry(ix, hash, ips, &n);

	for (size_t i = 0; ok && i < n; i++) {
		if (!ip_equal(&ips[i], ip))
			ips[left++] = ips[i];
	}
	if (there)
		ips[left++] = *ip;
	ix->on_disk = ok && write_entry(ix, hash, ips, left) && ix->on_disk;
}

/* In memory nothing needs to be told: nobody asks again in this call for what it changed itself. */
void index_add(struct index *ix, uint64_t hash, const struct ip *ip)
{
	ix->changed = true;
	if (!ix->in_pairs)
		rewrite(ix, hash, ip, true);
}

void index_remove(struct index *ix, uint64_t hash, const struct ip *ip)
{
	ix->changed = true;
	if (!ix->in_pairs)
		rewrite(ix, hash, ip, false);
}
