/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a program and stops it at one of its system calls:
 *
 *	stopat [--tree] count PROGRAM     runs it to the end and says how many calls it made
 *	stopat [--tree] kill N PROGRAM    SIGKILL at the entry of its N-th call
 *	stopat fail N PROGRAM             its N-th call that may fail (see `failures`) does
 *
 * What it has to say is its last line on stderr. Alone, only the program's own process is meant,
 *and its children go their way; with --tree all of its processes are, killed at the same moment. It
 * ends when the last of them is gone, orphans included, with the program's exit status (137: it was
 * killed).
 *
 * Calls that may fail are counted from the program's first poll() on, which is where our own code
 *begins (pkg/cni/skel.c): a program whose libraries cannot be loaded is none. Of setns() only those
 *fail that go into a namespace: not to get home ends a program at once, by design.
 */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/num.h"

#define MOST_PROCESSES 64
#define PATIENCE       60 /* seconds, for all of it */
#define ALL_OPTIONS    (PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE)

enum mode { KILL, TREE, FAIL, STEP };

struct run {
	enum mode mode;
	unsigned long at, seen; /* calls */
	pid_t root;
	int status; /* the root's */
	pid_t pids[MOST_PROCESSES];
	size_t n;
	bool started; /* its exec is behind it; failing: its first poll(), too */
	bool away;    /* in another namespace */
	char said[64];
};

/* clang-format off */
static const struct failure {
	const char *name;
	long number;
	int error;
} failures[] = {
	{ "bind", SYS_bind, EADDRINUSE },
	{ "clone", SYS_clone, ENOMEM },
	{ "connect", SYS_connect, ECONNREFUSED },
	{ "faccessat", SYS_faccessat, EIO },
	{ "fchmod", SYS_fchmod, EPERM },
	{ "fcntl", SYS_fcntl, EMFILE },
	{ "flock", SYS_flock, ENOLCK },
	{ "fstatfs", SYS_fstatfs, EIO },
	{ "getdents64", SYS_getdents64, EIO },
	{ "getrandom", SYS_getrandom, ENOSYS },
	{ "getsockname", SYS_getsockname, ENOBUFS },
	{ "linkat", SYS_linkat, EDQUOT },
	{ "mkdirat", SYS_mkdirat, EDQUOT },
	{ "newfstatat", SYS_newfstatat, EIO },
	{ "openat", SYS_openat, EMFILE },
	{ "pipe2", SYS_pipe2, EMFILE },
	{ "pwrite64", SYS_pwrite64, EDQUOT },
	{ "read", SYS_read, ENOMEM },
	{ "readlinkat", SYS_readlinkat, EIO },
	{ "recvfrom", SYS_recvfrom, ENOBUFS },
	{ "recvmsg", SYS_recvmsg, ENOBUFS },
	{ "renameat2", SYS_renameat2, EDQUOT },
	{ "sendmsg", SYS_sendmsg, ENOBUFS },
	{ "sendto", SYS_sendto, ENOBUFS },
	{ "setns", SYS_setns, EPERM },
	{ "setsockopt", SYS_setsockopt, ENOBUFS },
	{ "socket", SYS_socket, EMFILE },
	{ "symlinkat", SYS_symlinkat, EDQUOT },
	{ "unlinkat", SYS_unlinkat, EIO },
	{ "utimensat", SYS_utimensat, EPERM },
	{ "write", SYS_write, EDQUOT },
#ifdef SYS_open /* not on aarch64 */
	{ "access", SYS_access, EIO },
	{ "fstat", SYS_fstat, EIO },
	{ "mkdir", SYS_mkdir, EDQUOT },
	{ "open", SYS_open, EMFILE },
	{ "readlink", SYS_readlink, EIO },
	{ "rename", SYS_rename, EDQUOT },
	{ "renameat", SYS_renameat, EDQUOT },
	{ "rmdir", SYS_rmdir, EIO },
	{ "stat", SYS_stat, EIO },
	{ "unlink", SYS_unlink, EIO },
	{ "vfork", SYS_vfork, ENOMEM },
#else
	{ "fstat", SYS_fstat, EIO },
	{ "renameat", SYS_renameat, EDQUOT },
#endif
};
/* clang-format on */

static const struct failure *failure_of(long number)
{
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		if (failures[i].number == number)
			return &failures[i];
	}
	return NULL;
}

static bool is_poll(long number)
{
#ifdef SYS_poll
	return number == SYS_poll || number == SYS_ppoll;
#else
	return number == SYS_ppoll;
#endif
}

/* The call is not made and answers `error`: a number that is none, and what is returned for it. */
static void refuse_call(pid_t pid, int error)
{
	struct user_regs_struct regs;
	struct iovec io = { .iov_base = &regs, .iov_len = sizeof(regs) };

	if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &io) < 0)
		return;
