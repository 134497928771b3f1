/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "conf/jconf.h"
#include "ipam/host-local/conf.h"
#include "net/range.h"

/* Parse `text` as the network's configuration; the document must outlive the configuration. */
static int parse(json_t **doc, const char *text, const char *cni_args, struct host_local_conf *ret,
		 struct cni_error *err)
{
	struct cni_args args = { .cni_args = cni_args, .version = CNI_V100, .network = "net" };

	if (jconf_load(text, strlen(text), "test", doc, err) < 0)
		fail_msg("%s: %s", text, err->msg);
	args.conf = *doc;
	return host_local_conf_parse(&args, ret, err);
}

static void assert_sets(const struct host_local_conf *conf, const char *want)
{
	char buf[1024], set[256];
	struct text t;

	text_init(&t, buf, sizeof(buf));
	for (size_t i = 0; i < conf->n_sets; i++) {
		range_set_print(&conf->sets[i], set, sizeof(set));
		text_add(&t, "%s%s", i > 0 ? " " : "", set);
	}
	assert_string_equal(buf, want);
}

static void good(void **state)
{
	static const struct {
		const char *text, *sets;
	} cases[] = {
		{ "{\"ipam\":{\"subnet\":\"10.1.2.0/24\"}}", "10.1.2.1-10.1.2.254" },
		{ "{\"ipam\":{\"ranges\":[[{\"subnet\":\"10.1.2.0/25\"}]]}}",
		  "10.1.2.1-10.1.2.126" },
		{ "{\"ipam\":{\"subnet\":\"10.1.2.0/24\",\"rangeStart\":\"10.1.2.9\",\"ranges\":"
		  "[[{\"subnet\":\"fd00::/64\"}]]},\"runtimeConfig\":{\"ipRanges\":[[{\"subnet\":"
		  "\"10.1.1.0/30\"},{\"subnet\":\"10.1.1.4/30\"}]]}}",
		  "10.1.1.1-10.1.1.2,10.1.1.5-10.1.1.6 10.1.2.9-10.1.2.254 "
		  "fd00::1-fd00::ffff:ffff:ffff:ffff" },
		/* A bound without a subnet is no legacy range. */
		{ "{\"ipam\":{\"rangeStart\":\"10.1.2.9\",\"ranges\":[[{\"subnet\":\"10.1.2.0/"
		  "24\"}]]}}",
		  "10.1.2.1-10.1.2.254" },
		/* Disjoint pieces of one subnet, in one set and in two. */
		{ "{\"ipam\":{\"ranges\":[[{\"subnet\":\"10.0.0.0/24\",\"rangeEnd\":\"10.0.0.9\"},"
		  "{\"subnet\":\"10.0.0.0/24\",\"rangeStart\":\"10.0.0.10\",\"rangeEnd\":"
		  "\"10.0.0.20\"}],[{\"subnet\":\"10.0.0.0/24\",\"rangeStart\":\"10.0.0.21\"}]]}}",
		  "10.0.0.1-10.0.0.9,10.0.0.10-10.0.0.20 10.0.0.21-10.0.0.254" },
		{ "{\"IPAM\":{\"SubNet\":\"10.1.2.0/24\"},\"args\":{\"theirs\":5}}",
		  "10.1.2.1-10.1.2.254" },
		{ "{\"ipam\":{\"subnet\":\"10.1.2.0/24\",\"ranges\":null,\"routes\":null,"
		  "\"dataDir\":null,\"gateway\":null},\"args\":{\"cni\":null},\"runtimeConfig\":"
		  "{\"ips\":null,\"ipRanges\":[]}}",
		  "10.1.2.1-10.1.2.254" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_json json_t *doc = NULL;
		scoped_host_local_conf struct host_local_conf conf = { .n_sets = 0 };
		struct cni_error err;

		if (parse(&doc, cases[i].text, "", &conf, &err) < 0)
			fail_msg("%s: %s", cases[i].text, err.msg);
		assert_sets(&conf, cases[i].sets);
		assert_string_equal(conf.data_dir, HOST_LOCAL_DATA_DIR);
		assert_null(conf.resolv_conf);
	}
}

#define ONE "{\"subnet\":\"192.0.2.0/24\"}"

static const struct {
	const char *text;
	int code;
	const char *msg;
} wrong[] = {
	{ "{}", 7, "IPAM config missing 'ipam' key" },
	{ "{\"ipam\":null}", 7, "IPAM config missing 'ipam' key" },
	{ "{\"ipam\":\"x\"}", 6, "ipam: \"x\" is not an object" },
	{ "{\"ipam\":{}}", 7, "no IP ranges specified" },
	{ "{\"ipam\":{\"ranges\":[[" ONE "," ONE "]]}}", 7,
	  "invalid range set 0: subnets 192.0.2.1-192.0.2.254 and 192.0.2.1-192.0.2.254 "
	  "overlap" },
	{ "{\"ipam\":{\"ranges\":[[" ONE "],[" ONE "]]}}", 7, "range set 0 overlaps with 1" },
	{ "{\"ipam\":{\"ranges\":[[" ONE "],[{\"subnet\":\"10.0.0.0/8\"}],[" ONE "]]}}", 7,
	  "range set 0 overlaps with 2" },
	{ "{\"ipam\":{\"ranges\":[[" ONE ",{\"subnet\":\"fd00::/64\"}]]}}", 7,
	  "invalid range set 0: mixed address families" },
	{ "{\"ipam\":{\"ranges\":[[" ONE "],[]]}}", 7, "invalid range set 1: empty range set" },
	{ "{\"ipam\":{\"ranges\":[[" ONE "],[{\"subnet\":\"10.0.0.0/31\"}]]}}", 7,
	  "invalid range set 1: Network 10.0.0.0/31 too small to allocate from" },
	{ "{\"ipam\":{\"subnet\":\"192.0.2.12/24\"}}", 7,
	  "invalid range set 0: Network has host bits set. For a subnet mask of length 24 "
	  "the network address is 192.0.2.0" },
	{ "{\"ipam\":{\"ranges\":[[" ONE ",{\"subnet\":\"10.1.2.3/33\"}]]}}", 7,
	  "ipam.ranges[0][1].subnet: \"10.1.2.3/33\" is not an IP prefix" },
	{ "{\"ipam\":{\"ranges\":[[{\"subnet\":\"10.1.2.0/"
	  "24\",\"rangeStart\":\"10.1\"}]]}}",
	  7, "ipam.ranges[0][0].rangeStart: \"10.1\" is not an IP address" },
	{ "{\"ipam\":{\"ranges\":[[{\"rangeStart\":\"10.1.2.3\"}]]}}", 7,
	  "ipam.ranges[0][0]: a range needs a \"subnet\"" },
	{ "{\"ipam\":{\"ranges\":[" ONE "]}}", 6,
	  "ipam.ranges[0]: a range set must be a list of ranges" },
	{ "{\"ipam\":{\"ranges\":[[7]]}}", 6, "ipam.ranges[0][0]: 7 is not an object" },
	{ "{\"ipam\":{\"ranges\":{}}}", 6, "ipam.ranges: {} is not a list" },
	{ "{\"ipam\":{\"subnet\":\"10.1.2.0/24\",\"gateway\":9}}", 6,
	  "ipam.gateway: 9 is not a string" },
	{ "{\"ipam\":{\"subnet\":\"10.1.2.0/24\",\"routes\":[{\"dst\":\"x\"}]}}", 7,
	  "ipam.routes[0].dst: \"x\" is not an IP prefix" },
	{ "{\"ipam\":{\"subnet\":\"10.1.2.0/24\",\"routes\":[{\"gw\":\"10.1.2.3\"}]}}", 7,
	  "ipam.routes[0].dst" },
	{ "{\"ipam\":{\"subnet\":\"10.1.2.0/24\",\"dataDir\":\"var/lib\"}}", 7,
	  "ipam.dataDir: \"var/lib\" is not an absolute path" },
	{ "{\"ipam\":{\"subnet\":\"10.1.2.0/24\",\"resolvConf\":[]}}", 6,
	  "ipam.resolvConf: [] is not a string" },
	{ "{\"ipam\":" ONE ",\"runtimeConfig\":{\"ipRanges\":[[{\"subnet\":1}]]}}", 6,
	  "runtimeConfig.ipRanges[0][0].subnet: 1 is not a string" },
	{ "{\"ipam\":" ONE ",\"runtimeConfig\":{\"ipRanges\":[{\"subnet\":\"1\"}]}}", 7,
	  "runtimeConfig.ipRanges[0].subnet: \"1\" is not an IP prefix" },
	{ "{\"ipam\":" ONE ",\"runtimeConfig\":{\"ips\":[\"10.1.2.3/99\"]}}", 7,
	  "runtimeConfig.ips[0]: invalid IP address 10.1.2.3/99" },
	{ "{\"ipam\":" ONE ",\"runtimeConfig\":7}", 6, "runtimeConfig: 7 is not an object" },
	{ "{\"ipam\":" ONE ",\"args\":5}", 6, "args: 5 is not an object" },
	{ "{\"ipam\":" ONE ",\"args\":[]}", 6, "args: [] is not an object" },
	{ "{\"ipam\":" ONE ",\"args\":{\"cni\":\"x\"}}", 6, "args.cni: \"x\" is not an object" },
	{ "{\"ipam\":" ONE ",\"runtimeConfig\":[]}", 6, "runtimeConfig: [] is not an object" },
	{ "{\"ipam\":" ONE ",\"args\":{\"cni\":{\"ips\":[\"192.0.2.3\",\"\"]}}}", 7,
	  "args.cni.ips[1]: cannot understand ip: " },
	{ "{\"ipam\":" ONE ",\"args\":{\"cni\":{\"ips\":\"192.0.2.3\"}}}", 6,
	  "args.cni.ips: \"192.0.2.3\" is not a list" },
};

static void bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		scoped_json json_t *doc = NULL;
		struct host_local_conf conf = { .n_sets = 77 };
		struct cni_error err;

		if (parse(&doc, wrong[i].text, "", &conf, &err) == 0)
			fail_msg("accepted: %s", wrong[i].text);
		if (err.code != wrong[i].code || strstr(err.msg, wrong[i].msg) != err.msg)
			fail_msg("%s: %d %s", wrong[i].text, err.code, err.msg);
		assert_int_equal(conf.n_sets, 77); /* untouched */
	}
}

