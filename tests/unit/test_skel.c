/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The environment and stdin of one call: cni-spec.md §5.1. */
#include "fake.h"

#include "cni/skel.h"

#include <fcntl.h>

/* ---- environment ---- */

static void env01_exactly_one_verb_runs_and_sees_all(void **state)
{
	static const char *const want[] = { "c1",  "/var/run/netns/gone", "eth0", "A=b", "/opt/x",
					    "net1" };
	static const enum cni_verb verbs[] = { CNI_ADD, CNI_DEL, CNI_CHECK };

	(void)state;
	for (size_t v = 0; v < ARRAY_SIZE(verbs); v++) {
		struct env env = full;

		env.command = cni_verb_text(verbs[v]);
		accept(&env, CONF("1.1.0"));
		assert_int_equal(seen.calls[verbs[v]], 1);
		for (size_t i = 0; i < ARRAY_SIZE(want); i++)
			assert_string_equal(seen.strings[i], want[i]);
		assert_int_equal(seen.args.version, CNI_V110);
	}
}

static void env11_gc_and_status_look_at_nothing_else(void **state)
{
	const struct env garbage = { "GC",   "-bad id-", "x", "far too long an interface name",
				     "none", "/opt/x",	 NULL };
	struct env env = garbage;

	(void)state;
	accept(&env, GC_CONF);
	assert_int_equal(seen.calls[CNI_GC], 1);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(seen.strings[i], "");
	env.command = "STATUS";
	accept(&env, CONF("1.1.0"));
	assert_int_equal(seen.calls[CNI_STATUS], 1);
	assert_string_equal(seen.strings[4], "/opt/x");
}

/* ENV-02, ENV-03: the table of cni-spec.md §1.1, one variable left out or empty at a time. */
static void env03_missing_variables(void **state)
{
	static const struct {
		const char *command, *conf;
		const char *missing[5]; /* container, netns, ifname, args, path: NULL = optional */
	} rows[] = {
		{ "ADD",
		  CONF("1.1.0"),
		  { "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", NULL, "CNI_PATH" } },
		{ "CHECK",
		  CONF("1.1.0"),
		  { "CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", NULL, "CNI_PATH" } },
		{ "DEL",
		  CONF("1.1.0"),
		  { "CNI_CONTAINERID", NULL, "CNI_IFNAME", NULL, "CNI_PATH" } },
		{ "GC", GC_CONF, { NULL, NULL, NULL, NULL, "CNI_PATH" } },
		{ "STATUS", CONF("1.1.0"), { NULL, NULL, NULL, NULL, "CNI_PATH" } },
	};

	(void)state;
	for (size_t r = 0; r < ARRAY_SIZE(rows) * 10; r++) {
		const char *value = r % 2 == 0 ? NULL : "";
		size_t row = r / 10, column = r / 2 % 5;
		struct env env = full;
		const char **members[] = { &env.container, &env.netns, &env.ifname, &env.args,
					   &env.path };
		char want[64];

		env.command = rows[row].command;
		*members[column] = value;
		if (rows[row].missing[column] == NULL) {
			accept(&env, rows[row].conf);
			continue;
		}
		(void)text_format(want, sizeof(want), "required env variables [%s] missing",
				  rows[row].missing[column]);
		refuse(&env, rows[row].conf, CNI_BAD_ENV, want);
	}
}

static void env03_missing_together_in_order(void **state)
{
	struct env env = { "ADD", "c1", NULL, "", NULL, NULL, NULL };

	(void)state;
	refuse(&env, CONF("1.1.0"), CNI_BAD_ENV,
	       "required env variables [CNI_NETNS,CNI_IFNAME,CNI_PATH] missing");
	env.command = "GC";
	refuse(&env, GC_CONF, CNI_BAD_ENV, "required env variables [CNI_PATH] missing");
}

static void env04_malformed_comes_before_missing(void **state)
{
	const struct env env = { "ADD", "-x", NULL, NULL, NULL, NULL, NULL };
	const struct env name = { "ADD", NULL, NULL, "a/b", NULL, NULL, NULL };

	(void)state;
	refuse(&env, CONF("1.1.0"), CNI_BAD_ENV, "CNI_CONTAINERID");
	refuse(&name, CONF("1.1.0"), CNI_BAD_ENV, "CNI_IFNAME");
}

