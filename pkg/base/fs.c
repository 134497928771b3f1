/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/journal.h"
#include "base/scoped.h"
#include "base/text.h"

const char *fs_path(int dirfd, const char *name, char buf[PATH_MAX])
{
	const int saved = errno;
	char link[32];
	ssize_t n = -1;
	size_t len;

	(void)text_format(link, sizeof(link), "/proc/self/fd/%d", dirfd);
	if (name[0] != '/' && dirfd >= 0)
		n = readlink(link, buf, PATH_MAX - 1);
	errno = saved;
	len = n < 0 ? 0 : (size_t)n;
	if (len == 0 || !text_format(buf + len, PATH_MAX - len, "/%s", name))
		return name;
	return buf;
}

#define REPLACE_TRIES 100 /* others replace the same file at the same time */

static int grow(char **buf, size_t *cap, size_t max)
{
	size_t want = *cap == 0 ? 4096 : *cap * 2;
	char *bigger;

	if (want > max + 2)
		want = max + 2; /* one byte to see that there is more, one for the NUL */
	bigger = realloc(*buf, want);
	if (bigger == NULL)
		return -1;
	*buf = bigger;
	*cap = want;
	return 0;
}

/* False at the deadline, also for a writer that never pauses; any trouble is read(2)'s to tell. */
static bool readable(int fd, int64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t left = deadline - clock_ms();

	return left > 0 && poll(&p, 1, (int)left) != 0;
}

int fs_read_within(int fd, const struct fs_limit *limit, const char *what, char **ret,
		   size_t *ret_len, struct cni_error *err)
{
	int64_t deadline = clock_ms() + (int64_t)limit->seconds * 1000;
	scoped_free char *buf = NULL;
	size_t cap = 0, len = 0;

	for (;;) {
		ssize_t n;

		if (len + 1 >= cap && grow(&buf, &cap, limit->max) < 0)
			return cni_fail_sys_code(err, CNI_IO, ENOMEM, "read %s", what);
		if (!readable(fd, deadline))
			return cni_fail_sys_code(err, CNI_IO, ETIMEDOUT,
						 "read %s: its writer did not write all of it and "
						 "close it within %u s",
						 what, limit->seconds);
		n = read(fd, buf + len, cap - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cni_fail_sys_code(err, CNI_IO, errno, "read %s", what);
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > limit->max)
			return cni_fail_sys_code(err, CNI_IO, EFBIG,
						 "read %s: more than the %zu bytes allowed", what,
						 limit->max);
	}
	buf[len] = '\0';
	*ret = take_ptr(&buf);
	*ret_len = len;
	return 0;
}

int fs_read_all(int fd, size_t max, const char *what, char **ret, size_t *ret_len,
		struct cni_error *err)
{
	const struct fs_limit limit = { .max = max, .seconds = FS_READ_SECONDS };

	return fs_read_within(fd, &limit, what, ret, ret_len, err);
}

