/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Results as JSON in every version: cni-spec.md §1.12, §5.2; plugins.md §0.3, §7.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/scoped.h"
#include "cni/codec.h"
#include "conf/jconf.h"

/* One result with everything, as each layout has it; the texts are compared byte for byte but for
 * white space, since the order of keys is part of the layout (OUT-15). */
static const char newest[] =
    "{\"cniVersion\":\"1.1.0\","
    "\"dns\":{\"domain\":\"d\",\"nameservers\":[\"10.0.0.1\"],\"options\":[\"o\"],\"search\":["
    "\"s\"]},"
    "\"interfaces\":[{\"mac\":\"02:00:00:00:00:01\",\"mtu\":1500,\"name\":\"cni0\"},"
    "{\"mac\":\"02:00:00:00:00:02\",\"name\":\"eth0\",\"pciID\":\"0000:00:1f.6\","
    "\"sandbox\":\"/run/netns/p\",\"socketPath\":\"/s\"}],"
    "\"ips\":[{\"address\":\"10.1.2.3/24\",\"gateway\":\"10.1.2.1\",\"interface\":0},"
    "{\"address\":\"fd00::3/64\",\"gateway\":\"fd00::1\",\"interface\":1},"
    "{\"address\":\"10.9.0.1/16\"}],"
    "\"routes\":[{\"advmss\":1360,\"dst\":\"0.0.0.0/0\",\"gw\":\"10.1.2.1\",\"mtu\":1400,"
    "\"priority\":10,\"scope\":0,\"table\":0},{\"dst\":\"fd01::/16\",\"gw\":\"fd00::1\"},"
    "{\"dst\":\"10.7.0.0/16\"}]}";

static const char lists[] =
    "{\"cniVersion\":\"0.4.0\","
    "\"interfaces\":[{\"name\":\"cni0\",\"mac\":\"02:00:00:00:00:01\"},"
    "{\"name\":\"eth0\",\"mac\":\"02:00:00:00:00:02\",\"sandbox\":\"/run/netns/p\"}],"
    "\"ips\":[{\"version\":\"4\",\"interface\":0,\"address\":\"10.1.2.3/"
    "24\",\"gateway\":\"10.1.2.1\"},"
    "{\"version\":\"6\",\"interface\":1,\"address\":\"fd00::3/64\",\"gateway\":\"fd00::1\"},"
    "{\"version\":\"4\",\"address\":\"10.9.0.1/16\"}],"
    "\"routes\":[{\"advmss\":1360,\"dst\":\"0.0.0.0/0\",\"gw\":\"10.1.2.1\",\"mtu\":1400,"
    "\"priority\":10,\"scope\":0,\"table\":0},{\"dst\":\"fd01::/16\",\"gw\":\"fd00::1\"},"
    "{\"dst\":\"10.7.0.0/16\"}],"
    "\"dns\":{\"nameservers\":[\"10.0.0.1\"],\"domain\":\"d\",\"search\":[\"s\"],\"options\":["
    "\"o\"]}}";

static const char oldest[] =
    "{\"cniVersion\":\"0.2.0\","
    "\"ip4\":{\"ip\":\"10.1.2.3/24\",\"gateway\":\"10.1.2.1\","
    "\"routes\":[{\"dst\":\"0.0.0.0/0\",\"gw\":\"10.1.2.1\"},{\"dst\":\"10.7.0.0/16\"}]},"
    "\"ip6\":{\"ip\":\"fd00::3/64\",\"gateway\":\"fd00::1\","
    "\"routes\":[{\"dst\":\"fd01::/16\",\"gw\":\"fd00::1\"}]},"
    "\"dns\":{\"nameservers\":[\"10.0.0.1\"],\"domain\":\"d\",\"search\":[\"s\"],\"options\":["
    "\"o\"]}}";

static int decode(const char *text, enum cni_version v, struct cni_result *r, struct cni_error *err)
{
	static const struct jpath at = { .key = "prevResult" };
	scoped_json json_t *doc = NULL;

	if (jconf_load(text, strlen(text), "test", &doc, err) < 0)
		fail_msg("%s: %s", text, err->msg);
	return cni_result_decode(doc, &at, v, r, err);
}