static void env05_env06_container_ids(void **state)
{
	static const char *const bad[] = { "some-%%container-id",
					   "-a",
					   ".a",
					   "_a",
					   "a\n",
					   "a b",
					   "\xc3\xa4",
					   "a/b",
					   "a\xc3\xa4" };
	char long_id[301];
	struct env env = full;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		env.container = bad[i];
		refuse(&env, CONF("1.1.0"), CNI_BAD_ENV, "invalid characters in containerID");
	}
	env.container = "some-%%container-id";
	refuse(&env, CONF("1.1.0"), CNI_BAD_ENV, "\"some-%%container-id\" must be");
	env.container = "0";
	accept(&env, CONF("1.1.0"));
	memset(long_id, 'a', 300);
	long_id[300] = '\0';
	env.container = long_id;
	accept(&env, CONF("1.1.0"));
}

static void env08_interface_names(void **state)
{
	static const char *const bad[] = {
		"sixteen-letters-", ".", "..", "a/b", "a:b", "a b", "a\tb", "a\xc2\xa0"
	};
	static const char *const good[] = { "fifteen-letters", "...", "e", "eth0.1" };
	struct env env = full;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		env.ifname = bad[i];
		refuse(&env, CONF("1.1.0"), CNI_BAD_ENV, "CNI_IFNAME");
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		env.ifname = good[i];
		accept(&env, CONF("1.1.0"));
	}
}

static void env17_unknown_command_after_stdin(void **state)
{
	struct env env = full;

	(void)state;
	env.command = "NOPE";
	refuse(&env, CONF("1.1.0"), CNI_BAD_ENV, "unknown CNI_COMMAND: NOPE");
	refuse(&env, "", CNI_DECODE, "stdin");
	env.command = "add"; /* ENV-01 */
	refuse(&env, CONF("1.1.0"), CNI_BAD_ENV, "unknown CNI_COMMAND: add");
}

static void env18_banner(void **state)
{
	static const char first[] = "CNI fake plugin v1.9.1+podwire.";
	static const char second[] =
	    "CNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n";
	struct env env = full;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct answer a;

		env.command = i == 0 ? NULL : "";
		run(&fake, &env, CONF("1.1.0"), &a);
		assert_int_equal(a.exit, 0);
		assert_string_equal(a.out, "");
		assert_int_equal(strncmp(a.err, first, sizeof(first) - 1), 0);
		assert_string_equal(strchr(a.err, '\n') + 1, second);
		answer_free(&a);
	}
}

static void env02_last_of_repeated_variables(void **state)
{
	struct env env = full;

	(void)state;
	env.extra = "CNI_CONTAINERID=other";
	accept(&env, CONF("1.1.0"));
	assert_string_equal(seen.strings[0], "other");
}

/* ---- stdin ---- */

