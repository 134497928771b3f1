/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scoped.h"
#include "base/text.h"
#include "base/trace.h"

#define KILL_PATIENCE_MS 1000

const char *program_find(const char *name, char buf[PROGRAM_PATH])
{
	static const char *const folders[] = { "/usr/sbin", "/sbin", "/usr/bin",
					       "/usr/local/sbin" };

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		if (text_format(buf, PROGRAM_PATH, "%s/%s", folders[i], name) &&
		    access(buf, X_OK) == 0)
			return buf;
	}
	return NULL;
}

/* In the child: files instead of pipes, so that nobody waits for anybody. */
static void exec_program(const struct program *p, int in, int out, pid_t parent)
{
	char *const env[] = { NULL };
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent && dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
	    dup2(out, STDERR_FILENO) >= 0)
		(void)execve(p->path, (char *const *)(uintptr_t)p->argv, env);
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

static int run(const struct program *p, int in, int out, int *ret_status)
{
	const struct sigaction normal = { .sa_handler = SIG_DFL };
	struct sigaction old;
	pid_t self = getpid(), pid;
	int r = -1, saved;

	/* A caller that ignores SIGCHLD would make the kernel forget the status. */
	(void)sigaction(SIGCHLD, &normal, &old);
	pid = fork();
	if (pid == 0)
		exec_program(p, in, out, self);
	if (pid > 0)
		r = wait_for(pid, p->ms, ret_status);
	saved = errno;
	(void)sigaction(SIGCHLD, &old, NULL);
	errno = saved;
	return r;
}

static void read_all(int out, char *buf, size_t cap)
{
	ssize_t n = pread(out, buf, cap - 1, 0);

	buf[n > 0 ? n : 0] = '\0';
}

static void read_said(int out, char said[PROGRAM_SAID])
{
	read_all(out, said, PROGRAM_SAID);
	for (char *p = said; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ')
			*p = ' ';
	}
}

int program_run(const struct program *p, int *ret_status, char said[PROGRAM_SAID],
		struct cni_error *err)
{
	scoped_fd int in = memfd_create("input", MFD_CLOEXEC);
	scoped_fd int out = memfd_create("answer", MFD_CLOEXEC);
	size_t len = p->input == NULL ? 0 : strlen(p->input);

	if (in < 0 || out < 0 || (len != 0 && write(in, p->input, len) != (ssize_t)len) ||
	    lseek(in, 0, SEEK_SET) < 0)
		return cni_fail_sys(err, errno, "write the input of %s", p->path);
	trace("run %s", p->path);
	if (run(p, in, out, ret_status) < 0)
		return cni_fail_sys(err, errno, "run %s", p->path);
	read_said(out, said);
	if (p->output != NULL)
		read_all(out, p->output, p->output_cap);
	return 0;
}
