/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/nft_program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scoped.h"
#include "base/trace.h"

#define KILL_PATIENCE_MS 1000

static const char *find_program(void)
{
	static const char *const paths[] = { "/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft",
					     "/usr/local/sbin/nft" };

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		if (access(paths[i], X_OK) == 0)
			return paths[i];
	}
	return NULL;
}

/* In the child: files instead of pipes, so that nobody waits for anybody. */
static void exec_program(const char *path, int in, int out, pid_t parent)
{
	const char *const argv[] = { path, "-f", "-", NULL };
	char *const env[] = { NULL };
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent && dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
	    dup2(out, STDERR_FILENO) >= 0)
		(void)execve(path, (char *const *)(uintptr_t)argv, env);
	_exit(127);
}

/* Even SIGKILL waits for a program that sleeps in the kernel: then it is left to whoever reaps us.
 */
static int end_of(pid_t pid, int pidfd)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	(void)kill(pid, SIGKILL);
	if (poll(&end, 1, KILL_PATIENCE_MS) > 0)
		(void)waitpid(pid, NULL, 0);
	errno = ETIME;
	return -1;
}

/* -1 with errno, ETIME when it had to be killed. */
static int wait_for(pid_t pid, int64_t ms, int *ret_status)
{
	scoped_fd int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd end = { .fd = pidfd, .events = POLLIN };
	int r;

	if (pidfd < 0) {
		int saved = errno;

		(void)kill(pid, SIGKILL);
		errno = saved;
		return -1;
	}
	do {
		r = poll(&end, 1, (int)ms);
	} while (r < 0 && errno == EINTR);
	if (r <= 0)
		return end_of(pid, pidfd);
	return waitpid(pid, ret_status, 0) < 0 ? -1 : 0;
}

static int run(const char *path, int in, int out, int64_t ms, int *ret_status)
{
	const struct sigaction normal = { .sa_handler = SIG_DFL };
	struct sigaction old;
	pid_t self = getpid(), pid;
	int r = -1, saved;

	/* A caller that ignores SIGCHLD would make the kernel forget the status. */
	(void)sigaction(SIGCHLD, &normal, &old);
	pid = fork();
	if (pid == 0)
		exec_program(path, in, out, self);
	if (pid > 0)
		r = wait_for(pid, ms, ret_status);
	saved = errno;
	(void)sigaction(SIGCHLD, &old, NULL);
	errno = saved;
	return r;
}

static int judge(int status, int out, struct cni_error *err)
{
	char said[1024];
	ssize_t n;

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	n = pread(out, said, sizeof(said) - 1, 0);
	said[n > 0 ? n : 0] = '\0';
	for (char *p = said; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ')
			*p = ' ';
	}
	(void)!cni_fail(err, CNI_INVALID_CONFIG, "nft refuses them: %.160s", said);
	cni_details(err, "%s", said);
	return -1;
}

int nft_program_run(const char *script, int64_t ms, struct cni_error *err)
{
	scoped_fd int in = memfd_create("script", MFD_CLOEXEC);
	scoped_fd int out = memfd_create("answer", MFD_CLOEXEC);
	const char *path = find_program();
	size_t len = strlen(script);
	int status = 0;

	if (path == NULL)
		return cni_fail(err, CNI_KERNEL,
				"they need the program nft (package nftables) once per network, "
				"and it is not installed");
	if (in < 0 || out < 0 || write(in, script, len) != (ssize_t)len ||
	    lseek(in, 0, SEEK_SET) < 0)
		return cni_fail_sys(err, errno, "write a script for nft");
	trace("run %s", path);
	if (run(path, in, out, ms, &status) < 0)
		return cni_fail_sys(err, errno, "run %s", path);
	return judge(status, out, err);
}

int nft_program_status(struct cni_error *err)
{
	if (find_program() != NULL)
		return 0;
	return cni_fail(
	    err, CNI_NOT_AVAILABLE,
	    "conditionsV4 and conditionsV6 need the program nft, which is not installed "
	    "(package nftables)");
}
