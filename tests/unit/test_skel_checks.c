/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is checked before a verb runs, version, namespace, prevResult, GC's list: cni-spec.md §5.1.
 */
#include "fake.h"

#include "cni/skel.h"

/* ---- versions ---- */

static void ver01_add_and_del(void **state)
{
	static const char *const bad[] = { "0.4", "1.0",       "v1.0.0", "1.1.1", " 1.0.0",
					   "foo", "1.0.0-rc1", "1.2.0",	 "0.9.9" };
	static const char *const verbs[] = { "ADD", "DEL" };
	struct env env = full;
	char conf[128], want[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad) * 2; i++) {
		env.command = verbs[i % 2];
		(void)text_format(conf, sizeof(conf), "{\"name\":\"a\",\"cniVersion\":\"%s\"}",
				  bad[i / 2]);
		(void)text_format(want, sizeof(want),
				  "config is \"%s\", plugin supports [\"0.1.0\" \"0.2.0\" ",
				  bad[i / 2]);
		refuse(&env, conf, CNI_INCOMPATIBLE_VERSION, want);
		refuse(&env, conf, CNI_INCOMPATIBLE_VERSION, "incompatible CNI versions");
	}
}

static void ver02_ver04_ver05_younger_verbs(void **state)
{
	static const struct {
		const char *command, *version;
		int code;
		const char *part;
	} rows[] = {
		{ "CHECK", "adsfsadf", CNI_DECODE, "adsfsadf" },
		{ "GC", "foo", CNI_DECODE, "foo" },
		{ "STATUS", "1.0.0-rc1", CNI_DECODE, "1.0.0-rc1" },
		{ "CHECK", "0.3.0", CNI_INCOMPATIBLE_VERSION,
		  "config version does not allow CHECK" },
		{ "CHECK", "", CNI_INCOMPATIBLE_VERSION, "config version does not allow CHECK" },
		{ "GC", "0.3.0", CNI_INCOMPATIBLE_VERSION, "config version does not allow GC" },
		{ "GC", "1.0.0", CNI_INCOMPATIBLE_VERSION, "config version does not allow GC" },
		{ "STATUS", "1.0.0", CNI_INCOMPATIBLE_VERSION,
		  "config version does not allow STATUS" },
		{ "CHECK", "1.2.0", CNI_INCOMPATIBLE_VERSION,
		  "plugin version does not allow CHECK" },
		{ "GC", "1.2.0", CNI_INCOMPATIBLE_VERSION, "plugin version does not allow GC" },
		{ "CHECK", "0.9.9", CNI_INCOMPATIBLE_VERSION, "incompatible CNI versions" },
	};
	struct env env = full;
	char conf[128];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		env.command = rows[i].command;
		(void)text_format(conf, sizeof(conf), "{\"name\":\"a\",\"cniVersion\":\"%s\"}",
				  rows[i].version);
		refuse(&env, conf, rows[i].code, rows[i].part);
	}
	env.command = "CHECK";
	accept(&env, CONF("0.4.0"));
}

static void ver08_a_plugin_may_start_later(void **state)
{
	struct cni_plugin late = fake;
	struct answer a;

	(void)state;
	late.oldest = CNI_V040;
	begin();
	run(&late, &full, "{\"name\":\"a\"}", &a);
	assert_error(&a, CNI_INCOMPATIBLE_VERSION,
		     "config is \"0.1.0\", plugin supports [\"0.4.0\" \"1.0.0\" \"1.1.0\"]");
	assert_int_equal(n_calls(), 0);
	answer_free(&a);
}

static void ver07_missing_verbs_succeed(void **state)
{
	static const struct cni_plugin empty = { .name = "empty", .netns_optional = true };
	static const char *const verbs[] = { "ADD", "DEL", "CHECK", "GC", "STATUS" };
	struct env env = full;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		struct answer a;

		env.command = verbs[i];
		run(&empty, &env, GC_CONF, &a);
		assert_int_equal(a.exit, 0);
		assert_string_equal(a.out, "");
		answer_free(&a);
	}
}

