/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A program as a tool: its entry in a file, and its main(). */
#include "call.h"

#include "cni/conflist.h"
#include "conf/jconf.h"

static int entry(const char *text, json_t **ret, struct cni_error *err)
{
	*err = (struct cni_error){ .code = 0 };
	return cni_conflist_entry(text, strlen(text), "FILE", "mine", ret, err);
}

static void the_entry_as_on_stdin(void **state)
{
	static const struct {
		const char *file, *entry;
	} cases[] = {
		{ "{\"cniVersion\":\"1.1.0\",\"name\":\"net\",\"plugins\":[{\"type\":\"other\"},"
		  "{\"type\":\"mine\",\"key\":[1]}]}",
		  "{\"cniVersion\":\"1.1.0\",\"name\":\"net\",\"type\":\"mine\",\"key\":[1]}" },
		{ "{\"name\":\"net\",\"plugins\":[{\"type\":\"mine\",\"name\":\"x\"}]}",
		  "{\"name\":\"net\",\"type\":\"mine\"}" },
		{ "{\"cniVersion\":\"0.3.1\",\"name\":\"net\",\"type\":\"mine\",\"key\":1}",
		  "{\"cniVersion\":\"0.3.1\",\"name\":\"net\",\"type\":\"mine\",\"key\":1}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_json json_t *got = NULL, *want = json_loads(cases[i].entry, 0, NULL);
		struct cni_error err;

		assert_int_equal(entry(cases[i].file, &got, &err), 0);
		assert_true(json_equal(got, want));
	}
}

static void files_that_are_refused(void **state)
{
	static const struct {
		const char *file;
		int code;
		const char *msg;
	} cases[] = {
		{ "[]", CNI_DECODE, "FILE: expected a JSON object, not []" },
		{ "{", CNI_DECODE,
		  "FILE: line 1, column 1: string or '}' expected near end of file" },
		{ "{\"name\":\"a/b\",\"type\":\"mine\"}", CNI_INVALID_CONFIG,
		  "FILE: name: \"a/b\" is no network name: letters, digits, '_', '.', '-' are, and "
		  "it begins with a letter or digit" },
		{ "{\"type\":\"mine\"}", CNI_INVALID_CONFIG,
		  "FILE: name: \"\" is no network name: letters, digits, '_', '.', '-' are, and it "
		  "begins with a letter or digit" },
		{ "{\"name\":\"a\",\"type\":\"other\"}", CNI_INVALID_CONFIG,
		  "FILE: type: not \"mine\", and there is no list of plugins" },
		{ "{\"name\":\"a\",\"plugins\":[{\"type\":\"other\"},7]}", CNI_INVALID_CONFIG,
		  "FILE: plugins: no entry is of type \"mine\"" },
		{ "{\"name\":\"a\",\"plugins\":[{\"type\":\"mine\"},{\"type\":\"mine\"}]}",
		  CNI_INVALID_CONFIG,
		  "FILE: plugins: two entries are of type \"mine\"; one is allowed" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *got = NULL;
		struct cni_error err;

		assert_int_equal(entry(cases[i].file, &got, &err), -1);
		assert_int_equal(err.code, cases[i].code);
		assert_string_equal(err.msg, cases[i].msg);
		assert_null(got);
	}
}

/* ---- main() */

static int tool(int argc, char *const *argv, struct cni_error *err)
{
	if (argc == 2 && strcmp(argv[1], "works") == 0)
		return 0;
	return cni_fail(err, CNI_IO, "%s of %d", argv[1], argc);
}

static const struct cni_plugin with_tool = { .name = "mine", .tool = tool };
static const struct cni_plugin without = { .name = "mine" };

static int run_main(const struct cni_plugin *plugin, const char *word, const char *env,
		    char err[4096])
{
	char name[] = "mine", arg[32], var[64], *argv[] = { name, arg, NULL };
	char *environment[] = { var, NULL };
	int note = memory_file("", 0), real_stderr = dup(STDERR_FILENO), r;

	(void)text_format(arg, sizeof(arg), "%s", word);
	(void)text_format(var, sizeof(var), "%s", env);
	assert_true(dup2(note, STDERR_FILENO) >= 0);
	r = cni_main(plugin, word[0] != '\0' ? 2 : 1, argv, environment);
	assert_true(dup2(real_stderr, STDERR_FILENO) >= 0);
	(void)close(real_stderr);
	read_back(note, err, 4096);
	return r;
}

static void arguments_without_a_command(void **state)
{
	char err[4096];

	(void)state;
	assert_int_equal(run_main(&with_tool, "works", "A=b", err), 0);
	assert_string_equal(err, "");
	assert_int_equal(run_main(&with_tool, "fails", "CNI_COMMAND=", err), 1);
	assert_string_equal(err, "podwire: mine: fails of 2\n");
}

static void all_others_are_the_protocols(void **state)
{
	char err[4096];

	(void)state;
	assert_int_equal(run_main(&with_tool, "", "A=b", err), 0);
	assert_non_null(strstr(err, "CNI mine plugin v1.9.1+podwire."));
	assert_int_equal(run_main(&without, "works", "A=b", err), 0);
	assert_non_null(strstr(err, "CNI mine plugin v1.9.1+podwire."));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_entry_as_on_stdin),
		cmocka_unit_test(files_that_are_refused),
		cmocka_unit_test(arguments_without_a_command),
		cmocka_unit_test(all_others_are_the_protocols),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
