/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Another plugin run in our name: cni-spec.md §1.15, §5.4. The delegates are small shell scripts.
 */
#include "script.h"

#include <fcntl.h>

#include "base/scoped.h"
#include "base/text.h"
#include "cni/delegate.h"
#include "cni/spawn.h"

/* ---- DLG-01, DLG-02: which program ---- */

static void dlg01_unknown_and_strange_names(void **state)
{
	struct world *w = *state;
	char want[256];

	assert_int_equal(cni_delegate(&w->args, "nope", CNI_DEL, &w->err), -1);
	(void)text_format(want, sizeof(want),
			  "failed to find plugin \"nope\" in path [%s/none %s/bin]", w->dir,
			  w->dir);
	expect(w, CNI_DELEGATE, want);
	assert_null(strstr(w->err.msg, "not found")); /* ERR-07 */
	assert_int_equal(cni_delegate(&w->args, "", CNI_DEL, &w->err), -1);
	expect(w, CNI_INVALID_CONFIG, "no plugin name provided");
	assert_int_equal(cni_delegate(&w->args, "../bin/ipam", CNI_DEL, &w->err), -1);
	expect(w, CNI_INVALID_CONFIG, "invalid plugin name: ../bin/ipam");
	assert_int_equal(cni_delegate(&w->args, "..", CNI_DEL, &w->err), -1);
	expect(w, CNI_DELEGATE, "failed to find plugin");
}

static void dlg01_a_file_that_cannot_run_is_taken_and_named(void **state)
{
	struct world *w = *state;
	char path[128];

	in_dir(w, "none", path, sizeof(path));
	assert_int_equal(mkdir(path, 0755), 0);
	write_file(w, "none/ipam", "#!/bin/sh\nexit 0\n", 0644);
	script(w, "exit 0");
	assert_int_equal(cni_delegate(&w->args, "ipam", CNI_DEL, &w->err), -1);
	expect(w, CNI_DELEGATE, "none/ipam");
	expect(w, CNI_DELEGATE, "Permission denied");
	in_dir(w, "none/ipam", path, sizeof(path));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0755), 0); /* a folder is stepped over */
	assert_int_equal(cni_delegate(&w->args, "ipam", CNI_DEL, &w->err), 0);
}

static void dlg02_relative_folders_are_not_searched(void **state)
{
	struct world *w = *state;
	scoped_fd int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	script(w, "exit 0");
	assert_int_equal(chdir(w->dir), 0);
	w->args.path = "bin:./bin::";
	assert_int_equal(cni_delegate(&w->args, "ipam", CNI_DEL, &w->err), -1);
	expect(w, CNI_DELEGATE, "failed to find plugin \"ipam\" in path [bin ./bin  ]");
	assert_int_equal(fchdir(here), 0);
}

/* ---- DLG-03, DLG-04: what it is given ---- */

static void dlg03_environment_with_only_the_verb_changed(void **state)
{
	static const enum cni_verb verbs[] = { CNI_DEL, CNI_CHECK, CNI_GC, CNI_STATUS };
	struct world *w = *state;
	char text[4096], want[32];

	script(w, "tr '\\0' '\\n' < /proc/$$/environ > $D/env"); /* the shell drops doubles */
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		assert_int_equal(cni_delegate(&w->args, "ipam", verbs[i], &w->err), 0);
		assert_non_null(file_text(w, "env", text, sizeof(text)));
		(void)text_format(want, sizeof(want), "CNI_COMMAND=%s\n", cni_verb_text(verbs[i]));
		assert_non_null(strstr(text, want));
		assert_null(strstr(strstr(text, "CNI_COMMAND=") + 1, "CNI_COMMAND="));
		assert_non_null(strstr(text, "CNI_IFNAME=eth0\n"));
		assert_non_null(strstr(text, "TWICE=2\n"));
		assert_null(strstr(text, "TWICE=1\n"));
	}
	assert_string_equal(w->env[0], "CNI_COMMAND=CHECK"); /* ours is as it was */
}

