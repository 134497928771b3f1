/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A delegate that is slow, chatty or busy: cni-spec.md DLG-10, DLG-12, OUT-12. */
#include "script.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <time.h>

#include "base/scoped.h"
#include "base/text.h"
#include "cni/delegate.h"
#include "cni/spawn.h"

static double seconds(void)
{
	struct timespec ts;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &ts), 0);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* ---- DLG-12: neither a deadlock nor a wait for strangers ---- */

static void dlg12_a_megabyte_of_stderr_before_stdin_is_read(void **state)
{
	struct world *w = *state;
	scoped_free char *big = malloc(2000000);
	int real = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct stat st;
	char path[128];

	assert_non_null(big);
	memset(big, ' ', 2000000);
	w->args.stdin_text = big;
	w->args.stdin_len = 2000000;
	script(w, "head -c 1048576 /dev/zero >&2; head -c 500000 /dev/zero | tr '\\0' ' '; cat > "
		  "$D/stdin; echo '{}'");
	assert_true(dup2(null, STDERR_FILENO) >= 0);
	assert_int_equal(cni_delegate_add(&w->args, "ipam", &w->result, &w->err), 0);
	assert_true(dup2(real, STDERR_FILENO) >= 0);
	in_dir(w, "stdin", path, sizeof(path));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 2000000);
	(void)close(real);
	(void)close(null);
}

static void dlg12_a_child_that_ignores_stdin(void **state)
{
	struct world *w = *state;
	scoped_free char *big = malloc(2000000);

	assert_non_null(big);
	memset(big, ' ', 2000000);
	w->args.stdin_text = big;
	w->args.stdin_len = 2000000;
	script(w, "exec 0<&-; echo '{}'");
	assert_int_equal(cni_delegate_add(&w->args, "ipam", &w->result, &w->err), 0);
}

static void dlg12_a_grandchild_that_keeps_stdout(void **state)
{
	struct world *w = *state;
	double start = seconds();
	char pid[32];

	script(w, "sleep 30 & echo $! > $D/pid; echo '{\"ips\":[{\"address\":\"10.0.0.2/24\"}]}'");
	assert_int_equal(cni_delegate_add(&w->args, "ipam", &w->result, &w->err), 0);
	assert_true(seconds() - start < 10);
	assert_int_equal(w->result.n_ips, 1);
	assert_non_null(file_text(w, "pid", pid, sizeof(pid)));
	assert_int_equal(kill((pid_t)strtod(pid, NULL), SIGKILL), 0);
}

static void too_much_output_ends_it(void **state)
{
	struct world *w = *state;

	script(w, "yes");
	assert_int_equal(cni_delegate_add(&w->args, "ipam", &w->result, &w->err), -1);
	expect(w, CNI_DELEGATE, "it printed more than 1048576 bytes");
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
}

static void a_child_that_takes_too_long_is_killed(void **state)
{
	struct world *w = *state;
	char path[128];
	const struct cni_child child = {
		.path = path, .env = w->args.env, .input = "", .max_output = 10, .seconds = 1
	};
	char *out = NULL;
	double start = seconds();
	size_t len;
	int status;

	in_dir(w, "bin/ipam", path, sizeof(path));
	script(w, "exec sleep 30");
	assert_int_equal(cni_spawn(&child, &out, &len, &status, &w->err), -1);
	expect(w, CNI_DELEGATE, "it did not finish within 1 s and was killed");
	assert_true(seconds() - start < 5);
	assert_null(out);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* it is reaped */
}

static bool is_dead(pid_t pid)
{
	char path[64];

	for (int i = 0; i < 100; i++) {
		scoped_fd int fd = -1;

		(void)text_format(path, sizeof(path), "/proc/%d/fd", (int)pid);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			return true;
		(void)poll(NULL, 0, 50);
	}
	return false;
}

/* OUT-12: the runtime kills us with SIGKILL, and us only. */
static void it_dies_with_us(void **state)
{
	struct world *w = *state;
	char pid[32] = "";
	pid_t us;

	script(w, "echo $$ > $D/log; mv $D/log $D/pid; exec sleep 30");
	us = fork();
	assert_true(us >= 0);
	if (us == 0)
		_exit(cni_delegate(&w->args, "ipam", CNI_DEL, &w->err));
	for (int i = 0; i < 100 && file_text(w, "pid", pid, sizeof(pid)) == NULL; i++)
		(void)poll(NULL, 0, 50);
	assert_true(pid[0] != '\0');
	assert_int_equal(kill(us, SIGKILL), 0);
	assert_int_equal(waitpid(us, NULL, 0), us);
	assert_true(is_dead((pid_t)strtod(pid, NULL)));
}

static void dlg10_busy_file(void **state)
{
	struct world *w = *state;
	char path[128];
	int fd;

	script(w, "exit 0");
	in_dir(w, "bin/ipam", path, sizeof(path));
	fd = open(path, O_WRONLY | O_CLOEXEC); /* as an installer that is at it has it */
	assert_true(fd >= 0);
	assert_int_equal(cni_delegate(&w->args, "ipam", CNI_DEL, &w->err), -1);
	expect(w, CNI_TRY_AGAIN, "Text file busy");
	(void)close(fd);
	assert_int_equal(cni_delegate(&w->args, "ipam", CNI_DEL, &w->err), 0);
}

static void dlg10_a_file_that_is_whole_in_a_moment(void **state)
{
	struct world *w = *state;
	char path[128];
	pid_t installer;
	int fd;

	script(w, "exit 0");
	in_dir(w, "bin/ipam", path, sizeof(path));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	installer = fork();
	assert_true(installer >= 0);
	if (installer == 0) {
		(void)poll(NULL, 0, 400);
		_exit(0);
	}
	(void)close(fd);
	if (cni_delegate(&w->args, "ipam", CNI_DEL, &w->err) < 0)
		fail_msg("%s", w->err.msg);
	assert_int_equal(waitpid(installer, NULL, 0), installer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(dlg12_a_megabyte_of_stderr_before_stdin_is_read),
		world_test(dlg12_a_child_that_ignores_stdin),
		world_test(dlg12_a_grandchild_that_keeps_stdout),
		world_test(too_much_output_ends_it),
		world_test(a_child_that_takes_too_long_is_killed),
		world_test(it_dies_with_us),
		world_test(dlg10_busy_file),
		world_test(dlg10_a_file_that_is_whole_in_a_moment),
	};

	return cmocka_run_group_tests(tests, ignore_sigpipe, NULL);
}