/* ---- namespace ---- */

static void ns01_ns02_own_namespace_before_the_verb(void **state)
{
	static const char *const verbs[] = { "ADD", "DEL" };
	static const char *const good[] = { "CNI_NETNS_OVERRIDE=1", "CNI_NETNS_OVERRIDE=true",
					    "CNI_NETNS_OVERRIDE=TRUE" };
	struct env env = full;

	(void)state;
	env.netns = "/proc/self/ns/net";
	for (size_t v = 0; v < ARRAY_SIZE(verbs); v++) {
		env.command = verbs[v];
		env.extra = NULL;
		refuse(&env, CONF("1.0.0"), CNI_INVALID_NETNS,
		       "plugin's netns and netns from CNI_NETNS should not be the same");
		env.extra = "CNI_NETNS_OVERRIDE=yes";
		refuse(&env, CONF("1.0.0"), CNI_INVALID_NETNS, "CNI_NETNS=/proc/self/ns/net");
		for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
			env.extra = good[i];
			accept(&env, CONF("1.0.0"));
		}
	}
}

static void chk09_no_such_test_for_check(void **state)
{
	struct env env = full;

	(void)state;
	env.command = "CHECK";
	env.netns = "/proc/self/ns/net";
	accept(&env, CONF("1.0.0"));
}

static void ns03_ns04_not_a_network_namespace(void **state)
{
	static const struct {
		const char *path, *part;
	} rows[] = {
		{ "/nonexistent/ns", "it does not exist" },
		{ "/proc/2147483647/ns/net", "the process that CNI_NETNS names has ended" },
		{ "/etc/passwd", "it is not a network namespace" },
		{ "/proc/self/ns/mnt", "it is not a network namespace" },
		{ "/proc", "it is not a network namespace" },
	};
	static const char *const verbs[] = { "ADD", "CHECK", "DEL" };
	struct cni_plugin strict = fake;
	struct env env = full;

	(void)state;
	strict.netns_optional = false;
	for (size_t i = 0; i < ARRAY_SIZE(rows) * 3; i++) {
		struct answer a;

		begin();
		env.netns = rows[i / 3].path;
		env.command = verbs[i % 3];
		run(&strict, &env, CONF("1.0.0"), &a);
		if (i % 3 == 2) { /* DEL-04 */
			assert_int_equal(a.exit, 0);
			assert_int_equal(seen.args.netns_fd, -1);
		} else {
			assert_error(&a, CNI_INVALID_NETNS, rows[i / 3].part);
			assert_int_equal(n_calls(), 0);
		}
		answer_free(&a);
	}
}

static int wrong_conf(const struct cni_args *args, struct cni_error *err)
{
	(void)args;
	return cni_fail(err, CNI_INVALID_CONFIG, "mtu: too big");
}

static void a_wrong_configuration_is_told_before_a_missing_netns(void **state)
{
	struct cni_plugin strict = fake;
	struct answer a;

	(void)state;
	strict.netns_optional = false;
	strict.validate = wrong_conf;
	begin();
	run(&strict, &full, CONF("1.0.0"), &a);
	assert_error(&a, CNI_INVALID_CONFIG, "fake: mtu: too big");
	answer_free(&a);
}

/* ---- prevResult ---- */

#define PREV(version, prev)                                                                        \
	"{\"cniVersion\":\"" version "\",\"name\":\"n\",\"prevResult\":" prev "}"