static void dlg03_the_verb_is_added_if_it_was_unset(void **state)
{
	struct world *w = *state;
	char text[4096];

	w->args.env = (char *const *)(uintptr_t)(w->env + 1);
	script(w, "tr '\\0' '\\n' < /proc/$$/environ > $D/env"); /* the shell drops doubles */
	assert_int_equal(cni_delegate(&w->args, "ipam", CNI_DEL, &w->err), 0);
	assert_non_null(strstr(file_text(w, "env", text, sizeof(text)), "CNI_COMMAND=DEL\n"));
}

static void dlg04_stdin_byte_for_byte(void **state)
{
	struct world *w = *state;
	char text[4096];

	script(w, "cat > $D/stdin");
	assert_int_equal(cni_delegate(&w->args, "ipam", CNI_CHECK, &w->err), 0);
	assert_string_equal(file_text(w, "stdin", text, sizeof(text)), conf);
}

/* What the test inherited itself without close-on-exec goes on to the child; nothing else does. */
static void assert_only_inherited(int fd)
{
	int flags = fcntl(fd, F_GETFD);

	if (flags < 0 || (flags & FD_CLOEXEC) != 0)
		fail_msg("descriptor %d leaked into the delegate", fd);
}

static void dlg12_clean_descriptors_and_signals(void **state)
{
	struct world *w = *state;
	char text[4096];

	script(w, "for f in /proc/$$/fd/*; do [ ! -e $f ] || [ $f -ef $0 ] || echo ${f##*/} >> "
		  "$D/log; done; "
		  "grep -E 'Sig(Blk|Ign)' /proc/self/status > $D/env");
	if (cni_delegate(&w->args, "ipam", CNI_CHECK, &w->err) < 0)
		fail_msg("%s", w->err.msg);
	assert_non_null(file_text(w, "log", text, sizeof(text)));
	for (char *rest, *line = strtok_r(text, "\n", &rest); line != NULL;
	     line = strtok_r(NULL, "\n", &rest))
		assert_only_inherited((int)strtod(line, NULL));
	assert_non_null(file_text(w, "env", text, sizeof(text)));
	assert_non_null(strstr(text, "SigBlk:\t0000000000000000"));
	assert_non_null(strstr(text, "SigIgn:\t0000000000000000"));
}

/* ---- what comes back ---- */

static void dlg09_results(void **state)
{
	static const struct {
		const char *out;
		size_t n_ips;
	} good[] = {
		{ "{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"10.0.0.2/24\"}]}", 1 },
		{ "{\"ips\":[{\"address\":\"10.0.0.2/24\"}]}", 1 },
		{ "{\"cniVersion\":\"\",\"ips\":[{\"address\":\"10.0.0.2/24\"}]}", 1 },
		{ "{\"cniVersion\":\"0.4.0\",\"ips\":[{\"address\":\"10.0.0.2/24\"}]}", 1 },
		{ "{\"cniVersion\":\"0.2.0\",\"ip4\":{\"ip\":\"10.0.0.2/24\"}}", 1 },
		{ "null", 0 },
		{ "{}", 0 },
	};
	struct world *w = *state;
	char body[512];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		(void)text_format(body, sizeof(body), "cat >/dev/null; echo '%s'", good[i].out);
		script(w, body);
		if (cni_delegate_add(&w->args, "ipam", &w->result, &w->err) < 0)
			fail_msg("%s: %s", good[i].out, w->err.msg);
		assert_int_equal(w->result.n_ips, good[i].n_ips);
		cni_result_free(&w->result);
	}
}

static void dlg08_cnv09_no_result(void **state)
{
	static const char *const bad[] = { "",
					   "garbage",
					   "{",
					   "[]",
					   "{} {}",
					   "{\"cniVersion\":\"7.0.0\"}",
					   "{\"ips\":[{\"address\":\"x\"}]}" };
	struct world *w = *state;
	char body[512];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		(void)text_format(body, sizeof(body), "echo '%s'", bad[i]);
		script(w, bad[i][0] == '\0' ? ":" : body);
		assert_int_equal(cni_delegate_add(&w->args, "ipam", &w->result, &w->err), -1);
		expect(w, CNI_DELEGATE, "bin/ipam) printed no valid result");
	}
}

