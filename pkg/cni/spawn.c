/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A child that shares our memory until it execs (as posix_spawn does; a plain fork would copy the
 * page tables for nothing), with the three things that posix_spawn cannot do: it dies with us, we
 * get a pidfd in the same call, and a failed exec tells its errno.
 *
 * Then one poll loop feeds stdin, collects stdout and waits for the end, all at once: a child may
 * print before it has read. The end is the child's, not its stdout's: a grandchild that inherited
 * stdout must not hold us (cni-spec.md OUT-11 seen from the other side).
 */
#include "cni/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/scoped.h"
#include "cni/call.h"

#define STACK_BYTES	 65536
#define BUSY_TRIES	 6
#define BUSY_PAUSE_MS	 250
#define KILL_PATIENCE_MS 5000

struct exec_plan {
	const struct cni_child *child;
	pid_t parent;
	int in, out; /* the child's ends, above 2 */
	int sys;     /* out: errno of what failed; our memory is shared until the exec */
};

/* On a stack of its own, which the address sanitizer would take for a mistake at _exit(). */
__attribute__((__no_sanitize__("address"))) static int run_child(void *arg)
{
	const struct sigaction normal = { .sa_handler = SIG_DFL };
	struct exec_plan *plan = arg;
	char *argv[] = { (char *)(uintptr_t)plan->child->path, NULL };
	sigset_t none;

	(void)sigaction(SIGPIPE, &normal, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != plan->parent) /* it died before the line above */
		_exit(127);
	if (dup2(plan->in, STDIN_FILENO) >= 0 && dup2(plan->out, STDOUT_FILENO) >= 0)
		(void)execve(plan->child->path, argv, plan->child->env);
	plan->sys = errno;
	_exit(127);
}

/* A pipe whose ends keep off 0, 1 and 2, which our caller may have left closed. */
static int open_pipe(int ends[2], struct cni_error *err)
{
	int raw[2];

	if (pipe2(raw, O_CLOEXEC) < 0)
		return cni_fail_sys_code(err, CNI_DELEGATE, errno, "make a pipe");
	for (int i = 0; i < 2; i++) {
		ends[i] = raw[i] > 2 ? raw[i] : fcntl(raw[i], F_DUPFD_CLOEXEC, 3);
		if (ends[i] != raw[i])
			(void)close(raw[i]);
	}
	if (ends[0] < 0 || ends[1] < 0)
		return cni_fail_sys_code(err, CNI_DELEGATE, EMFILE, "make a pipe");
	return 0;
}

static int clone_child(struct exec_plan *plan, pid_t *ret_pid, int *ret_pidfd)
{
	scoped_free char *stack = malloc(STACK_BYTES);
	char *top = stack + (STACK_BYTES - (uintptr_t)(stack + STACK_BYTES) % 64);
	int pidfd = -1;
	pid_t pid;

	if (stack == NULL) {
		plan->sys = ENOMEM;
		return -1;
	}
	plan->sys = 0;
	pid = clone(run_child, top, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, plan, &pidfd);
	if (pid < 0) {
		plan->sys = errno;
		return -1;
	}
	if (plan->sys != 0) { /* it has exited with 127 */
		close_fdp(&pidfd);
		(void)waitpid(pid, NULL, 0);
		return -1;
	}
	*ret_pid = pid;
	*ret_pidfd = pidfd;
	return 0;
}

/* ETXTBSY: somebody installs the program right now (DLG-10); a moment later it is whole. */
static int start_child(struct exec_plan *plan, pid_t *ret_pid, int *ret_pidfd,
		       struct cni_error *err)
{
	for (int tries = 1;; tries++) {
		if (clone_child(plan, ret_pid, ret_pidfd) == 0)
			return 0;
		if (plan->sys != ETXTBSY || tries == BUSY_TRIES)
			break;
		(void)poll(NULL, 0, BUSY_PAUSE_MS);
	}
	return cni_fail_sys_code(err, plan->sys == ETXTBSY ? CNI_TRY_AGAIN : CNI_DELEGATE,
				 plan->sys, "run %s", plan->child->path);
}

/* ---- the poll loop ---- */

enum { IN, OUT, END, N_FDS };

struct pump {
	const struct cni_child *child;
	struct pollfd fds[N_FDS]; /* fd -1: done with that one */
	size_t fed;		  /* bytes of input */
	char *out;
	size_t out_len, out_cap;
	int64_t deadline; /* microseconds */
};

static void pump_free(struct pump *p)
{
	for (int i = 0; i < N_FDS; i++)
		close_fdp(&p->fds[i].fd);
	free(p->out);
}