static void prv02_prv03_prv04_previous_results(void **state)
{
	static const struct {
		const char *conf;
		bool has;
	} good[] = {
		{ PREV("1.0.0", "null"), false },
		{ PREV("1.0.0", "{}"), true },
		{ PREV("1.0.0", "{\"cniVersion\":\"1.1.0\"}"), true },
		{ PREV("1.0.0", "{\"cniVersion\":\"\"}"), true },
		{ PREV("0.4.0", "{\"cniVersion\":\"0.3.0\"}"), true },
		{ PREV("0.2.0", "{\"cniVersion\":\"0.1.0\",\"ip4\":{\"ip\":\"1.2.3.4/8\"}}"),
		  true },
	};
	static const char *const bad[] = {
		PREV("1.0.0", "{\"cniVersion\":\"0.4.0\"}"),
		PREV("0.4.0", "{\"cniVersion\":\"1.0.0\"}"),
		PREV("1.0.0", "{\"cniVersion\":\"5678.456\"}"),
		PREV("1.0.0", "[]"),
		PREV("1.0.0", "{\"ips\":[{\"address\":5}]}"),
		PREV("1.0.0", "{\"ips\":[{\"address\":\"1.2.3.4\"}]}"),
	};
	struct env del_env = full;

	(void)state;
	del_env.command = "DEL";
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		accept(&del_env, good[i].conf);
		assert_int_equal(seen.args.has_prev, good[i].has);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		refuse(&full, bad[i], CNI_DECODE, "prevResult");
		accept(&del_env, bad[i]); /* DEL-15 */
		assert_false(seen.args.has_prev);
	}
}

static void del15_says_that_it_ignores_prevresult(void **state)
{
	struct env env = full;
	struct answer a;

	(void)state;
	begin();
	env.command = "DEL";
	run(&fake, &env, PREV("1.0.0", "[]"), &a);
	assert_int_equal(a.exit, 0);
	assert_string_equal(a.out, "");
	assert_non_null(strstr(a.err, "DEL goes on without prevResult"));
	answer_free(&a);
}

static void prv04_chained_plugins_need_one(void **state)
{
	static const char *const verbs[] = { "ADD", "CHECK", "DEL" };
	struct cni_plugin chained = fake;
	struct env env = full;

	(void)state;
	chained.chained = true;
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		struct answer a;

		begin();
		env.command = verbs[i];
		run(&chained, &env, PREV("1.0.0", "null"), &a);
		if (strcmp(verbs[i], "DEL") == 0)
			assert_int_equal(a.exit, 0);
		else
			assert_error(&a, CNI_INVALID_CONFIG, "must be called as a chained plugin");
		answer_free(&a);
	}
}

/* ---- GC ---- */

#define GCV(body) "{\"cniVersion\":\"1.1.0\",\"name\":\"n\"" body "}"
#define ONE	  "[{\"containerID\":\"c1\",\"ifname\":\"eth0\"}]"

static void gc02_gc03_lists(void **state)
{
	static const struct {
		const char *conf;
		size_t n;
	} good[] = {
		{ GCV(",\"cni.dev/valid-attachments\":" ONE), 1 },
		{ GCV(",\"cni.dev/attachments\":" ONE), 1 },
		{ GCV(",\"cni.dev/attachments\":[],\"cni.dev/valid-attachments\":" ONE), 1 },
		{ GCV(",\"cni.dev/valid-attachments\":null,\"cni.dev/attachments\":" ONE), 1 },
		{ GCV(",\"cni.dev/valid-attachments\":[]"), 0 },
		{ GCV(",\"cni.dev/valid-attachments\":null"), 0 },
		{ GCV(",\"cni.dev/attachments\":null"), 0 },
	};
	struct env env = full;

	(void)state;
	env.command = "GC";
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		accept(&env, good[i].conf);
		assert_int_equal(seen.args.n_valid, good[i].n);
		assert_int_equal(seen.valid_eth0, good[i].n == 1);
		assert_false(seen.valid_lo);
	}
}

