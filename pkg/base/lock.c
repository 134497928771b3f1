/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bounded flock. flock(2) has no time limit, and polling with LOCK_NB starves under load, where
 * the kernel's own queue is fair. So we queue like everybody else and let a repeating timer
 * interrupt the wait: repeating, because the first signal may come before we sleep.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/scoped.h"
#include "base/text.h"

static void on_alarm(int sig)
{
	(void)sig; /* only there so that flock(2) returns EINTR */
}

struct alarm_guard {
	struct sigaction old;
	sigset_t old_mask;
};

static void alarm_start(struct alarm_guard *g)
{
	const struct sigaction sa = { .sa_handler = on_alarm }; /* no SA_RESTART */
	const struct itimerval tick = { .it_interval = { .tv_usec = 100000 },
					.it_value = { .tv_usec = 100000 } };
	sigset_t alarm;

	(void)sigaction(SIGALRM, &sa, &g->old);
	(void)sigemptyset(&alarm);
	(void)sigaddset(&alarm, SIGALRM);
	(void)sigprocmask(SIG_UNBLOCK, &alarm, &g->old_mask);
	(void)setitimer(ITIMER_REAL, &tick, NULL);
}

static void alarm_stop(struct alarm_guard *g)
{
	const struct itimerval off = { { 0 } };
	int saved = errno;

	(void)setitimer(ITIMER_REAL, &off, NULL);
	(void)sigprocmask(SIG_SETMASK, &g->old_mask, NULL);
	(void)sigaction(SIGALRM, &g->old, NULL);
	errno = saved;
}

/* /proc/locks: "1: FLOCK  ADVISORY  WRITE 4711 fe:00:123456 0 EOF", waiters marked "->". */
static bool find_holder(int fd, char *buf, size_t cap)
{
	char inode[64], line[256];
	FILE *locks = fopen("/proc/locks", "re");
	struct stat st;
	bool found = false;

	if (locks == NULL)
		return false;
	if (fstat(fd, &st) == 0) {
		(void)text_format(inode, sizeof(inode), " %02x:%02x:%llu ", major(st.st_dev),
				  minor(st.st_dev), (unsigned long long)st.st_ino);
		while (!found && fgets(line, sizeof(line), locks) != NULL) {
			int pid = 0;

			found = strstr(line, "->") == NULL && strstr(line, inode) != NULL &&
				sscanf(line, "%*s %*s %*s %*s %d", &pid) == 1 && pid > 0;
			if (found)
				(void)text_format(buf, cap, "process %d", pid);
		}
	}
	(void)fclose(locks);
	return found;
}

static int too_late(int fd, const char *what, unsigned seconds, struct cni_error *err)
{
	char holder[64] = "another process";

	(void)find_holder(fd, holder, sizeof(holder));
	return cni_fail(err, CNI_TRY_AGAIN,
			"the lock %s was held by %s for more than %u s; try again, or end that "
			"process if it hangs",
			what, holder, seconds);
}

int fs_lock(int fd, const char *what, unsigned seconds, struct cni_error *err)
{
	int64_t deadline = clock_ms() + (int64_t)seconds * 1000;
	struct alarm_guard guard;
	int r;

	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return cni_fail_sys_code(err, CNI_IO, errno, "lock %s", what);
	alarm_start(&guard);
	do {
		r = flock(fd, LOCK_EX);
	} while (r < 0 && errno == EINTR && clock_ms() < deadline);
	alarm_stop(&guard);
	if (r == 0)
		return 0;
	if (errno == EINTR)
		return too_late(fd, what, seconds, err);
	return cni_fail_sys_code(err, CNI_IO, errno, "lock %s", what);
}

/* Only read from: a DEL on a read-only file system takes away what is elsewhere. */
int fs_lock_at(int dir, const char *name, int *ret_lock, struct cni_error *err)
{
	scoped_fd int lock = openat(dir, name, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	char path[PATH_MAX];

	if (lock < 0)
		return cni_fail_sys_code(err, CNI_IO, errno, "open the lock file %s",
					 fs_path(dir, name, path));
	if (flock(lock, LOCK_EX | LOCK_NB) < 0 &&
	    fs_lock(lock, fs_path(dir, name, path), FS_LOCK_SECONDS, err) < 0)
		return -1;
	*ret_lock = take_fd(&lock);
	return 0;
}
