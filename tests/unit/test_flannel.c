/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flannel: the daemon's file, and the delegate's configuration that is made of it (overlay.md §4).
 */
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
#include "plugins/flannel/conf.h"
#include "plugins/flannel/conf_delegate.h"
#include "plugins/flannel/env.h"

#define MASQ "FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"
#define V4   "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\n"
#define V6   "FLANNEL_IPV6_NETWORK=fd00:10::/48\nFLANNEL_IPV6_SUBNET=fd00:10:0:1::1/64\n"

static int parse_env(const char *text, struct subnet_env *env, struct cni_error *err)
{
	scoped_free char *copy = strdup(text);

	assert_non_null(copy);
	*err = (struct cni_error){ .code = 0 };
	return subnet_env_parse(copy, strlen(copy), "FILE", env, err);
}

static void assert_net(const struct ipnet *net, const char *want)
{
	char text[IPNET_TEXT];

	ipnet_print(net, text);
	assert_string_equal(text, want);
}

/* ---- subnet.env */

static void env_of_both_versions(void **state)
{
	struct subnet_env env;
	struct cni_error err;

	(void)state;
	assert_int_equal(parse_env(V4 V6 MASQ, &env, &err), 0);
	assert_int_equal(env.v4.n_networks, 1);
	assert_net(&env.v4.networks[0], "10.244.0.0/16");
	assert_net(&env.v4.subnet, "10.244.1.0/24"); /* masked to its base */
	assert_net(&env.v6.networks[0], "fd00:10::/48");
	assert_net(&env.v6.subnet, "fd00:10:0:1::/64");
	assert_int_equal(env.mtu, 1450);
	assert_true(env.masq);
	assert_int_equal(parse_env(V6 "FLANNEL_IPMASQ=false\nFLANNEL_MTU=0", &env, &err), 0);
	assert_int_equal(env.v4.n_networks, 0);
	assert_false(env.v4.has_subnet);
	assert_int_equal(env.mtu, 0);
	assert_false(env.masq);
}

static void env_lists_and_repeated_keys(void **state)
{
	struct subnet_env env;
	struct cni_error err;

	(void)state;
	assert_int_equal(parse_env("FLANNEL_NETWORK=10.9.0.0/16\nFLANNEL_MTU=1\nFLANNEL_NETWORK="
				   "10.1.0.0/16,192.168.5.1/16,10.1.2.3/16\n"
				   "FLANNEL_SUBNET=10.1.7.1/24\n" MASQ,
				   &env, &err),
			 0);
	assert_int_equal(env.v4.n_networks, 2);
	assert_net(&env.v4.networks[0], "10.1.0.0/16");
	assert_net(&env.v4.networks[1], "192.168.0.0/16");
	assert_int_equal(env.mtu, 1450);
}

static void env_what_is_skipped(void **state)
{
	static const char *const same[] = {
		V4 MASQ,
		"\n\n# FLANNEL_MTU=9\n" V4 MASQ,
		"FLANNEL_MTU =9\n FLANNEL_MTU=9\nflannel_mtu=9\nFLANNEL_MTUS=9\n=\n==9\n" V4 MASQ,
		V4 "FLANNEL_MTU=1450\r\nFLANNEL_IPMASQ=true\r\n\r\n",
		V4 "FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true",
		V4 "FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\r",
		V4 MASQ "SOMETHING=else=more\nnothing\n",
	};
	struct subnet_env env;
	struct cni_error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		if (parse_env(same[i], &env, &err) < 0)
			fail_msg("%zu: %s", i, err.msg);
		assert_int_equal(env.mtu, 1450);
		assert_true(env.masq);
		assert_net(&env.v4.subnet, "10.244.1.0/24");
		assert_int_equal(env.v6.n_networks, 0);
	}
}