static void decode_ok(const char *text, enum cni_version v, struct cni_result *r)
{
	struct cni_error err;

	if (decode(text, v, r, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
}

/* Encoded without the white space. */
static void encode_ok(const struct cni_result *r, enum cni_version v, char *buf, size_t cap)
{
	scoped_free char *text = NULL;
	struct cni_error err;
	size_t used = 0;

	if (cni_result_encode(r, v, &text, &err) < 0)
		fail_msg("%s: %s", cni_version_text(v), err.msg);
	for (const char *c = text; *c != '\0' && used + 1 < cap; c++) {
		if (*c != ' ' && *c != '\n')
			buf[used++] = *c;
	}
	buf[used] = '\0';
}

static void assert_encoded(const struct cni_result *r, enum cni_version v, const char *want)
{
	char got[4096];

	encode_ok(r, v, got, sizeof(got));
	assert_string_equal(got, want);
}

static void res_cnv04_cnv05_every_layout(void **state)
{
	struct cni_result r = { 0 };

	(void)state;
	decode_ok(newest, CNI_V110, &r);
	assert_encoded(&r, CNI_V110, newest);
	assert_encoded(&r, CNI_V040, lists);
	assert_encoded(&r, CNI_V020, oldest);
	cni_result_free(&r);
}

static void cnv01_only_the_version_differs_within_a_family(void **state)
{
	static const struct {
		enum cni_version v, like;
		const char *text;
	} rows[] = {
		{ CNI_V010, CNI_V020, oldest },
		{ CNI_V030, CNI_V040, lists },
		{ CNI_V031, CNI_V040, lists },
		{ CNI_V100, CNI_V110, newest },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cni_result r = { 0 };
		char got[4096];
		char *version;

		decode_ok(rows[i].text, rows[i].v, &r); /* another version inside: PRV-02 */
		encode_ok(&r, rows[i].v, got, sizeof(got));
		version = strstr(got, cni_version_text(rows[i].v));
		assert_non_null(version);
		memcpy(version, cni_version_text(rows[i].like), 5);
		assert_string_equal(got, rows[i].text);
		cni_result_free(&r);
	}
}

static void cnv02_cnv03_up_and_down_again(void **state)
{
	struct cni_result r = { 0 };

	(void)state;
	decode_ok(oldest, CNI_V020, &r);
	assert_int_equal(r.n_ips, 2);
	assert_int_equal(r.n_interfaces, 0);
	assert_int_equal(r.n_routes, 3);
	assert_int_equal(r.ips[0].interface, -1);
	assert_encoded(&r, CNI_V020, oldest);
	cni_result_free(&r);
	decode_ok(lists, CNI_V040, &r);
	assert_encoded(&r, CNI_V040, lists);
	cni_result_free(&r);
}

static void res08_res09_empty_things_are_left_out(void **state)
{
	struct cni_result r = { 0 };

	(void)state;
	assert_encoded(&r, CNI_V110, "{\"cniVersion\":\"1.1.0\"}");
	assert_encoded(&r, CNI_V031, "{\"cniVersion\":\"0.3.1\",\"dns\":{}}");
	decode_ok("{\"interfaces\":null,\"ips\":null,\"routes\":null,\"dns\":null}", CNI_V110, &r);
	assert_encoded(&r, CNI_V110, "{\"cniVersion\":\"1.1.0\"}");
	assert_false(r.dns.present);
	cni_result_free(&r);
	decode_ok("{\"dns\":{\"search\":[]},\"ips\":[{\"address\":\"1.2.3.4/8\",\"gateway\":\"\","
		  "\"interface\":null}],\"interfaces\":[{\"name\":\"a\",\"mac\":\"\","
		  "\"sandbox\":\"\",\"mtu\":0}]}",
		  CNI_V110, &r);
	assert_true(r.dns.present);
	assert_encoded(&r, CNI_V110,
		       "{\"cniVersion\":\"1.1.0\",\"interfaces\":[{\"name\":\"a\"}],"
		       "\"ips\":[{\"address\":\"1.2.3.4/8\"}]}");
	cni_result_free(&r);
}

static void cnv06_old_layouts_need_an_address(void **state)
{
	struct cni_result r = { 0 };
	struct cni_error err = { 0 };
	char *text = NULL;

	(void)state;
	for (int v = CNI_V010; v <= CNI_V020; v++) {
		assert_int_equal(cni_result_check_version(&r, (enum cni_version)v, &err), -1);
		assert_int_equal(err.code, CNI_INVALID_CONFIG);
		assert_string_equal(err.msg, "cannot convert: no valid IP addresses");
		assert_int_equal(cni_result_encode(&r, (enum cni_version)v, &text, &err), -1);
		assert_null(text);
	}
	assert_int_equal(cni_result_check_version(&r, CNI_V030, &err), 0);
}

static void res01_res02_addresses_as_text(void **state)
{
	struct cni_result r = { 0 };

	(void)state;
	decode_ok(
	    "{\"ips\":[{\"address\":\"FD00::00:1/64\"},{\"address\":\"::ffff:10.0.0.1/120\"}],"
	    "\"routes\":[{\"dst\":\"10.1.2.3/8\"}],\"interfaces\":[{\"name\":\"e\","
	    "\"mac\":\"AA:BB:CC:DD:EE:FF\"}]}",
	    CNI_V110, &r);
	assert_encoded(&r, CNI_V110,
		       "{\"cniVersion\":\"1.1.0\",\"interfaces\":[{\"mac\":\"aa:bb:cc:dd:ee:ff\","
		       "\"name\":\"e\"}],\"ips\":[{\"address\":\"fd00::1/64\"},"
		       "{\"address\":\"10.0.0.1/24\"}],\"routes\":[{\"dst\":\"10.0.0.0/8\"}]}");
	cni_result_free(&r);
}

static void cnv07_the_version_of_an_address_is_computed(void **state)
{
	struct cni_result r = { 0 };

	(void)state;
	decode_ok("{\"ips\":[{\"version\":\"6\",\"address\":\"1.2.3.4/8\"}]}", CNI_V040, &r);
	assert_encoded(&r, CNI_V040,
		       "{\"cniVersion\":\"0.4.0\",\"ips\":[{\"version\":\"4\","
		       "\"address\":\"1.2.3.4/8\"}],\"dns\":{}}");
	cni_result_free(&r);
}

static void in10_keys_match_without_case(void **state)
{
	struct cni_result r = { 0 };

	(void)state;
	decode_ok("{\"CNIVersion\":\"1.0.0\",\"IPs\":[{\"Address\":\"1.2.3.4/8\",\"Interface\":0}],"
		  "\"Unknown\":1}",
		  CNI_V100, &r);
	assert_int_equal(r.n_ips, 1);
	assert_int_equal(r.ips[0].interface, 0);
	cni_result_free(&r);
}

static const struct {
	enum cni_version v;
	const char *text, *part; /* of the message, which names the place */
} wrong[] = {
	{ CNI_V110, "{\"ips\":[{\"address\":5}]}", "prevResult.ips[0].address: 5 " },
	{ CNI_V110, "{\"ips\":[{\"address\":\"1.2.3/45\"}]}", "prevResult.ips[0].address" },
	{ CNI_V110, "{\"ips\":[{\"address\":\"1.2.3.4/99\"}]}", "prevResult.ips[0].address" },
	{ CNI_V110, "{\"ips\":[{\"address\":\"1.2.3.4\"}]}", "prevResult.ips[0].address" },
	{ CNI_V110, "{\"ips\":[{\"address\":\"01.2.3.4/8\"}]}", "prevResult.ips[0].address" },
	{ CNI_V110, "{\"ips\":[{}]}", "prevResult.ips[0].address" },
	{ CNI_V110, "{\"ips\":[{\"address\":\"1.2.3.4/8\",\"interface\":-1}]}", "interface" },
	{ CNI_V110, "{\"ips\":[{\"address\":\"1.2.3.4/8\",\"interface\":1.0}]}", "interface" },
	{ CNI_V110, "{\"ips\":[{\"address\":\"1.2.3.4/8\",\"gateway\":\"x\"}]}", "gateway" },
	{ CNI_V110, "{\"ips\":{}}", "prevResult.ips" },
	{ CNI_V110, "{\"routes\":[{\"dst\":\"1.2.3.4/8\",\"gw\":\"zz\"}]}",
	  "prevResult.routes[0].gw" },
	{ CNI_V110, "{\"routes\":[{\"dst\":\"1.2.3.4/8\",\"scope\":256}]}", "scope" },
	{ CNI_V110, "{\"routes\":[{\"dst\":\"1.2.3.4/8\",\"table\":4294967296}]}", "table" },
	{ CNI_V110, "{\"routes\":[{\"gw\":\"1.2.3.4\"}]}", "prevResult.routes[0].dst" },
	{ CNI_V110, "{\"interfaces\":[{\"name\":1}]}", "prevResult.interfaces[0].name" },
	{ CNI_V110, "{\"interfaces\":[{\"name\":\"a\",\"mtu\":-1}]}",
	  "prevResult.interfaces[0].mtu" },
	{ CNI_V110, "{\"dns\":{\"search\":[1]}}", "prevResult.dns.search[0]" },
	{ CNI_V110, "{\"dns\":[]}", "prevResult.dns" },
	{ CNI_V110, "{\"cniVersion\":\"0.4.0\"}", "prevResult.cniVersion" },
	{ CNI_V110, "{\"cniVersion\":\"5678.456\"}", "unsupported CNI result version" },
	{ CNI_V040, "{\"cniVersion\":\"1.0.0\"}", "prevResult.cniVersion" },
	{ CNI_V020, "{\"cniVersion\":\"0.3.0\"}", "prevResult.cniVersion" },
	{ CNI_V020, "{\"ip4\":{}}", "prevResult.ip4.ip" },
	{ CNI_V020, "{\"ip4\":{\"ip\":\"1.2.3.4/8\",\"routes\":[{}]}}",
	  "prevResult.ip4.routes[0].dst" },
};

static void prv02_wrong_results_name_the_place(void **state)
{
	const struct cni_result empty = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct cni_result r = { 0 };
		struct cni_error err = { 0 };

		if (decode(wrong[i].text, wrong[i].v, &r, &err) == 0)
			fail_msg("%s was accepted", wrong[i].text);
		assert_memory_equal(&r, &empty, sizeof(r));
		if (strstr(err.msg, wrong[i].part) == NULL)
			fail_msg("%s: \"%s\" is missing in \"%s\"", wrong[i].text, wrong[i].part,
				 err.msg);
	}
}

static void routes_of_two_ip_versions(void **state)
{
	static const char text[] = "{\"dst\":\"10.0.0.0/8\",\"gw\":\"fe80::1\"}";
	scoped_json json_t *route = json_loads(text, 0, NULL);
	struct cni_result r = { 0 };
	struct cni_error err;
	struct route ret;

	(void)state;
	decode_ok("{\"routes\":[{\"dst\":\"10.0.0.0/8\",\"gw\":\"fe80::1\"}]}", CNI_V110, &r);
	assert_encoded(&r, CNI_V110,
		       "{\"cniVersion\":\"1.1.0\",\"routes\":[{\"dst\":\"10.0.0.0/8\","
		       "\"gw\":\"fe80::1\"}]}");
	cni_result_free(&r);
	assert_int_equal(cni_route_decode(route, NULL, &ret, &err), -1); /* a configuration */
	assert_int_equal(err.code, CNI_INVALID_CONFIG);
}

static void lists_have_an_end(void **state)
{
	static const char *const items[] = { "{\"address\":\"1.2.3.4/8\"}",
					     "{\"dst\":\"1.2.3.4/8\"}", "{\"name\":\"a\"}" };
	static const char *const keys[] = { "ips", "routes", "interfaces" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys) * 2; i++) {
		scoped_json json_t *doc = json_object();
		json_t *list = json_array();
		struct cni_result r = { 0 };
		struct cni_error err = { 0 };
		int over = i % 2;

		for (int n = 0; n < CNI_RESULT_MAX + over; n++)
			json_array_append_new(list, json_loads(items[i / 2], 0, NULL));
		json_object_set_new(doc, keys[i / 2], list);
		assert_int_equal(cni_result_decode(doc, NULL, CNI_V110, &r, &err), -over);
		cni_result_free(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(res_cnv04_cnv05_every_layout),
		cmocka_unit_test(cnv01_only_the_version_differs_within_a_family),
		cmocka_unit_test(cnv02_cnv03_up_and_down_again),
		cmocka_unit_test(res08_res09_empty_things_are_left_out),
		cmocka_unit_test(cnv06_old_layouts_need_an_address),
		cmocka_unit_test(res01_res02_addresses_as_text),
		cmocka_unit_test(cnv07_the_version_of_an_address_is_computed),
		cmocka_unit_test(in10_keys_match_without_case),
		cmocka_unit_test(prv02_wrong_results_name_the_place),
		cmocka_unit_test(routes_of_two_ip_versions),
		cmocka_unit_test(lists_have_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
