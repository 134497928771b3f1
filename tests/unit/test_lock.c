/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scoped.h"

/* A second open file of the same memory file: flock treats it as another process's. */
static int reopen(int fd)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDWR | O_CLOEXEC);
}

static int lock_file(void)
{
	int fd = memfd_create("lock", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void free_lock(void **state)
{
	scoped_fd int fd = lock_file(), other = reopen(fd);
	struct cni_error err;

	(void)state;
	assert_int_equal(fs_lock(fd, "/x/lock", 10, &err), 0);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(fs_lock(fd, "/x/lock", 10, &err), 0); /* ours already */
}

static void held_too_long(void **state)
{
	scoped_fd int fd = lock_file(), other = reopen(fd);
	struct cni_error err;
	char holder[32];

	(void)state;
	assert_int_equal(flock(other, LOCK_EX), 0);
	assert_int_equal(fs_lock(fd, "/x/lock", 0, &err), -1);
	assert_int_equal(err.code, CNI_TRY_AGAIN);
	assert_non_null(strstr(err.msg, "/x/lock"));
	(void)snprintf(holder, sizeof(holder), "process %d ", (int)getpid());
	if (access("/proc/locks", R_OK) == 0)
		assert_non_null(strstr(err.msg, holder));
}

/* A holder that lets go in time; not earlier than it does, not much later. */
static void released_in_time(void **state)
{
	scoped_fd int fd = lock_file();
	struct cni_error err;
	int status, ready[2];
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int own = reopen(fd);

		if (own < 0 || flock(own, LOCK_EX) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		(void)poll(NULL, 0, 250); /* longer than two ticks of the timer */
		_exit(0);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(fs_lock(fd, "/x/lock", 10, &err), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void)close(ready[0]);
	(void)close(ready[1]);
}

static void mine(int sig)
{
	(void)sig;
}

/* The wait borrows SIGALRM and the timer, and gives both back. */
static void restores_the_alarm(void **state)
{
	scoped_fd int fd = lock_file(), other = reopen(fd);
	const struct sigaction ours = { .sa_handler = mine };
	struct sigaction before, after;
	struct itimerval timer;
	struct cni_error err;
	sigset_t blocked, now;

	(void)state;
	assert_int_equal(sigaction(SIGALRM, &ours, &before), 0);
	assert_int_equal(sigemptyset(&blocked), 0);
	assert_int_equal(sigaddset(&blocked, SIGALRM), 0);
	assert_int_equal(sigprocmask(SIG_BLOCK, &blocked, NULL), 0);
	assert_int_equal(flock(other, LOCK_EX), 0);
	assert_int_equal(fs_lock(fd, "/x/lock", 0, &err), -1);
	assert_int_equal(err.code, CNI_TRY_AGAIN);
	assert_int_equal(sigprocmask(SIG_UNBLOCK, &blocked, &now), 0);
	assert_int_equal(sigismember(&now, SIGALRM), 1);
	assert_int_equal(sigaction(SIGALRM, &before, &after), 0);
	assert_ptr_equal(after.sa_handler, mine);
	assert_int_equal(getitimer(ITIMER_REAL, &timer), 0);
	assert_true(timer.it_value.tv_sec == 0 && timer.it_value.tv_usec == 0);
	assert_true(timer.it_interval.tv_sec == 0 && timer.it_interval.tv_usec == 0);
}

static void bad_descriptor(void **state)
{
	struct cni_error err;

	(void)state;
	assert_int_equal(fs_lock(-1, "/x/lock", 10, &err), -1);
	assert_int_equal(err.code, CNI_IO);
	assert_int_equal(err.sys, EBADF);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(free_lock),	    cmocka_unit_test(held_too_long),
		cmocka_unit_test(released_in_time), cmocka_unit_test(restores_the_alarm),
		cmocka_unit_test(bad_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