static void err08_its_error_comes_back_unchanged(void **state)
{
	struct world *w = *state;

	script(
	    w,
	    "echo '{\"cniVersion\":\"1.0.0\",\"code\":11,\"msg\":\"the message\",\"details\":\"the "
	    "details\"}'; exit 1");
	assert_int_equal(cni_delegate(&w->args, "ipam", CNI_ADD, &w->err), -1);
	assert_int_equal(w->err.code, 11);
	assert_true(w->err.passed);
	assert_string_equal(w->err.msg, "the message");
	assert_string_equal(w->err.details, "the details");
	script(w, "echo '{\"code\":7,\"msg\":\"x\"}'; exit 77");
	assert_int_equal(cni_delegate(&w->args, "ipam", CNI_ADD, &w->err), -1);
	assert_int_equal(w->err.code, 7);
	assert_string_equal(w->err.details, "");
}

static void err03_what_is_no_error_object(void **state)
{
	static const struct {
		const char *body, *part;
	} rows[] = {
		{ "echo complaint >&2; exit 3", "failed with exit status 3 and printed no error" },
		{ "exit 3", "failed with exit status 3 and printed no error" },
		{ "echo complaint; exit 3",
		  "exit status 3 and printed something that is no CNI error" },
		{ "echo '{\"code\":-1,\"msg\":\"x\"}'; exit 1",
		  "printed something that is no CNI error" },
		{ "echo '{\"code\":\"1\",\"msg\":\"x\"}'; exit 1", "is no CNI error" },
		{ "echo '{\"code\":1}'; exit 1", "is no CNI error" },
		{ "kill -SEGV $$", "ended by signal 11" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		script(w, rows[i].body);
		assert_int_equal(cni_delegate(&w->args, "ipam", CNI_DEL, &w->err), -1);
		expect(w, CNI_DELEGATE, rows[i].part);
		expect(w, CNI_DELEGATE, "plugin ipam (");
		assert_false(w->err.passed);
	}
}

/* ---- IPAM ---- */

#define LOG "echo $CNI_COMMAND >> $D/log; "

static void assert_log(struct world *w, const char *want)
{
	char text[4096], path[128];

	assert_non_null(file_text(w, "log", text, sizeof(text)));
	assert_string_equal(text, want);
	in_dir(w, "log", path, sizeof(path));
	assert_int_equal(unlink(path), 0);
}

static void add11_res10_addresses_get_our_index(void **state)
{
	struct world *w = *state;

	script(w, LOG
	       "echo '{\"interfaces\":[{\"name\":\"strange\"}],\"ips\":[{\"address\":\"10.0.0.2/"
	       "24\",\"interface\":0},{\"address\":\"fd00::2/64\"}]}'");
	assert_int_equal(cni_ipam_add(&w->args, 2, &w->result, &w->err), 0);
	assert_int_equal(w->result.n_interfaces, 0);
	assert_int_equal(w->result.ips[0].interface, 2);
	assert_int_equal(w->result.ips[1].interface, 2);
	assert_log(w, "ADD\n");
}

static void dlg07_dlg08_add12_a_failed_add_is_taken_back(void **state)
{
	static const struct {
		const char *body, *part;
		int code;
	} rows[] = {
		{ LOG
		  "[ $CNI_COMMAND = DEL ] || { echo '{\"code\":11,\"msg\":\"busy\"}'; exit 1; }",
		  "busy", 11 },
		{ LOG "echo rubbish", "printed no valid result", CNI_DELEGATE },
		{ LOG "echo '{}'", "IPAM plugin returned missing IP config", CNI_DELEGATE },
		{ LOG "[ $CNI_COMMAND = DEL ] || kill -KILL $$", "ended by signal 9",
		  CNI_DELEGATE },
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		script(w, rows[i].body);
		assert_int_equal(cni_ipam_add(&w->args, 0, &w->result, &w->err), -1);
		expect(w, rows[i].code, rows[i].part);
		assert_int_equal(w->result.n_ips, 0);
		assert_log(w, "ADD\nDEL\n");
	}
}

static void dlg07_a_failing_rollback_is_told_too(void **state)
{
	struct world *w = *state;

	script(w, LOG "echo \"{\\\"code\\\":11,\\\"msg\\\":\\\"no $CNI_COMMAND\\\"}\"; exit 1");
	assert_int_equal(cni_ipam_add(&w->args, 0, &w->result, &w->err), -1);
	assert_string_equal(w->err.msg, "no ADD");
	assert_non_null(strstr(w->err.details, "no DEL"));
}

/* What is clean lets a state file go. */
static void dlg07_a_delegate_that_may_have_left_something(void **state)
{
	static const struct {
		const char *body, *log;
		bool clean;
	} rows[] = {
		{ LOG "[ $CNI_COMMAND = DEL ] || { echo '{\"code\":100,\"msg\":\"x\"}'; exit 1; }",
		  "ADD\nDEL\n", true },
		{ LOG "echo \"{\\\"code\\\":100,\\\"msg\\\":\\\"no $CNI_COMMAND\\\"}\"; exit 1",
		  "ADD\nDEL\n", false },
		{ LOG "echo '{\"code\":100,\"msg\":\"the same\"}'; exit 1", "ADD\nDEL\n", false },
		{ LOG "echo '{\"code\":7,\"msg\":\"mtu: no\"}'; exit 1", "ADD\nDEL\n", true },
	};
	struct world *w = *state;
	bool clean;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		script(w, rows[i].body);
		clean = !rows[i].clean;
		assert_int_equal(cni_delegate_attach(&w->args, "ipam", &w->result, &clean, &w->err),
				 -1);
		assert_int_equal(clean, rows[i].clean);
		assert_log(w, rows[i].log);
	}
	clean = false;
	assert_int_equal(cni_delegate_attach(&w->args, "nope", &w->result, &clean, &w->err), -1);
	assert_true(clean);
	expect(w, CNI_DELEGATE, "failed to find plugin \"nope\"");
}

