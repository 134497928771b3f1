/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct cni_error;

/* Files, folders, locks. Errors carry CNI_IO unless said otherwise, with errno in err->sys. */

/*
 * Read a descriptor to its end. `what` names it in errors. *ret is malloc'd, NUL-terminated (the
 * NUL not counted in *ret_len) and the caller's to free. More than `max` bytes is CNI_IO with sys
 * EFBIG; a pipe that has not ended after FS_READ_SECONDS in all is ETIMEDOUT. fs_read_within() has
 * both limits from its caller.
 */
#define FS_READ_SECONDS 30
struct fs_limit {
	size_t max; /* bytes */
	unsigned seconds;
};

int fs_read_within(int fd, const struct fs_limit *limit, const char *what, char **ret,
		   size_t *ret_len, struct cni_error *err);
int fs_read_all(int fd, size_t max, const char *what, char **ret, size_t *ret_len,
		struct cni_error *err);

/* Read file `name` under `dirfd` (AT_FDCWD allowed) into a buffer of `cap` bytes as a
 * NUL-terminated string; longer is EFBIG. Sets *ret_len if not NULL. err->sys == ENOENT when it is
 * absent. */
int fs_read_at(int dirfd, const char *name, char *buf, size_t cap, size_t *ret_len,
	       struct cni_error *err);

/* Open file `name` under `dirfd` for reading, with O_NOFOLLOW or nothing in `flags`; *ret_fd is the
 * caller's. CNI_DECODE for anything but a regular file, which a link is where it is not followed;
 * never waits for the writer of a pipe. err->sys == ENOENT when it is absent. */
int fs_open_file(int dirfd, const char *name, int flags, int *ret_fd, struct cni_error *err);

/*
 * Put a whole file in place. A crash leaves the old file or the new one; where there is an old one
 * (or no O_TMPFILE) perhaps also ".tmp-NAME", which the next writer of that name takes. Not
 * fsynced: for state under /run. `mode` beats the umask.
 */
int fs_write_at(int dirfd, const char *name, const void *data, size_t len, mode_t mode,
		struct cni_error *err);

/* The path of `name` in the open folder `dirfd`, for an error's words; `name` alone if it is not
 * known. errno stays. */
const char *fs_path(int dirfd, const char *name, char buf[PATH_MAX]);

/* Remove `name` under `dirfd`; absent is success. */
int fs_remove_at(int dirfd, const char *name, struct cni_error *err);

/* The same, and what a writer of it that was killed has left. */
int fs_forget_at(int dirfd, const char *name, struct cni_error *err);

/* Create `path` (absolute) and its missing parents with `mode`; existing ones stay as they are. */
int fs_mkdirs(const char *path, mode_t mode, struct cni_error *err);

/*
 * Take an exclusive flock on `fd`, waiting at most `seconds`. In time: 0. Too late: CNI_TRY_AGAIN
 * whose msg names `what` and, where /proc/locks tells, the process that holds it. The lock goes
 * with the descriptor. Uses SIGALRM and ITIMER_REAL for the bound and puts both back.
 */
int fs_lock(int fd, const char *what, unsigned seconds, struct cni_error *err);

/* Take the lock that is file `name` in `dir`, made (0600) if missing and never removed, for at most
 * FS_LOCK_SECONDS. One that is there can be had on a read-only file system, too. *ret_lock is the
 * caller's to close: the lock goes with it. */
int fs_lock_at(int dir, const char *name, int *ret_lock, struct cni_error *err);

#define FS_LOCK_SECONDS 10

/*
 * Open (and with `create` make, 0700) our scratch folder, /run/podwire; where /run is not ours to
 * write (a user namespace) it is $XDG_RUNTIME_DIR/podwire. The descriptor is the caller's.
 * Without `create` an absent folder is err->sys == ENOENT.
 */
int fs_run_dir(bool create, int *ret_fd, struct cni_error *err);

/*
 * Give a kernel switch below /proc/sys (or below `dirfd`, which may be an O_PATH directory) a
 * value. Reads first: a switch that already has it is not written, so that a read-only /proc/sys
 * which is preset right is fine. CNI_KERNEL on failure, naming switch and value.
 */
int fs_sysctl(int dirfd, const char *path, const char *value, struct cni_error *err);
