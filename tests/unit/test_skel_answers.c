/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What goes to stdout, in success and in failure: cni-spec.md §5.1, OUT-*, ERR-*. */
#include "fake.h"

#include "cni/call.h"
#include "cni/skel.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/wait.h>

/* ---- answers ---- */

static int give_address(struct cni_result *result, struct cni_error *err)
{
	struct ip_config ip = { .interface = -1 };

	assert_true(ipnet_parse("10.1.2.3/24", &ip.address));
	return cni_result_add_ip(result, &ip, err);
}

static void out02_ver06_result_in_the_callers_version(void **state)
{
	char conf[128];

	(void)state;
	for (int v = 0; v < CNI_N_VERSIONS; v++) {
		const char *text = cni_version_text((enum cni_version)v);
		struct answer a;

		begin();
		seen.add = give_address;
		(void)text_format(conf, sizeof(conf), "{\"name\":\"a\",\"cniVersion\":\"%s\"}",
				  text);
		run(&fake, &full, conf, &a);
		assert_int_equal(a.exit, 0);
		assert_string_equal(json_string_value(json_object_get(a.json, "cniVersion")), text);
		assert_string_equal(a.err, "");
		answer_free(&a);
	}
}

static void out07_cnv06_what_cannot_be_printed_is_taken_back(void **state)
{
	static const char *const old[] = { CONF("0.1.0"), CONF("0.2.0"), "{\"name\":\"net1\"}" };
	struct answer a;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(old); i++) {
		begin();
		run(&fake, &full, old[i], &a);
		assert_error(&a, CNI_INVALID_CONFIG, "cannot convert: no valid IP addresses");
		assert_int_equal(seen.calls[CNI_ADD], 1);
		assert_int_equal(seen.calls[CNI_DEL], 1);
		answer_free(&a);
	}
}

static void out07_failing_write_is_taken_back(void **state)
{
	const char *env[] = { "CNI_COMMAND=ADD", "CNI_CONTAINERID=c", "CNI_NETNS=/x",
			      "CNI_IFNAME=eth0", "CNI_PATH=/opt/x",   NULL };
	int full_fd = open("/dev/full", O_WRONLY | O_CLOEXEC), pipe_fds[2];

	(void)state;
	assert_true(full_fd >= 0);
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	(void)close(pipe_fds[0]); /* EPIPE, and no SIGPIPE */
	for (int i = 0; i < 2; i++) {
		int in = memory_file(CONF("1.0.0"), strlen(CONF("1.0.0")));

		begin();
		assert_int_equal(cni_run(&fake, (char *const *)(uintptr_t)env, in,
					 i == 0 ? full_fd : pipe_fds[1]),
				 1);
		assert_int_equal(seen.calls[CNI_ADD], 1);
		assert_int_equal(seen.calls[CNI_DEL], 1);
		(void)close(in);
	}
	(void)close(full_fd);
	(void)close(pipe_fds[1]);
}

/* A verb that holds a state file open, of which the number must not be a closed stdout's. */
static int open_state_file(struct cni_result *result, struct cni_error *err)
{
	(void)result;
	(void)err;
	return memory_file("", 0) < 0 ? -1 : 0;
}

static void a_closed_stdout_is_nobody_elses_number(void **state)
{
	const char *env[] = { "CNI_COMMAND=ADD", "CNI_CONTAINERID=c", "CNI_NETNS=/x",
			      "CNI_IFNAME=eth0", "CNI_PATH=/opt/x",   NULL };
	int in = memory_file(CONF("1.0.0"), strlen(CONF("1.0.0"))), status;
	pid_t child;

	(void)state;
	begin();
	seen.add = open_state_file;
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		(void)close(STDOUT_FILENO);
		(void)close(STDERR_FILENO);
		_exit(cni_run(&fake, (char *const *)(uintptr_t)env, in, STDOUT_FILENO));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1); /* 0: the answer went somewhere */
	(void)close(in);
}

static void err01_a_verbs_error_comes_out(void **state)
{
	static const char *const verbs[] = { "ADD", "DEL", "CHECK", "GC", "STATUS" };
	struct env env = full;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		struct answer a;

		begin();
		seen.code = 1234;
		env.command = verbs[i];
		run(&fake, &env, GC_CONF, &a);
		assert_error(&a, 1234, "fake: what the verb said"); /* ERR-05 */
		answer_free(&a);
	}
}

static int say_rubbish(struct cni_result *result, struct cni_error *err)
{
	(void)result;
	err->code = CNI_KERNEL;
	(void)text_format(err->msg, sizeof(err->msg), "two\nlines and \xff a byte");
	memset(err->details, 'x', sizeof(err->details) - 1);
	return -1;
}