/* A list of `n` copies of `one`, %zu in it counting up, between `head` and `tail`. */
static char *repeat(const char *head, const char *one, size_t n, const char *tail)
{
	size_t cap = strlen(head) + strlen(tail) + n * (strlen(one) + 12) + 1;
	char *buf = test_malloc(cap);
	struct text t;

	text_init(&t, buf, cap);
	text_add(&t, "%s", head);
	for (size_t i = 0; i < n; i++) {
		const char *mark = strchr(one, '#');

		text_add(&t, "%s%.*s%zu.%zu%s", i > 0 ? "," : "", (int)(mark - one), one, i / 256,
			 i % 256, mark + 1);
	}
	text_add(&t, "%s", tail);
	assert_false(t.cut);
	return buf;
}

static const struct {
	const char *head, *one, *tail;
	size_t most;
	const char *msg;
} lists[] = {
	{ "{\"ipam\":{\"ranges\":[", "[{\"subnet\":\"10.#.0/24\"}]", "]}}", HOST_LOCAL_SETS_MAX,
	  "ipam.ranges: the list has 17 elements" },
	{ "{\"ipam\":{\"ranges\":[[", "{\"subnet\":\"10.#.0/24\"}", "]]}}", HOST_LOCAL_RANGES_MAX,
	  "ipam.ranges[0]: the list has 257 elements" },
	{ "{\"ipam\":{\"subnet\":\"10.0.0.0/8\",\"routes\":[", "{\"dst\":\"10.#.0/24\"}", "]}}",
	  HOST_LOCAL_ROUTES_MAX, "ipam.routes: the list has 1025 elements" },
	{ "{\"ipam\":{\"subnet\":\"10.0.0.0/8\"},\"runtimeConfig\":{\"ips\":[", "\"10.#.9\"", "]}}",
	  HOST_LOCAL_REQUESTED_MAX, "runtimeConfig.ips: the list has 65 elements" },
};