static void env_line_numbers(void **state)
{
	static const struct {
		const char *text, *msg;
	} rows[] = {
		{ "FLANNEL_MTU=x", "FILE line 1: FLANNEL_MTU: \"x\" is not a number of bytes" },
		{ "\n\nFLANNEL_MTU", "FILE line 3: FLANNEL_MTU has no value: '=' is missing" },
		{ V4 "FLANNEL_IPMASQ=\n", "FILE line 3: FLANNEL_IPMASQ: \"\" is neither true nor" },
		{ V4 "\r\nFLANNEL_IPMASQ=true \r\n", "FILE line 4: FLANNEL_IPMASQ: \"true \"" },
		{ "FLANNEL_SUBNET=10.0.0.1", "FILE line 1: FLANNEL_SUBNET: \"10.0.0.1\" is not" },
		{ "FLANNEL_NETWORK=10.0.0.0/8,", "FILE line 1: FLANNEL_NETWORK: \"\" is not an" },
		{ "FLANNEL_IPV6_SUBNET=1.2.3.4/24", "is not an IPv6 prefix" },
		{ "FLANNEL_MTU=01450", "\"01450\" is not a number of bytes" },
	};
	struct subnet_env env = { .mtu = 7 };
	struct cni_error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(parse_env(rows[i].text, &env, &err), -1);
		assert_int_equal(err.code, CNI_DECODE);
		if (strstr(err.msg, rows[i].msg) == NULL)
			fail_msg("%s: %s", rows[i].msg, err.msg);
		assert_int_equal(env.mtu, 7);
	}
}

static void env_groups_that_are_missing(void **state)
{
	static const struct {
		const char *text, *missing;
	} rows[] = {
		{ "", "FLANNEL_NETWORK, FLANNEL_IPV6_NETWORK, FLANNEL_SUBNET, FLANNEL_IPV6_SUBNET, "
		      "FLANNEL_MTU, FLANNEL_IPMASQ" },
		{ MASQ, "FLANNEL_NETWORK, FLANNEL_IPV6_NETWORK, FLANNEL_SUBNET, "
			"FLANNEL_IPV6_SUBNET" },
		{ V4, "FLANNEL_MTU, FLANNEL_IPMASQ" },
		{ V6 "FLANNEL_MTU=1\n", "FLANNEL_IPMASQ" },
		{ "FLANNEL_SUBNET=10.0.0.1/8\n" MASQ, "FLANNEL_NETWORK, FLANNEL_IPV6_NETWORK" },
		{ "FLANNEL_IPV6_NETWORK=fd00::/8\n" MASQ, "FLANNEL_SUBNET, FLANNEL_IPV6_SUBNET" },
	};
	struct subnet_env env;
	struct cni_error err;
	char want[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(parse_env(rows[i].text, &env, &err), -1);
		assert_int_equal(err.code, CNI_TRY_AGAIN);
		assert_true(text_format(want, sizeof(want), "FILE is missing %s", rows[i].missing));
		assert_string_equal(err.msg, want);
	}
}

/* ---- the delegate's configuration */

struct call {
	json_t *doc;
	struct cni_args args;
	struct delegate_conf delegate;
	struct cni_error err;
};

static void free_call(struct call *c)
{
	delegate_conf_free(&c->delegate);
	json_decref(c->doc);
}

static int make(struct call *c, const char *conf, const char *env_text)
{
	struct flannel_conf checked;
	struct subnet_env env;

	*c = (struct call){ .args = { .network = "cbr0", .version = CNI_V110 } };
	if (parse_env(env_text, &env, &c->err) < 0 ||
	    jconf_load(conf, strlen(conf), "stdin", &c->doc, &c->err) < 0)
		fail_msg("%s", c->err.msg);
	c->args.conf = c->doc;
	if (flannel_conf_parse(&c->args, &checked, &c->err) < 0)
		return -1;
	return flannel_delegate_build(&c->args, &env, &c->delegate, &c->err);
}

#define RANGE4	"[{\"subnet\":\"10.244.1.0/24\"}]"
#define RANGE6	"[{\"subnet\":\"fd00:10:0:1::/64\"}]"
#define ROUTE4	"{\"dst\":\"10.244.0.0/16\"}"
#define ROUTE6	"{\"dst\":\"fd00:10::/48\"}"
#define IPAM4	"\"ipam\":{\"ranges\":[" RANGE4 "],\"routes\":[" ROUTE4 "],\"type\":\"host-local\"}"
#define SHIPPED "\"delegate\":{\"hairpinMode\":true,\"isDefaultGateway\":true}"