#if defined(__x86_64__)
	regs.orig_rax = (unsigned long long)-1;
	regs.rax = (unsigned long long)-error;
#elif defined(__aarch64__)
	int none = -1;
	struct iovec number = { .iov_base = &none, .iov_len = sizeof(none) };

	(void)ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &number);
	regs.regs[0] = (unsigned long long)-error;
#else
#error "how does this machine's system call fail?"
#endif
	(void)ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &io);
}

static void kill_all(const struct run *r)
{
	for (size_t i = 0; i < r->n; i++)
		(void)kill(r->pids[i], SIGKILL);
}

/* Is it one that may fail? */
static bool counts(struct run *r, long number)
{
	if (!r->started)
		r->started = is_poll(number);
	if (!r->started || failure_of(number) == NULL)
		return false;
	if (number == SYS_setns)
		r->away = !r->away;
	return number != SYS_setns || r->away; /* else on its way home */
}

static void on_call(struct run *r, pid_t pid)
{
	const bool any = r->mode == KILL || r->mode == TREE;
	struct __ptrace_syscall_info info;
	long number;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) <= 0 ||
	    info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	number = (long)info.entry.nr;
	if (!(any ? r->started : counts(r, number)) || ++r->seen != r->at)
		return;
	if (r->mode == FAIL)
		refuse_call(pid, failure_of(number)->error);
	else
		kill_all(r);
	(void)snprintf(r->said, sizeof(r->said), "%s call %lu (%s, number %ld)",
		       r->mode == FAIL ? "failed" : "killed at", r->at,
		       failure_of(number) != NULL ? failure_of(number)->name : "other", number);
}

static void remember(struct run *r, pid_t pid)
{
	for (size_t i = 0; i < r->n; i++) {
		if (r->pids[i] == pid)
			return;
	}
	if (r->n == MOST_PROCESSES)
		abort();
	r->pids[r->n++] = pid;
}

static void on_stop(struct run *r, pid_t pid, int status)
{
	const int event = (int)((unsigned)status >> 16), sig = WSTOPSIG(status);
	unsigned long deliver = 0;

	remember(r, pid);
	if (event == PTRACE_EVENT_EXEC && pid == r->root)
		r->started = r->mode == KILL || r->mode == TREE;
	else if (sig == (SIGTRAP | 0x80))
		on_call(r, pid);
	else if (event == 0)
		deliver = (unsigned long)sig;
	(void)ptrace(PTRACE_SYSCALL, pid, 0, deliver);
}

static void forget(struct run *r, pid_t pid, int status)
{
	if (pid == r->root)
		r->status = status;
	for (size_t i = 0; i < r->n; i++) {
		if (r->pids[i] == pid)
			r->pids[i] = r->pids[--r->n];
	}
}

/* Until there is no child left: orphans become ours. */
static void watch(struct run *r)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		if (WIFSTOPPED(status))
			on_stop(r, pid, status);
		else
			forget(r, pid, status);
	}
}

/* The child waits for our word, so that not one call of the program is missed. */
static bool start(struct run *r, char *const *argv)
{
	const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC |
			     (r->mode == TREE ? ALL_OPTIONS : 0);
	int go[2];
	char word;

	if (pipe(go) < 0)
		return false;
	r->root = fork();
	if (r->root < 0)
		return false;
	if (r->root == 0) {
		(void)close(go[1]);
		if (read(go[0], &word, 1) == 1) {
			(void)close(go[0]);
			(void)execv(argv[0], argv);
		}
		_exit(127);
	}
	(void)close(go[0]);
	if (ptrace(PTRACE_SEIZE, r->root, 0, options) < 0 ||
	    ptrace(PTRACE_INTERRUPT, r->root, 0, 0) < 0)
		return false;
	remember(r, r->root);
	return write(go[1], "", 1) == 1 && close(go[1]) == 0;
}

static bool parse(struct run *r, char **argv)
{
	static const char *const modes[] = { "kill", "tree", "fail", "step" };
	uint64_t at;
	size_t mode = 0;

	while (mode < 4 && strcmp(argv[0], modes[mode]) != 0)
		mode++;
	if (mode == 4 || !num_parse(argv[1], UINT64_MAX, &at))
		return false;
	r->mode = (enum mode)mode;
	r->at = at;
	return true;
}

int main(int argc, char **argv)
{
	struct run r = { .mode = KILL };

	if (argc < 4 || !parse(&r, argv + 1)) {
		(void)fputs("usage: stopat kill|tree|fail|step N PROGRAM\n", stderr);
		return 2;
	}
	(void)alarm(PATIENCE);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (!start(&r, argv + 3)) {
		perror("stopat");
		return 2;
	}
	watch(&r);
	if (r.said[0] != '\0')
		(void)fprintf(stderr, "stopat: %s\n", r.said);
	return WIFSIGNALED(r.status) ? 128 + WTERMSIG(r.status) : WEXITSTATUS(r.status);
}