static void err01_any_bytes_become_one_document(void **state)
{
	struct answer a;

	(void)state;
	begin();
	seen.add = say_rubbish;
	run(&fake, &full, CONF("1.0.0"), &a);
	assert_error(&a, CNI_KERNEL, "fake: two?lines and \xef\xbf\xbd a byte");
	answer_free(&a);
}

static void dispositions_of_signals_come_back(void **state)
{
	struct sigaction mine = { .sa_handler = SIG_DFL }, now;
	struct answer a;

	(void)state;
	assert_int_equal(sigaction(SIGPIPE, &mine, NULL), 0);
	run(&fake, &full, CONF("1.0.0"), &a);
	assert_int_equal(sigaction(SIGPIPE, NULL, &now), 0);
	assert_true(now.sa_handler == SIG_DFL);
	answer_free(&a);
}

/* ---- a reader that stops ---- */

#define BIG 500000 /* more than a pipe holds */

/* Of a blocking and of a non-blocking pipe, full from the start and full on the way. */
static void nobody_reads_the_answer(void **state)
{
	static const size_t sizes[] = { 1, BIG };
	scoped_free char *text = calloc(1, BIG);
	struct cni_error err;

	(void)state;
	assert_non_null(text);
	for (int flags = 0; flags <= O_NONBLOCK; flags += O_NONBLOCK) {
		int ends[2];

		assert_int_equal(pipe2(ends, O_CLOEXEC | flags), 0);
		for (size_t i = ARRAY_SIZE(sizes); i-- > 0;) {
			int64_t start = cni_now_usec();

			(void)alarm(20); /* the end of a test that hangs */
			assert_int_equal(cni_write_within(ends[1], text, sizes[i], 200, &err), -1);
			(void)alarm(0);
			assert_int_equal(err.code, CNI_IO);
			assert_int_equal(err.sys, ETIMEDOUT);
			assert_in_range(cni_now_usec() - start, 190000, 5000000);
		}
		(void)close(ends[0]);
		(void)close(ends[1]);
	}
}

static void an_error_object_does_not_wait_as_long(void **state)
{
	char text[PIPE_BUF] = "";
	struct cni_call call = { .plugin = &fake, .command = "ADD" };
	struct cni_error err, step;
	int64_t start;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	while (cni_write_within(ends[1], text, sizeof(text), 100, &step) == 0)
		;
	assert_int_equal(cni_fail(&err, CNI_KERNEL, "the error"), -1);
	call.out_fd = ends[1];
	call.start_usec = start = cni_now_usec();
	call.args = (struct cni_args){ .network = "n", .container = "c", .ifname = "e" };
	cni_report(&call, &err);
	assert_in_range(cni_now_usec() - start, 2900000, 15000000);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void a_reader_gets_all_of_it(void **state)
{
	scoped_free char *text = calloc(1, BIG);
	struct cni_error err;
	int ends[2], status;
	pid_t reader;

	(void)state;
	assert_non_null(text);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	reader = fork();
	assert_true(reader >= 0);
	if (reader == 0) {
		size_t got = 0;
		ssize_t n;

		(void)close(ends[1]);
		while ((n = read(ends[0], text, 1000)) > 0)
			got += (size_t)n;
		_exit(got == BIG ? 0 : 1);
	}
	assert_int_equal(cni_write(ends[1], text, BIG, &err), 0);
	(void)close(ends[1]);
	(void)close(ends[0]);
	assert_int_equal(waitpid(reader, &status, 0), reader);
	assert_int_equal(status, 0);
}

/* Whoever reads once must have all of an ordinary result. A pipe of packets shows the writes. */
static void up_to_pipe_buf_is_one_write(void **state)
{
	char text[PIPE_BUF] = "", got[PIPE_BUF];
	struct cni_error err;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_DIRECT), 0);
	assert_int_equal(cni_write(ends[1], text, sizeof(text), &err), 0);
	assert_int_equal(read(ends[0], got, sizeof(got)), sizeof(text));
	(void)close(ends[0]);
	(void)close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(out02_ver06_result_in_the_callers_version),
		cmocka_unit_test(out07_cnv06_what_cannot_be_printed_is_taken_back),
		cmocka_unit_test(out07_failing_write_is_taken_back),
		cmocka_unit_test(a_closed_stdout_is_nobody_elses_number),
		cmocka_unit_test(err01_a_verbs_error_comes_out),
		cmocka_unit_test(err01_any_bytes_become_one_document),
		cmocka_unit_test(dispositions_of_signals_come_back),
		cmocka_unit_test(nobody_reads_the_answer),
		cmocka_unit_test(an_error_object_does_not_wait_as_long),
		cmocka_unit_test(a_reader_gets_all_of_it),
		cmocka_unit_test(up_to_pipe_buf_is_one_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