/* What the reference makes (overlay.md §4.2): texts, for its encoder sorts keys as ours does. */
static const struct {
	const char *conf, *env, *want;
} made[] = {
	/* the shipped file; the example of the description, byte for byte */
	{ "{\"cniVersion\":\"0.3.1\"," SHIPPED "}", V4 MASQ,
	  "{\"cniVersion\":\"0.3.1\",\"hairpinMode\":true,\"ipMasq\":false," IPAM4
	  ",\"isDefaultGateway\":true,\"isGateway\":true,\"mtu\":1450,\"name\":\"cbr0\","
	  "\"type\":\"bridge\"}" },
	/* nothing given; both versions; the daemon does not masquerade */
	{ "{}", V4 V6 "FLANNEL_MTU=1430\nFLANNEL_IPMASQ=false\n",
	  "{\"ipMasq\":true,\"ipam\":{\"ranges\":[" RANGE4 "," RANGE6 "],\"routes\":[" ROUTE4
	  "," ROUTE6 "],\"type\":\"host-local\"},\"isGateway\":true,\"mtu\":1430,"
	  "\"name\":\"cbr0\",\"type\":\"bridge\"}" },
	/* IPv6 alone, MTU 0 */
	{ "{\"cniVersion\":\"\",\"delegate\":{}}", V6 "FLANNEL_MTU=0\nFLANNEL_IPMASQ=true\n",
	  "{\"ipMasq\":false,\"ipam\":{\"ranges\":[" RANGE6 "],\"routes\":[" ROUTE6
	  "],\"type\":\"host-local\"},\"isGateway\":true,\"mtu\":0,\"name\":\"cbr0\","
	  "\"type\":\"bridge\"}" },
	/* what was given wins; null is given; another type gets no isGateway */
	{ "{\"delegate\":{\"type\":\"ipvlan\",\"mtu\":1400,\"ipMasq\":null,\"x\":[1]}}", V4 MASQ,
	  "{\"ipMasq\":null," IPAM4 ",\"mtu\":1400,\"name\":\"cbr0\",\"type\":\"ipvlan\","
	  "\"x\":[1]}" },
	{ "{\"delegate\":{\"isGateway\":false,\"ipMasq\":true,\"mtu\":1}}", V4 MASQ,
	  "{\"ipMasq\":true," IPAM4 ",\"isGateway\":false,\"mtu\":1,\"name\":\"cbr0\","
	  "\"type\":\"bridge\"}" },
	/* keys of the delegate match exactly, ours do not; ours beat what was given */
	{ "{\"Delegate\":{\"MTU\":9,\"Type\":\"x\",\"cniVersion\":\"0.1.0\"},"
	  "\"CNIVERSION\":\"1.0.0\"}",
	  V4 MASQ,
	  "{\"MTU\":9,\"Type\":\"x\",\"cniVersion\":\"1.0.0\",\"ipMasq\":false," IPAM4
	  ",\"isGateway\":true,\"mtu\":1450,\"name\":\"cbr0\",\"type\":\"bridge\"}" },
	/* capabilities; the inner name does not count */
	{ "{\"name\":\"inner\",\"runtimeConfig\":{\"mac\":\"02:00:00:00:00:01\","
	  "\"ips\":[\"10.244.1.9\"]},\"capabilities\":{\"mac\":true},\"prevResult\":{},"
	  "\"delegate\":{\"runtimeConfig\":7}}",
	  V4 MASQ,
	  "{\"ipMasq\":false," IPAM4 ",\"isGateway\":true,\"mtu\":1450,\"name\":\"cbr0\","
	  "\"runtimeConfig\":{\"ips\":[\"10.244.1.9\"],\"mac\":\"02:00:00:00:00:01\"},"
	  "\"type\":\"bridge\"}" },
	/* an IPAM of one's own: its keys stay, ranges do not, routes come first */
	{ "{\"ipam\":{\"type\":\"my-ipam\",\"mine\":{\"a\":1},\"ranges\":[[{\"subnet\":"
	  "\"1.2.3.0/24\"}]],\"routes\":[{\"dst\":\"192.0.2.1/24\",\"gw\":\"10.244.1.9\","
	  "\"mtu\":1300,\"advmss\":1200,\"priority\":5,\"table\":0,\"scope\":253,\"x\":1},"
	  "{\"dst\":\"fd01::/16\"}]}}",
	  "FLANNEL_NETWORK=10.1.0.0/16,192.168.0.0/16\nFLANNEL_SUBNET=10.1.17.1/24\n" MASQ,
	  "{\"ipMasq\":false,\"ipam\":{\"mine\":{\"a\":1},\"ranges\":[[{\"subnet\":"
	  "\"10.1.17.0/24\"}]],\"routes\":[{\"advmss\":1200,\"dst\":\"192.0.2.1/"
	  "24\",\"gw\":"
	  "\"10.244.1.9\",\"mtu\":1300,\"priority\":5,\"scope\":253,\"table\":0},{\"dst\":"
	  "\"fd01::/16\"},{\"dst\":\"10.1.0.0/16\"},{\"dst\":\"192.168.0.0/16\"}],\"type\":"
	  "\"my-ipam\"},\"isGateway\":true,\"mtu\":1450,\"name\":\"cbr0\",\"type\":"
	  "\"bridge\"}" },
	{ "{\"ipam\":{\"routes\":null,\"dataDir\":\"/x\"}}", V4 MASQ,
	  "{\"ipMasq\":false,\"ipam\":{\"dataDir\":\"/x\",\"ranges\":[" RANGE4
	  "],\"routes\":[" ROUTE4 "],\"type\":\"host-local\"},\"isGateway\":true,\"mtu\":1450,"
	  "\"name\":\"cbr0\",\"type\":\"bridge\"}" },
};