static void gc04_absent_or_damaged_lists_remove_nothing(void **state)
{
	struct env env = full;

	(void)state;
	env.command = "GC";
	refuse(&env, GCV(""), CNI_INVALID_CONFIG, "nothing was removed");
	refuse(&env, GCV(",\"cni.dev/valid-attachments\":{}"), CNI_DECODE, "valid-attachments");
	refuse(&env, GCV(",\"cni.dev/valid-attachments\":[{\"containerID\":\"c1\"}]"),
	       CNI_INVALID_CONFIG, "cni.dev/valid-attachments[0].ifname");
	refuse(&env, GCV(",\"cni.dev/valid-attachments\":[{\"containerID\":1,\"ifname\":\"a\"}]"),
	       CNI_DECODE, "cni.dev/valid-attachments[0].containerID");
	refuse(&env,
	       GCV(",\"cni.dev/valid-attachments\":[{\"containerID\":\"-\",\"ifname\":\"a\"}]"),
	       CNI_INVALID_CONFIG, "cni.dev/valid-attachments[0]");
	refuse(&env, GCV(",\"cni.dev/attachments\":[\"c1\"]"), CNI_DECODE,
	       "cni.dev/attachments[0]");
}

/* As many as CNI_GC_MAX, found by hash: the run would take minutes if each question were a scan. */
static void gc07_a_long_list(void **state)
{
	scoped_free struct cni_attachment *list = calloc(CNI_GC_MAX + 1, sizeof(*list));
	scoped_free char *conf = malloc(CNI_GC_MAX * 64 + 256);
	struct env env = full;
	size_t used = 0;

	(void)state;
	assert_non_null(list);
	assert_non_null(conf);
	env.command = "GC";
	for (int over = 0; over < 2; over++) {
		struct text t;

		text_init(&t, conf, CNI_GC_MAX * 64 + 256);
		text_add(&t, "{\"cniVersion\":\"1.1.0\",\"name\":\"n\",\"cni.dev/attachments\":[");
		for (int i = 0; i < CNI_GC_MAX + over; i++)
			text_add(&t, "%s{\"containerID\":\"c%d\",\"ifname\":\"eth%d\"}",
				 i == 0 ? "" : ",", i / 3, i % 3);
		text_add(&t, "]}");
		used = t.len;
		if (over == 0)
			accept(&env, conf);
		else
			refuse(&env, conf, CNI_INVALID_CONFIG, "cni.dev/attachments");
	}
	assert_true(used > 1000000);
}

/* Small tables, where the places of a container and of its interfaces often are the same. */
static void gc07_two_interfaces_of_one_container(void **state)
{
	struct env env = full;
	char conf[512];

	(void)state;
	env.command = "GC";
	for (int i = 0; i < 100; i++) {
		assert_true(
		    text_format(conf, sizeof(conf),
				"{\"cniVersion\":\"1.1.0\",\"name\":\"n\",\"cni.dev/attachments\":["
				"{\"containerID\":\"c%d\",\"ifname\":\"eth0\"},"
				"{\"containerID\":\"c%d\",\"ifname\":\"net1\"}]}",
				i, i));
		accept(&env, conf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ver01_add_and_del),
		cmocka_unit_test(ver02_ver04_ver05_younger_verbs),
		cmocka_unit_test(ver08_a_plugin_may_start_later),
		cmocka_unit_test(ver07_missing_verbs_succeed),
		cmocka_unit_test(ns01_ns02_own_namespace_before_the_verb),
		cmocka_unit_test(chk09_no_such_test_for_check),
		cmocka_unit_test(ns03_ns04_not_a_network_namespace),
		cmocka_unit_test(a_wrong_configuration_is_told_before_a_missing_netns),
		cmocka_unit_test(prv02_prv03_prv04_previous_results),
		cmocka_unit_test(del15_says_that_it_ignores_prevresult),
		cmocka_unit_test(prv04_chained_plugins_need_one),
		cmocka_unit_test(gc02_gc03_lists),
		cmocka_unit_test(gc04_absent_or_damaged_lists_remove_nothing),
		cmocka_unit_test(gc07_a_long_list),
		cmocka_unit_test(gc07_two_interfaces_of_one_container),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
