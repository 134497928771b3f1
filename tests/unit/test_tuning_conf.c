/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tuning: keys and their precedence, names of switches, names that stand twice, backup files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/scoped.h"
#include "base/text.h"
#include "conf/jconf.h"
#include "plugins/tuning/conf.h"
#include "plugins/tuning/conf_backup.h"

struct call {
	json_t *doc;
	struct tuning_conf conf;
	struct cni_error err;
};

static void free_call(struct call *c)
{
	tuning_conf_free(&c->conf);
	json_decref(c->doc);
}

static int parse(struct call *c, const char *text, const char *ifname, const char *env)
{
	struct cni_args args = { .ifname = ifname, .cni_args = env, .stdin_text = text };

	*c = (struct call){ .doc = NULL };
	args.stdin_len = strlen(text);
	if (jconf_load(text, args.stdin_len, "stdin", &c->doc, &c->err) < 0)
		fail_msg("%s", c->err.msg);
	args.conf = c->doc;
	return tuning_conf_parse(&args, &c->conf, &c->err);
}

static void sysctl_paths(void **state)
{
	static const struct {
		const char *key, *ifname, *path; /* NULL: refused */
	} cases[] = {
		{ "net.ipv4.conf.all.log_martians", "eth0", "net/ipv4/conf/all/log_martians" },
		{ "net.ipv4.conf.IFNAME.x", "eth0", "net/ipv4/conf/eth0/x" },
		{ "net.ipv4.conf.IFNAME.x", "eth0.100", "net/ipv4/conf/eth0.100/x" },
		{ "net.ipv4.conf.IFNAME.IFNAME", "eth0", "net/ipv4/conf/eth0/IFNAME" },
		{ "net/ipv4/conf/eth0.100/x", "eth0", "net/ipv4/conf/eth0.100/x" },
		{ "net.ipv4/conf.all/x", "eth0", "net/ipv4/conf/all/x" },
		{ "kernel.hostname", "eth0", NULL },
		{ "net", "eth0", NULL },
		{ "net.", "eth0", NULL },
		{ "", "eth0", NULL },
		{ ".net.ipv4", "eth0", NULL },
		{ "net..ipv4", "eth0", NULL },
		{ "net/../kernel/hostname", "eth0", NULL },
		{ "net/./ipv4", "eth0", NULL },
		{ "net/ipv4/..", "eth0", NULL },
		{ "netx.ipv4", "eth0", NULL },
		{ "/proc/sys/net/ipv4", "eth0", NULL },
		{ "net.ipv4.a b", "eth0", NULL },
		{ "net.ipv4.\\u00e9", "eth0", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		SCOPED(free_call) struct call c;
		char text[512];
		int r;

		assert_true(
		    text_format(text, sizeof(text), "{\"sysctl\": {\"%s\": \"1\"}}", cases[i].key));
		r = parse(&c, text, cases[i].ifname, "");
		if (r == 0 && cases[i].path != NULL) {
			assert_string_equal(c.conf.sysctls[0].path, cases[i].path);
			continue;
		}
		if (r == 0 || cases[i].path != NULL)
			fail_msg("%s: %d", cases[i].key, r);
		assert_int_equal(c.err.code, CNI_INVALID_CONFIG);
		assert_non_null(strstr(c.err.msg, "invalid net sysctl key: \""));
	}
}

static void a_long_name(void **state)
{
	char text[512], name[300];
	SCOPED(free_call) struct call c;

	(void)state;
	memset(name, 'x', sizeof(name));
	name[299] = '\0';
	assert_true(text_format(text, sizeof(text), "{\"sysctl\": {\"net.%s\": \"1\"}}", name));
	assert_int_equal(parse(&c, text, "eth0", ""), -1);
	assert_non_null(strstr(c.err.msg, "invalid net sysctl key"));
}

static void too_many_sysctls(void **state)
{
	SCOPED(free_call) struct call c;
	char *text = malloc(65536);
	struct text t;

	(void)state;
	text_init(&t, text, 65536);
	text_add(&t, "{\"sysctl\": {\"net.a\": \"1\"");
	for (int i = 0; i < TUNING_SYSCTLS_MAX; i++)
		text_add(&t, ", \"net.a%d\": \"1\"", i);
	text_add(&t, "}}");
	assert_int_equal(parse(&c, text, "eth0", ""), -1);
	assert_non_null(strstr(c.err.msg, "more than 256 sysctls"));
	free(text);
}

static void precedence(void **state)
{
	static const struct {
		const char *text, *env;
		uint8_t last; /* byte of the MAC; 0: none */
	} cases[] = {
		{ "{}", "", 0 },
		{ "{\"mac\": \"\"}", "", 0 },
		{ "{\"mac\": \"02:00:00:00:00:01\"}", "", 1 },
		{ "{\"mac\": \"02:00:00:00:00:01\"}", "MAC=02:00:00:00:00:02", 2 },
		{ "{\"mac\": \"02:00:00:00:00:01\", \"runtimeConfig\": {\"mac\": "
		  "\"02:00:00:00:00:03\"}}",
		  "MAC=02:00:00:00:00:02", 3 },
		{ "{\"runtimeConfig\": {\"mac\": \"02:00:00:00:00:03\"}, \"args\": {\"cni\": "
		  "{\"mac\": \"02:00:00:00:00:04\"}}}",
		  "MAC=02:00:00:00:00:02", 4 },
		{ "{\"ARGS\": {\"CNI\": {\"MAC\": \"02-00-00-00-00-04\"}}}", "IgnoreUnknown=1;K=v",
		  4 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		SCOPED(free_call) struct call c;

		if (parse(&c, cases[i].text, "eth0", cases[i].env) < 0)
			fail_msg("%s: %s", cases[i].text, c.err.msg);
		assert_int_equal(c.conf.link.has_mac, cases[i].last != 0);
		assert_int_equal(c.conf.link.mac.b[5], cases[i].last);
	}
}

static void args_override(void **state)
{
	SCOPED(free_call) struct call c;
	const struct link_values *v = &c.conf.link;

	(void)state;
	assert_int_equal(
	    parse(&c,
		  "{\"sysctl\": {\"net.a\": \"1\", \"net.b\": \"2\"}, \"promisc\": true, "
		  "\"mtu\": 1400, \"txQLen\": 5, \"allmulti\": true, \"dataDir\": \"\", "
		  "\"args\": {\"cni\": {\"sysctl\": {\"net.c\": \"4\", \"net.a\": \"3\"}, "
		  "\"promisc\": false, \"mtu\": 0, \"txQLen\": 0, \"allmulti\": false}}}",
		  "eth0", ""),
	    0);
	assert_true(v->has_promisc && !v->promisc && !v->has_mtu && v->has_allmulti &&
		    !v->allmulti && v->has_txqlen && v->txqlen == 0);
	assert_int_equal(c.conf.n_sysctls, 3);
	assert_string_equal(c.conf.sysctls[0].value, "3");
	assert_string_equal(c.conf.sysctls[1].value, "2");
	assert_string_equal(c.conf.sysctls[2].path, "net/c");
	assert_string_equal(c.conf.data_dir, TUNING_DATA_DIR);
}

static void nothing_asked_for(void **state)
{
	static const char *const texts[] = {
		"{}", "{\"mtu\": 0, \"mac\": \"\", \"mtuBothEnds\": true}",
		"{\"sysctl\": {}, \"args\": {\"cni\": {\"sysctl\": {}}}}",
		"{\"promisc\": null, \"txQLen\": null}"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		SCOPED(free_call) struct call c;

		assert_int_equal(parse(&c, texts[i], "eth0", ""), 0);
		assert_true(!link_values_any(&c.conf.link) && c.conf.n_sysctls == 0);
	}
}

/* ---- names that stand twice */

static void twice(void **state)
{
	static const struct {
		const char *text;
		bool unique;
	} cases[] = {
		{ "{\"sysctl\": {\"net.a\": \"1\", \"net.b\": \"net.a\"}}", true },
		{ "{\"sysctl\":{\"net.a\":\"1\",\"net.a\":\"1\"}}", false },
		{ "{\"sysctl\":{\"net.a\":\"1\",\"net.a\" \n:\"1\"}}", false },
		{ "{\"x\":\"\xe2\x82\xac\",\"SYSCTL\":{\"net.a\":\"1\",\"net.b\":\"2\",\"net.a\":"
		  "\"1\"}}",
		  false },
		{ "{\"sysctl\":{\"net.A\":\"1\",\"net.a\":\"1\"}}", true },
		{ "{\"sysctl\":{\"net.a\":\"1\"},\"args\":{\"cni\":{\"sysctl\":{\"net.a\":\"2\"}}}"
		  "}",
		  true },
		{ "{\"args\":{\"cni\":{\"sysctl\":{\"net.a\":\"1\",\"net.a\":\"2\"}}}}", false },
		{ "{\"sysctl\":{\"net.a\":\"1\"},\"other\":{\"a\":1,\"a\":1}}", true },
		/* what is not seen, and what is blamed for another's */
		{ "{\"sysctl\":{\"net.a\":\"1\",\"net.\\u0061\":\"1\"}}", true },
		{ "{\"x\":1,\"x\":1,\"sysctl\":{\"net.a\":\"1\",\"net.a\":\"1\"}}", true },
		{ "{\"x\":{\"net.a\":1,\"net.a\":1},\"sysctl\":{\"net.a\":\"1\"}}", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		SCOPED(free_call) struct call c;
		int r = parse(&c, cases[i].text, "eth0", "");

		if ((r == 0) != cases[i].unique)
			fail_msg("%s: %d", cases[i].text, r);
		if (r < 0)
			assert_string_equal(c.err.msg,
					    "sysctl: duplicated sysctl keys are not allowed: "
					    "\"net.a\" stands there twice");
	}
}

/* ---- backup files */

static void a_backup_comes_back(void **state)
{
	struct tuning_backup b = { .link = { .has_mac = true,
					     .mac = { { 2, 0, 0, 0, 0xab, 1 } },
					     .has_promisc = true,
					     .has_mtu = true,
					     .mtu = 1500,
					     .has_txqlen = true },
				   .host_mtu = 1400,
				   .netns = 4026532000,
				   .ifindex = 7 };
	SCOPED(tuning_backup_free) struct tuning_backup back = { .n_sysctls = 0 };
	scoped_free char *text = NULL;
	struct cni_error err;

	(void)state;
	b.network = "n";
	b.container = "c";
	assert_int_equal(tuning_backup_add(&b, "net/b", "1\t2", "3 4", &err), 0);
	assert_int_equal(tuning_backup_add(&b, "net/a", "", "1", &err), 0);
	assert_int_equal(tuning_backup_add(&b, "net/b", "later", "5", &err), 0);
	assert_int_equal(tuning_backup_encode(&b, &text, &err), 0);
	assert_string_equal(
	    text, "{\n \"mac\": \"02:00:00:00:ab:01\",\n \"promisc\": false,\n \"mtu\": 1500,"
		  "\n \"txQLen\": 0,\n \"network\": \"n\",\n \"containerID\": \"c\","
		  "\n \"netns\": 4026532000,\n \"ifindex\": 7,\n \"hostMtu\": 1400,"
		  "\n \"sysctl\": {\n  \"net/b\": [\n   \"1\\t2\",\n   \"5\"\n  ],"
		  "\n  \"net/a\": [\n   \"\",\n   \"1\"\n  ]\n }\n}");
	assert_int_equal(tuning_backup_decode(text, strlen(text), &back, &err), 0);
	assert_true(back.link.has_mac && mac_equal(&back.link.mac, &b.link.mac));
	assert_true(back.link.has_promisc && !back.link.promisc && !back.link.has_allmulti);
	assert_true(back.link.has_txqlen && back.link.txqlen == 0 && back.link.mtu == 1500);
	assert_true(back.host_mtu == 1400 && back.netns == 4026532000 && back.ifindex == 7);
	assert_int_equal(back.n_sysctls, 2);
	assert_string_equal(back.sysctls[0].path, "net/b");
	assert_string_equal(back.sysctls[0].value, "1\t2");
	assert_string_equal(back.sysctls[0].set, "5");
	assert_string_equal(back.sysctls[1].path, "net/a");
	assert_null(back.ifname);
	tuning_backup_free(&b);
}

static void damaged_backups(void **state)
{
	static const char *const texts[] = { "",
					     "{",
					     "[]",
					     "{\"mac\": 1}",
					     "{\"mac\": \"x\"}",
					     "{\"mtu\": 1.5}",
					     "{\"sysctl\": []}",
					     "{\"sysctl\": {\"net/a\": \"1\"}}",
					     "{\"sysctl\": {\"net/a\": [\"1\"]}}",
					     "{\"sysctl\": {\"net/a\": [\"1\", 2]}}",
					     "{\"sysctl\": {\"kernel/a\": [\"1\", \"2\"]}}",
					     "{\"sysctl\": {\"net/../a\": [\"1\", \"2\"]}}",
					     "{\"ifindex\": 0}",
					     "{\"netns\": -1}",
					     "{\"network\": 1}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct tuning_backup b = { .ifindex = 99 };
		struct cni_error err;

		assert_int_equal(tuning_backup_decode(texts[i], strlen(texts[i]), &b, &err), -1);
		assert_true(err.code == CNI_DECODE || err.code == CNI_INVALID_CONFIG);
		assert_int_equal(b.ifindex, 99);
	}
}

/* As Go's tuning writes it. */
static void a_file_of_the_reference(void **state)
{
	static const char text[] =
	    "{\n \"mac\": \"c2:11:22:33:44:55\",\n \"promisc\": true,\n \"mtu\": "
	    "1454,\n \"allmulti\": false\n}";
	SCOPED(tuning_backup_free) struct tuning_backup b = { .n_sysctls = 0 };
	struct cni_error err;

	(void)state;
	assert_int_equal(tuning_backup_decode(text, strlen(text), &b, &err), 0);
	assert_true(b.link.has_mac && b.link.promisc && b.link.mtu == 1454 && b.link.has_allmulti &&
		    !b.link.has_txqlen && b.netns == 0 && b.network == NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sysctl_paths),
		cmocka_unit_test(a_long_name),
		cmocka_unit_test(too_many_sysctls),
		cmocka_unit_test(precedence),
		cmocka_unit_test(args_override),
		cmocka_unit_test(nothing_asked_for),
		cmocka_unit_test(twice),
		cmocka_unit_test(a_backup_comes_back),
		cmocka_unit_test(damaged_backups),
		cmocka_unit_test(a_file_of_the_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