static void what_the_reference_makes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(made); i++) {
		SCOPED(free_call) struct call c;

		if (make(&c, made[i].conf, made[i].env) < 0)
			fail_msg("%s: %s", made[i].conf, c.err.msg);
		assert_string_equal(c.delegate.text, made[i].want);
		assert_int_equal(c.delegate.len, strlen(made[i].want));
		assert_string_equal(c.delegate.network, "cbr0");
	}
}

/* Our configuration is read only: the same call may make it twice. */
static void building_changes_nothing(void **state)
{
	SCOPED(free_call) struct call c;
	static const char conf[] = "{\"delegate\":{\"a\":1},\"ipam\":{\"b\":[]}}";
	scoped_json json_t *before = NULL;
	struct cni_error err;

	(void)state;
	assert_int_equal(jconf_load(conf, strlen(conf), "stdin", &before, &err), 0);
	assert_int_equal(make(&c, conf, V4 MASQ), 0);
	assert_true(json_equal(before, c.doc));
}

static void what_was_kept_is_kept_byte_for_byte(void **state)
{
	static const char kept[] = "{ \"type\" : \"bridge\",\n \"name\":\"n\", \"x\": 1.0 }";
	static const char *const damaged[] = { "", "{", "[]", "{}", "null", "{\"type\":7}", "x" };
	SCOPED(delegate_conf_free) struct delegate_conf d = { .len = 0 };
	struct cni_error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(damaged); i++) {
		assert_int_equal(delegate_conf_decode(damaged[i], strlen(damaged[i]), &d, &err),
				 -1);
		assert_true(err.code == CNI_DECODE || err.code == CNI_INVALID_CONFIG);
	}
	assert_int_equal(delegate_conf_decode(kept, strlen(kept), &d, &err), 0);
	assert_string_equal(d.text, kept);
	assert_string_equal(d.type, "bridge");
	assert_string_equal(d.network, "n");
}