static void a_delegate_that_works_is_not_taken_back(void **state)
{
	struct world *w = *state;
	bool clean;

	script(w, LOG "echo '{\"interfaces\":[{\"name\":\"eth0\"}]}'");
	assert_int_equal(cni_delegate_attach(&w->args, "ipam", &w->result, &clean, &w->err), 0);
	assert_int_equal(w->result.n_interfaces, 1); /* its result is whole */
	assert_log(w, "ADD\n");
}

static void dlg07_the_rollback_has_what_is_left(void **state)
{
	static const struct {
		int64_t spent_usec;
		unsigned want;
	} rows[] = {
		{ 0, 60 },	 { 999999, 60 },  { 1000000, 59 },
		{ 54000000, 6 }, { 55000000, 5 }, { 59999999, 5 },
		{ 60000000, 5 }, { 65000000, 5 }, { 3600000000, 5 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(cni_rollback_seconds(rows[i].spent_usec), rows[i].want);
}

static void no_ipam_type_does_nothing(void **state)
{
	struct world *w = *state;

	w->args.ipam_type = NULL;
	w->args.path = "/nonexistent";
	assert_int_equal(cni_ipam_add(&w->args, 0, &w->result, &w->err), 0);
	assert_int_equal(cni_ipam(&w->args, CNI_DEL, &w->err), 0);
	assert_int_equal(w->result.n_ips, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		world_test(dlg01_unknown_and_strange_names),
		world_test(dlg01_a_file_that_cannot_run_is_taken_and_named),
		world_test(dlg02_relative_folders_are_not_searched),
		world_test(dlg03_environment_with_only_the_verb_changed),
		world_test(dlg03_the_verb_is_added_if_it_was_unset),
		world_test(dlg04_stdin_byte_for_byte),
		world_test(dlg12_clean_descriptors_and_signals),
		world_test(dlg09_results),
		world_test(dlg08_cnv09_no_result),
		world_test(err08_its_error_comes_back_unchanged),
		world_test(err03_what_is_no_error_object),
		world_test(add11_res10_addresses_get_our_index),
		world_test(dlg07_dlg08_add12_a_failed_add_is_taken_back),
		world_test(dlg07_a_failing_rollback_is_told_too),
		world_test(dlg07_a_delegate_that_may_have_left_something),
		world_test(a_delegate_that_works_is_not_taken_back),
		cmocka_unit_test(dlg07_the_rollback_has_what_is_left),
		world_test(no_ipam_type_does_nothing),
	};

	return cmocka_run_group_tests(tests, ignore_sigpipe, NULL);
}