/* A child that does not want its stdin is fine. */
static void feed(struct pump *p)
{
	size_t left = p->child->input_len - p->fed;
	ssize_t n = write(p->fds[IN].fd, p->child->input + p->fed, left);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		p->fed += (size_t)n;
	if (n < 0 || p->fed == p->child->input_len)
		close_fdp(&p->fds[IN].fd);
}

static int make_room(struct pump *p, struct cni_error *err)
{
	size_t cap = p->out_cap == 0 ? 4096 : p->out_cap * 2;
	char *bigger;

	if (p->out_len + 1 < p->out_cap)
		return 0;
	bigger = realloc(p->out, cap);
	if (bigger == NULL)
		return cni_fail(err, CNI_DELEGATE, "no memory for its output");
	p->out = bigger;
	p->out_cap = cap;
	return 0;
}

/* Read what is there. */
static int collect(struct pump *p, struct cni_error *err)
{
	while (p->fds[OUT].fd >= 0) {
		ssize_t n;

		if (make_room(p, err) < 0)
			return -1;
		n = read(p->fds[OUT].fd, p->out + p->out_len, p->out_cap - p->out_len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0) {
			close_fdp(&p->fds[OUT].fd);
			return 0;
		}
		p->out_len += (size_t)n;
		if (p->out_len > p->child->max_output)
			return cni_fail(err, CNI_DELEGATE, "it printed more than %zu bytes",
					p->child->max_output);
	}
	return 0;
}

static int pump_wait(struct pump *p, struct cni_error *err)
{
	int64_t left_ms = (p->deadline - cni_now_usec()) / 1000;

	if (left_ms <= 0)
		return cni_fail(err, CNI_DELEGATE, "it did not finish within %u s and was killed",
				p->child->seconds);
	if (poll(p->fds, N_FDS, (int)left_ms) < 0 && errno != EINTR)
		return cni_fail_sys_code(err, CNI_DELEGATE, errno, "poll");
	return 0;
}

static int pump_run(struct pump *p, struct cni_error *err)
{
	for (;;) {
		if (p->fds[IN].fd >= 0)
			feed(p);
		if (pump_wait(p, err) < 0)
			return -1;
		if (p->fds[OUT].fd >= 0 && p->fds[OUT].revents != 0 && collect(p, err) < 0)
			return -1;
		if (p->fds[END].revents != 0)
			return collect(p, err);
	}
}

/* Reap it; one that survives SIGKILL (stuck in the kernel) is left to init. */
static void kill_child(pid_t pid, int pidfd)
{
	struct pollfd end = { .fd = pidfd, .events = POLLIN };

	(void)kill(pid, SIGKILL);
	if (poll(&end, 1, KILL_PATIENCE_MS) > 0)
		(void)waitpid(pid, NULL, 0);
}

static int pump_start(struct pump *p, pid_t *ret_pid, struct cni_error *err)
{
	int in[2], out[2];
	struct exec_plan plan = { .child = p->child, .parent = getpid() };
	int r;

	if (open_pipe(in, err) < 0)
		return -1;
	p->fds[IN] = (struct pollfd){ .fd = in[1], .events = POLLOUT };
	plan.in = in[0];
	if (open_pipe(out, err) < 0) {
		(void)close(in[0]);
		return -1;
	}
	p->fds[OUT] = (struct pollfd){ .fd = out[0], .events = POLLIN };
	plan.out = out[1];
	r = start_child(&plan, ret_pid, &p->fds[END].fd, err);
	p->fds[END].events = POLLIN;
	(void)close(in[0]);
	(void)close(out[1]);
	return r;
}

int cni_spawn(const struct cni_child *child, char **ret_out, size_t *ret_len, int *ret_status,
	      struct cni_error *err)
{
	SCOPED(pump_free)
	struct pump p = { .child = child,
			  .fds = { { .fd = -1 }, { .fd = -1 }, { .fd = -1 } },
			  .deadline = cni_now_usec() + (int64_t)child->seconds * 1000000 };
	pid_t pid = -1;

	if (make_room(&p, err) < 0 || pump_start(&p, &pid, err) < 0)
		return -1;
	(void)fcntl(p.fds[IN].fd, F_SETFL, O_NONBLOCK);
	(void)fcntl(p.fds[OUT].fd, F_SETFL, O_NONBLOCK);
	if (pump_run(&p, err) < 0) {
		kill_child(pid, p.fds[END].fd);
		return -1;
	}
	(void)waitpid(pid, ret_status, 0);
	p.out[p.out_len] = '\0';
	*ret_len = p.out_len;
	*ret_out = take_ptr(&p.out);
	return 0;
}