static void at_limit(size_t i, size_t more)
{
	scoped_json json_t *doc = NULL;
	scoped_host_local_conf struct host_local_conf conf = { .n_sets = 0 };
	struct cni_error err = { .msg = "" };
	char *text = repeat(lists[i].head, lists[i].one, lists[i].most + more, lists[i].tail);
	int r = parse(&doc, text, "", &conf, &err);

	if (r != (more > 0 ? -1 : 0) || (more > 0 && strstr(err.msg, lists[i].msg) != err.msg))
		fail_msg("case %zu: %s", i, err.msg);
	test_free(text);
}

static void limits(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		at_limit(i, 0);
		at_limit(i, 1);
	}
}

/* Sets from all three places count together. */
static void limit_over_all_places(void **state)
{
	scoped_json json_t *doc = NULL;
	scoped_host_local_conf struct host_local_conf conf = { .n_sets = 0 };
	struct cni_error err;
	char *text = repeat("{\"ipam\":{\"subnet\":\"fd00::/64\",\"ranges\":[",
			    "[{\"subnet\":\"10.#.0/24\"}]", 16, "]}}");

	(void)state;
	assert_int_equal(parse(&doc, text, "", &conf, &err), -1);
	assert_string_equal(err.msg, "ipam.ranges[15]: more than the 16 range sets allowed");
	test_free(text);
}