int fs_read_at(int dirfd, const char *name, char *buf, size_t cap, size_t *ret_len,
	       struct cni_error *err)
{
	scoped_fd int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char path[PATH_MAX];
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return cni_fail_sys_code(err, CNI_IO, errno, "open %s", fs_path(dirfd, name, path));
	while ((n = read(fd, buf + len, cap - len)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		len += n < 0 ? 0 : (size_t)n;
		if (n < 0 || len == cap)
			return cni_fail_sys_code(err, CNI_IO, n < 0 ? errno : EFBIG, "read %s",
						 fs_path(dirfd, name, path));
	}
	buf[len] = '\0';
	if (ret_len != NULL)
		*ret_len = len;
	return 0;
}

int fs_open_file(int dirfd, const char *name, int flags, int *ret_fd, struct cni_error *err)
{
	scoped_fd int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
	struct stat st;

	if (fd < 0)
		return cni_fail_sys_code(err, errno == ELOOP ? CNI_DECODE : CNI_IO, errno,
					 "open %s", name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return cni_fail(err, CNI_DECODE, "%s is no regular file", name);
	*ret_fd = take_fd(&fd);
	return 0;
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static void temp_name(const char *name, char buf[NAME_MAX + 1])
{
	(void)text_format(buf, NAME_MAX + 1, ".tmp-%.*s", NAME_MAX - 5, name);
}

/*
 * The whole, still nameless file `path` gets `name`, whatever has that name now. In between it is
 * called `tmp`, as is that of anybody else who does the same: both are whole, so it does no harm
 * that one takes away, or puts in place, the other's.
 */
static int put_over(int dirfd, const char *path, const char *tmp, const char *name)
{
	for (int i = 0; i < REPLACE_TRIES; i++) {
		if (linkat(AT_FDCWD, path, dirfd, tmp, AT_SYMLINK_FOLLOW) == 0)
			return renameat(dirfd, tmp, dirfd, name) == 0 || errno == ENOENT ? 0 : -1;
		if (errno != EEXIST || (unlinkat(dirfd, tmp, 0) < 0 && errno != ENOENT))
			return -1;
	}
	return -1;
}

/* By a file that has no name before it is whole. */
static int write_whole(int dirfd, const char *name, const void *data, size_t len, mode_t mode)
{
	scoped_fd int fd = openat(dirfd, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
	char path[32], tmp[NAME_MAX + 1];

	if (fd < 0 || write_all(fd, data, len) < 0 || fchmod(fd, mode) < 0)
		return -1;
	(void)text_format(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, path, dirfd, name, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	temp_name(name, tmp);
	return errno == EEXIST ? put_over(dirfd, path, tmp, name) : -1;
}

int fs_write_at(int dirfd, const char *name, const void *data, size_t len, mode_t mode,
		struct cni_error *err)
{
	char tmp[NAME_MAX + 1], path[PATH_MAX];
	scoped_fd int fd = -1;
	int sys;

	if (write_whole(dirfd, name, data, len, mode) == 0)
		return 0;
	/* A lesser file system; what is wrong otherwise is said here. */
	temp_name(name, tmp);
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && write_all(fd, data, len) == 0 && fchmod(fd, mode) == 0 &&
	    renameat(dirfd, tmp, dirfd, name) == 0)
		return 0;
	sys = errno;
	if (fd >= 0)
		(void)unlinkat(dirfd, tmp, 0);
	return cni_fail_sys_code(err, CNI_IO, sys, "write %s", fs_path(dirfd, name, path));
}

int fs_remove_at(int dirfd, const char *name, struct cni_error *err)
{
	char path[PATH_MAX];

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	return cni_fail_sys_code(err, CNI_IO, errno, "remove %s", fs_path(dirfd, name, path));
}

int fs_forget_at(int dirfd, const char *name, struct cni_error *err)
{
	char tmp[NAME_MAX + 1];

	temp_name(name, tmp);
	(void)unlinkat(dirfd, tmp, 0);
	return fs_remove_at(dirfd, name, err);
}

int fs_mkdirs(const char *path, mode_t mode, struct cni_error *err)
{
	char part[PATH_MAX];

	if (path[0] != '/' || !text_format(part, sizeof(part), "%s", path))
		return cni_fail(err, CNI_INVALID_CONFIG, "folder \"%s\" is not an absolute path",
				path);
	for (char *p = part + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(part, mode) < 0 && errno != EEXIST)
			return cni_fail_sys_code(err, CNI_IO, errno, "create folder %s", part);
		*p = c;
		if (c == '\0')
			return 0;
	}
}

static int open_run_dir(const char *path, bool create)
{
	if (create && mkdir(path, 0700) < 0 && errno != EEXIST)
		return -1;
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int fs_run_dir(bool create, int *ret_fd, struct cni_error *err)
{
	const char *own = getenv("XDG_RUNTIME_DIR");
	char path[PATH_MAX];
	int fd = open_run_dir(PODWIRE_RUN_DIR, create);
	int sys = errno;

	if (fd < 0 && own != NULL && own[0] == '/' &&
	    text_format(path, sizeof(path), "%s/podwire", own))
		fd = open_run_dir(path, create);
	if (fd < 0)
		return cni_fail_sys_code(err, CNI_IO, sys, "open the folder %s", PODWIRE_RUN_DIR);
	*ret_fd = fd;
	return 0;
}

int fs_sysctl(int dirfd, const char *path, const char *value, struct cni_error *err)
{
	scoped_fd int fd = -1;
	char now[64];

	if (fs_read_at(dirfd, path, now, sizeof(now), NULL, err) < 0)
		return cni_fail_sys(err, err->sys, "read the kernel switch %s", path);
	now[strcspn(now, "\n")] = '\0';
	if (strcmp(now, value) == 0)
		return 0;
	fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write_all(fd, value, strlen(value)) < 0)
		return cni_fail_sys(err, errno,
				    "set the kernel switch %s to %s (it is %s; where /proc/sys is "
				    "read-only, set it on the host beforehand)",
				    path, value, now);
	return 0;
}