static void in03_in04_documents(void **state)
{
	static const char *const bad[] = { "",
					   " ",
					   "{",
					   "{} {}",
					   "{\"name\":\"a\"}x",
					   "[1]",
					   "1",
					   "\"x\"",
					   "\xef\xbb\xbf{}",
					   "{\"name\":\"a\",}",
					   "{\"name\":1}",
					   "{\"name\":\"a\",\"cniVersion\":1}",
					   "{\"name\":\"a\",\"ipam\":\"x\"}",
					   "{\"name\":\"a\",\"capabilities\":{\"x\":1}}",
					   "{\"name\":\"a\",\"capabilities\":true}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		refuse(&full, bad[i], CNI_DECODE, NULL);
	refuse(&full, "null", CNI_INVALID_CONFIG, "missing network name");
}

static void in05_network_names(void **state)
{
	static const char *const bad[] = { "te%%st", "-a", "a\\n", "a/b", "..", "\\u00e4" };
	char conf[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		(void)text_format(conf, sizeof(conf), "{\"name\":\"%s\"}", bad[i]);
		refuse(&full, conf, CNI_INVALID_CONFIG, "invalid characters found in network name");
	}
	refuse(&full, "{\"name\":\"te%%st\"}", CNI_INVALID_CONFIG, "te%%st");
	refuse(&full, "{\"name\":\"\"}", CNI_INVALID_CONFIG, "missing network name");
	refuse(&full, "{\"name\":null}", CNI_INVALID_CONFIG, "missing network name");
	refuse(&full, "{}", CNI_INVALID_CONFIG, "missing network name");
}

static void in07_in10_in11_in12_keys(void **state)
{
	(void)state;
	seen.add = NULL;
	accept(&full, "{\"NAME\":\"x\",\"CNIVERSION\":\"1.0.0\"}");
	assert_string_equal(seen.strings[5], "x");
	assert_int_equal(seen.args.version, CNI_V100);
	accept(&full, "{\"name\":\"x\",\"cniVersion\":\"0.4.0\",\"cniVersion\":\"1.0.0\"}");
	assert_int_equal(seen.args.version, CNI_V100);
	accept(&full, "{\"name\":\"x\",\"cniVersion\":\"1.0.0\",\"ipam\":null,\"type\":null,"
		      "\"capabilities\":null,\"prevResult\":null,\"deviceID\":5,\"args\":{}}");
	assert_null(seen.args.ipam_type);
	assert_false(seen.args.has_prev);
	accept(&full, "{\"name\":\"x\",\"cniVersion\":\"1.0.0\",\"ipam\":{\"type\":\"y\"}}");
	assert_non_null(seen.args.ipam_type);
}

static void in03_read_error_is_io(void **state)
{
	const char *env[] = { "CNI_COMMAND=STATUS", "CNI_PATH=/opt/x", NULL };
	scoped_fd int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int out = memory_file("", 0);
	struct answer a = { 0 };

	(void)state;
	begin();
	a.exit = cni_run(&fake, (char *const *)(uintptr_t)env, folder, out);
	read_back(out, a.out, sizeof(a.out));
	a.json = json_loads(a.out, 0, NULL);
	assert_error(&a, CNI_IO, "stdin");
	assert_int_equal(n_calls(), 0);
	answer_free(&a);
}

static void in02_version_never_reads(void **state)
{
	const char *env[] = { "CNI_COMMAND=VERSION", "CNI_NETNS=dummy",	 "CNI_IFNAME=dummy",
			      "CNI_PATH=dummy",	     "CNI_CONTAINERID=", NULL };
	int out = memory_file("", 0), pipe_fds[2];
	char text[512];

	(void)state;
	begin();
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0); /* nobody ever closes the other end */
	assert_int_equal(cni_run(&fake, (char *const *)(uintptr_t)env, pipe_fds[0], out), 0);
	read_back(out, text, sizeof(text));
	assert_string_equal(text,
			    "{\"cniVersion\":\"1.1.0\",\"supportedVersions\":[\"0.1.0\","
			    "\"0.2.0\",\"0.3.0\",\"0.3.1\",\"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n");
	assert_int_equal(n_calls(), 0);
	(void)close(pipe_fds[0]);
	(void)close(pipe_fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(env01_exactly_one_verb_runs_and_sees_all),
		cmocka_unit_test(env11_gc_and_status_look_at_nothing_else),
		cmocka_unit_test(env03_missing_variables),
		cmocka_unit_test(env03_missing_together_in_order),
		cmocka_unit_test(env04_malformed_comes_before_missing),
		cmocka_unit_test(env05_env06_container_ids),
		cmocka_unit_test(env08_interface_names),
		cmocka_unit_test(env17_unknown_command_after_stdin),
		cmocka_unit_test(env18_banner),
		cmocka_unit_test(env02_last_of_repeated_variables),
		cmocka_unit_test(in03_in04_documents),
		cmocka_unit_test(in05_network_names),
		cmocka_unit_test(in07_in10_in11_in12_keys),
		cmocka_unit_test(in03_read_error_is_io),
		cmocka_unit_test(in02_version_never_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