static void requested(void **state)
{
	static const char *const want[] = { "10.0.0.9", "10.0.0.8", "fd00::1", "10.0.0.7" };
	scoped_json json_t *doc = NULL;
	scoped_host_local_conf struct host_local_conf conf = { .n_sets = 0 };
	struct cni_error err;
	char ip[IP_TEXT];

	(void)state;
	if (parse(&doc,
		  "{\"ipam\":{\"subnet\":\"10.0.0.0/8\"},\"args\":{\"cni\":{\"ips\":[\"10.0.0.8/"
		  "16\",\"FD00:0::1\"]}},\"runtimeConfig\":{\"ips\":[\"::ffff:10.0.0.7\"]}}",
		  "K8S_POD_NAME=x;IP=10.0.0.9/8;IgnoreUnknown=true", &conf, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(conf.n_requested, ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		ip_print(&conf.requested[i], ip);
		assert_string_equal(ip, want[i]);
	}
}

static void data_dir_alone(void **state)
{
	static const struct {
		const char *text, *dir; /* NULL: an error */
	} cases[] = {
		{ "{}", HOST_LOCAL_DATA_DIR },
		{ "{\"ipam\":{\"ranges\":7,\"dataDir\":\"/x\"}}", "/x" },
		{ "{\"ipam\":{\"dataDir\":\"\"}}", HOST_LOCAL_DATA_DIR },
		{ "{\"ipam\":{\"dataDir\":\"x\"}}", NULL },
		{ "{\"ipam\":{\"dataDir\":1}}", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_json json_t *doc = json_loads(cases[i].text, 0, NULL);
		const struct cni_args args = { .conf = doc, .cni_args = "" };
		const char *dir = NULL;
		struct cni_error err;
		int r = host_local_conf_data_dir(&args, &dir, &err);

		assert_int_equal(r, cases[i].dir != NULL ? 0 : -1);
		if (r == 0)
			assert_string_equal(dir, cases[i].dir);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),	     cmocka_unit_test(bad),
		cmocka_unit_test(limits),    cmocka_unit_test(limit_over_all_places),
		cmocka_unit_test(requested), cmocka_unit_test(data_dir_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