static void check_and_gc_add_what_they_brought(void **state)
{
	static const struct cni_attachment valid[] = { { "c1", "eth0" }, { "c2", "net1" } };
	SCOPED(free_call) struct call c;
	const json_t *list;

	(void)state;
	assert_int_equal(make(&c, "{\"cniVersion\":\"1.0.0\",\"prevResult\":{\"a\":1}}", V4 MASQ),
			 0);
	assert_null(strstr(c.delegate.text, "prevResult"));
	c.args.verb = CNI_CHECK;
	assert_int_equal(delegate_conf_complete(&c.args, &c.delegate, &c.err), 0);
	assert_non_null(strstr(c.delegate.text, "\"prevResult\":{\"a\":1}"));
	assert_non_null(strstr(c.delegate.text, "\"cniVersion\":\"1.1.0\""));
	assert_int_equal(c.delegate.len, strlen(c.delegate.text));
	c.args.verb = CNI_GC;
	c.args.valid = valid;
	c.args.n_valid = ARRAY_SIZE(valid);
	assert_int_equal(delegate_conf_complete(&c.args, &c.delegate, &c.err), 0);
	list = json_object_get(c.delegate.doc, "cni.dev/valid-attachments");
	assert_int_equal(json_array_size(list), 2);
	assert_true(json_equal(list, json_object_get(c.delegate.doc, "cni.dev/attachments")));
	assert_non_null(strstr(c.delegate.text, "{\"containerID\":\"c2\",\"ifname\":\"net1\"}"));
	c.args.n_valid = 0; /* nothing is valid: an empty list, not none */
	assert_int_equal(delegate_conf_complete(&c.args, &c.delegate, &c.err), 0);
	assert_non_null(strstr(c.delegate.text, "\"cni.dev/valid-attachments\":[]"));
}

static void check_sees_what_has_changed(void **state)
{
	static const struct {
		const char *conf, *env, *msg;
	} rows[] = {
		{ "{}", V4 MASQ, NULL },
		{ "{\"delegate\":{\"hairpinMode\":true}}", V4 MASQ, NULL },
		{ "{}", "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.2.1/24\n" MASQ,
		  "ipam.ranges was [[{\"subnet\":\"10.244.1.0/24\"}]] and is "
		  "[[{\"subnet\":\"10.244.2.0/24\"}]]" },
		{ "{}", V4 V6 MASQ, "ipam.ranges was" },
		{ "{}", "FLANNEL_NETWORK=10.0.0.0/8\nFLANNEL_SUBNET=10.244.1.1/24\n" MASQ,
		  "ipam.routes was" },
		{ "{}", V4 "FLANNEL_IPMASQ=true\nFLANNEL_MTU=1400\n", "mtu was 1450 and is 1400" },
		{ "{}", V4 "FLANNEL_IPMASQ=false\nFLANNEL_MTU=1450\n", "ipMasq was false and is" },
	};
	SCOPED(free_call) struct call kept;

	(void)state;
	assert_int_equal(make(&kept, "{}", V4 MASQ), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		SCOPED(free_call) struct call c;
		int r;

		assert_int_equal(make(&c, rows[i].conf, rows[i].env), 0);
		r = flannel_delegate_compare(&kept.delegate, &c.delegate, &c.err);
		assert_int_equal(r, rows[i].msg == NULL ? 0 : -1);
		if (r < 0 &&
		    (c.err.code != CNI_CHECK_FAILED || strstr(c.err.msg, rows[i].msg) == NULL))
			fail_msg("%s: %s", rows[i].msg, c.err.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(env_of_both_versions),
		cmocka_unit_test(env_lists_and_repeated_keys),
		cmocka_unit_test(env_what_is_skipped),
		cmocka_unit_test(env_line_numbers),
		cmocka_unit_test(env_groups_that_are_missing),
		cmocka_unit_test(what_the_reference_makes),
		cmocka_unit_test(building_changes_nothing),
		cmocka_unit_test(what_was_kept_is_kept_byte_for_byte),
		cmocka_unit_test(check_and_gc_add_what_they_brought),
		cmocka_unit_test(check_sees_what_has_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
