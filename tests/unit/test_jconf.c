/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "conf/jconf.h"

static json_t *load(const char *text)
{
	struct cni_error err;
	json_t *doc = NULL;

	if (jconf_load(text, strlen(text), "stdin", &doc, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return doc;
}

static const struct {
	const char *text, *problem; /* NULL: fine; else the start of the message */
} documents_read[] = {
	{ "{}", NULL },
	{ " {\"a\": 1}\n", NULL },
	{ "null", NULL },
	{ "{\"a\": \"\\u0000\"}", NULL }, /* in a key that nobody reads */
	{ "{\"a\": \"\\u003c\\ud83d\\ude00\"}", NULL },
	{ "", "stdin: empty, expected a JSON object" },
	{ " ", "stdin: line 1, column 1: " },
	{ "{", "stdin: line 1, column 1: " },
	{ "{} {}", "stdin: line 1, column 4: " },
	{ "{}x", "stdin: line 1, column 3: " },
	{ "\xef\xbb\xbf{}", "stdin: line 1, column 1: " },
	{ "[1]", "stdin: expected a JSON object, not [1]" },
	{ "1", "stdin: expected a JSON object, not 1" },
	{ "\"x\"", "stdin: expected a JSON object, not \"x\"" },
	{ "{\"a\": 01}", "stdin: line 1, " },
	{ "{\"a\": +1}", "stdin: line 1, " },
	{ "{\"a\": NaN}", "stdin: line 1, " },
	{ "{\"a\": 1,}", "stdin: line 1, " },
	{ "{\n\n\"a\" 1}", "stdin: line 3, " },
	{ "{\"a\": \"x\ny\"}", "stdin: line 1, " },
	{ "{\"a\": \"\xff\"}", "stdin: line 1, " },
	{ "{\"a\": \"\\ud800\"}", "stdin: line 1, " },
	{ "{\"\\u0000\": 1}", "stdin: line 1, " },
	{ "{ /* no */ }", "stdin: line 1, " },
	{ "{\"a\": 9223372036854775808}", "stdin: line 1, column 25: too big integer" },
	{ "{\"a\": 1e999}", "stdin: line 1, column 11: real number overflow" },
};

static void documents(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(documents_read); i++) {
		const char *text = documents_read[i].text, *problem = documents_read[i].problem;
		scoped_json json_t *doc = NULL;
		struct cni_error err = { 0 };

		if (jconf_load(text, strlen(text), "stdin", &doc, &err) == 0) {
			assert_null(problem);
			assert_true(json_is_object(doc));
			continue;
		}
		assert_null(doc);
		assert_int_equal(err.code, CNI_DECODE);
		assert_non_null(problem);
		err.msg[strlen(problem)] = '\0';
		assert_string_equal(err.msg, problem);
	}
}

static void raw_nul_and_depth(void **state)
{
	static char deep[10000];
	struct cni_error err;
	json_t *doc = NULL;

	(void)state;
	assert_int_equal(jconf_load("{}\0{}", 5, "stdin", &doc, &err), -1);
	assert_int_equal(jconf_load("{\"a\": \"\0\"}", 10, "stdin", &doc, &err), -1);
	memset(deep, '[', sizeof(deep));
	memcpy(deep, "{\"a\":", 5);
	assert_int_equal(jconf_load(deep, sizeof(deep), "stdin", &doc, &err), -1);
	assert_non_null(strstr(err.msg, "maximum parsing depth reached"));
	assert_int_equal(err.code, CNI_DECODE);
}

static void lookup(void **state)
{
	static const struct {
		const char *text;
		int value; /* 0: absent */
	} cases[] = {
		{ "{}", 0 },
		{ "{\"mtu\": 1}", 1 },
		{ "{\"MTU\": 1}", 1 },
		{ "{\"MTU\": 1, \"mtu\": 2}", 2 },
		{ "{\"mtu\": 2, \"MTU\": 1}", 2 },
		{ "{\"MTU\": 1, \"Mtu\": 2}", 2 },
		{ "{\"mtu\": 1, \"mtu\": 2}", 2 },
		{ "{\"mtu\": null}", 0 },
		{ "{\"mtu\": null, \"MTU\": 3}", 3 },
		{ "{\"MTU\": 3, \"Mtu\": null}", 3 },
		{ "{\"mtux\": 1, \"mt\": 2}", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_json json_t *doc = load(cases[i].text);
		const json_t *found = jconf_get(doc, "mtu");

		if (json_integer_value(found) != cases[i].value)
			fail_msg("%s", cases[i].text);
		assert_int_equal(found != NULL, cases[i].value != 0);
	}
	assert_null(jconf_get(NULL, "mtu"));
	assert_null(jconf_get(json_true(), "mtu"));
}

struct sample {
	bool flag, has_flag, has_addr;
	uint32_t num;
	int64_t wide;
	uint64_t big;
	const char *name;
	struct ip addr;
	struct ipnet net;
	bool has_mac, has_inner;
	struct mac mac;
	size_t listed;
	struct {
		uint32_t before, num;
	} inner;
};

static int parse_list(const json_t *value, const struct jpath *at, void *member,
		      struct cni_error *err)
{
	size_t n;

	if (jconf_array(value, at, 3, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct jpath here = { .up = at, .idx = i };
		const char *s;

		if (jconf_str(json_array_get(value, i), &here, 5, &s, err) < 0)
			return -1;
	}
	*(size_t *)member = n;
	return 0;
}

#define MEMBER(m) .offset = offsetof(struct sample, m)

static const struct jfield inner[] = {
	{ "num", J_UINT, .offset = sizeof(uint32_t), .max = 9 },
};

static const struct jfield fields[] = {
	{ "flag", J_BOOL, MEMBER(flag), .has = true,
	  .has_offset = offsetof(struct sample, has_flag) },
	{ "num", J_UINT, MEMBER(num), .min = 68, .max = 65535 },
	{ "free", J_UINT, MEMBER(num) },
	{ "wide", J_INT64, MEMBER(wide), .imin = -5, .max = 5 },
	{ "big", J_UINT64, MEMBER(big) },
	{ "name", J_STR, MEMBER(name) },
	{ "short", J_STR, MEMBER(name), .max = 3 },
	{ "addr", J_IP, MEMBER(addr), .has = true,
	  .has_offset = offsetof(struct sample, has_addr) },
	{ "net", J_IPNET, MEMBER(net) },
	{ "mac", J_MAC, MEMBER(mac), .has = true, .has_offset = offsetof(struct sample, has_mac) },
	{ "inner", jconf_table(inner), MEMBER(inner), .has = true,
	  .has_offset = offsetof(struct sample, has_inner) },
	{ "list", J_CUSTOM, MEMBER(listed), .custom = parse_list },
};

static const struct jpath ipam = { .key = "ipam" };

static void fills(void **state)
{
	scoped_json json_t *doc = load(
	    "{\"flag\": true, \"NUM\": 1500, \"wide\": -5, \"big\": 9223372036854775807,"
	    " \"name\": \"b\\u00fcro\", \"addr\": \"::ffff:10.1.2.3\", \"net\": \"10.1.2.3/24\","
	    " \"mac\": \"02:00:00:00:00:0a\", \"INNER\": {\"Num\": 9},"
	    " \"list\": [\"a\", \"b\"], \"other\": {\"x\": []}}");
	struct sample s = { 0 };
	struct cni_error err = { 0 };
	char text[IPNET_TEXT];

	(void)state;
	assert_int_equal(jconf_fill(doc, &ipam, fields, ARRAY_SIZE(fields), &s, &err), 0);
	assert_true(s.flag && s.has_flag && s.has_addr);
	assert_int_equal(s.num, 1500);
	assert_true(s.wide == -5 && s.big == INT64_MAX);
	assert_string_equal(s.name, "b\xc3\xbcro");
	ip_print(&s.addr, text);
	assert_string_equal(text, "10.1.2.3");
	ipnet_print(&s.net, text);
	assert_string_equal(text, "10.1.2.3/24");
	assert_true(s.has_mac && s.mac.b[0] == 2 && s.mac.b[5] == 10);
	assert_true(s.has_inner && s.inner.before == 0 && s.inner.num == 9);
	assert_int_equal(s.listed, 2);
}

/* Nothing said, or null, or "" for an address of either kind: members keep what they had. */
static void absent(void **state)
{
	static const char *const texts[] = {
		"null",
		"{}",
		"{\"flag\": null, \"num\": null, \"name\": null, \"list\": null}",
		"{\"addr\": \"\"}",
		"{\"mac\": \"\"}",
		"{\"inner\": null}",
		"{\"FLAG\": null, \"addr\": null}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		scoped_json json_t *doc = json_loads(texts[i], JSON_DECODE_ANY, NULL);
		struct sample s = { .num = 7, .name = "kept", .listed = 9 };
		struct cni_error err;

		assert_int_equal(jconf_fill(doc, &ipam, fields, ARRAY_SIZE(fields), &s, &err), 0);
		assert_int_equal(s.num, 7);
		assert_string_equal(s.name, "kept");
		assert_int_equal(s.listed, 9);
		assert_false(s.has_flag || s.has_addr || s.has_mac || s.has_inner);
	}
}

static const struct {
	const char *text;
	int code;
	const char *msg;
} refusals[] = {
	{ "[]", CNI_DECODE, "ipam: [] is not an object" },
	{ "\"host-local\"", CNI_DECODE, "ipam: \"host-local\" is not an object" },
	{ "{\"flag\": 1}", CNI_DECODE, "ipam.flag: 1 is neither true nor false" },
	{ "{\"Flag\": \"true\"}", CNI_DECODE, "ipam.flag: \"true\" is neither true nor false" },
	{ "{\"num\": \"1500\"}", CNI_DECODE, "ipam.num: \"1500\" is not an integer" },
	{ "{\"num\": 1500.0}", CNI_DECODE,
	  "ipam.num: 1500.0 is not an integer (no fraction and no exponent is allowed)" },
	{ "{\"num\": 2e2}", CNI_DECODE,
	  "ipam.num: 200.0 is not an integer (no fraction and no exponent is allowed)" },
	{ "{\"num\": {}}", CNI_DECODE, "ipam.num: {} is not an integer" },
	{ "{\"num\": 67}", CNI_INVALID_CONFIG,
	  "ipam.num: 67 is out of range, allowed is 68 to 65535" },
	{ "{\"num\": 65536}", CNI_INVALID_CONFIG,
	  "ipam.num: 65536 is out of range, allowed is 68 to 65535" },
	{ "{\"num\": -1}", CNI_INVALID_CONFIG,
	  "ipam.num: -1 is out of range, allowed is 68 to 65535" },
	{ "{\"free\": 4294967296}", CNI_INVALID_CONFIG,
	  "ipam.free: 4294967296 is out of range, allowed is 0 to 4294967295" },
	{ "{\"wide\": 6}", CNI_INVALID_CONFIG, "ipam.wide: 6 is out of range, allowed is -5 to 5" },
	{ "{\"wide\": -6}", CNI_INVALID_CONFIG,
	  "ipam.wide: -6 is out of range, allowed is -5 to 5" },
	{ "{\"big\": -1}", CNI_INVALID_CONFIG,
	  "ipam.big: -1 is out of range, allowed is 0 to 18446744073709551615" },
	{ "{\"name\": 5}", CNI_DECODE, "ipam.name: 5 is not a string" },
	{ "{\"name\": \"a\\u0000b\"}", CNI_INVALID_CONFIG,
	  "ipam.name: \"a\\u0000b\" contains a NUL character" },
	{ "{\"short\": \"four\"}", CNI_INVALID_CONFIG,
	  "ipam.short: the text has 4 bytes, at most 3 are allowed" },
	{ "{\"addr\": \"10.1.2\"}", CNI_INVALID_CONFIG,
	  "ipam.addr: \"10.1.2\" is not an IP address" },
	{ "{\"addr\": false}", CNI_DECODE, "ipam.addr: false is not a string" },
	{ "{\"net\": \"10.1.2.3/33\"}", CNI_INVALID_CONFIG,
	  "ipam.net: \"10.1.2.3/33\" is not an IP prefix" },
	{ "{\"net\": \"\"}", CNI_INVALID_CONFIG, "ipam.net: \"\" is not an IP prefix" },
	{ "{\"net\": \"a\\nb\"}", CNI_INVALID_CONFIG, "ipam.net: \"a\\nb\" is not an IP prefix" },
	{ "{\"mac\": 2}", CNI_DECODE, "ipam.mac: 2 is not a string" },
	{ "{\"mac\": \"02:00\"}", CNI_INVALID_CONFIG, "ipam.mac: \"02:00\" is not a MAC address" },
	{ "{\"inner\": []}", CNI_DECODE, "ipam.inner: [] is not an object" },
	{ "{\"inner\": {\"num\": 10}}", CNI_INVALID_CONFIG,
	  "ipam.inner.num: 10 is out of range, allowed is 0 to 9" },
	{ "{\"list\": {\"a\": 1}}", CNI_DECODE, "ipam.list: {\"a\":1} is not a list" },
	{ "{\"list\": [1]}", CNI_DECODE, "ipam.list[0]: 1 is not a string" },
	{ "{\"list\": [\"a\", null]}", CNI_DECODE, "ipam.list[1]: null is not a string" },
	{ "{\"list\": [\"a\", \"123456\"]}", CNI_INVALID_CONFIG,
	  "ipam.list[1]: the text has 6 bytes, at most 5 are allowed" },
	{ "{\"list\": [\"\", \"\", \"\", \"\"]}", CNI_INVALID_CONFIG,
	  "ipam.list: the list has 4 elements, at most 3 are allowed" },
};

static void refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		scoped_json json_t *doc =
		    json_loads(refusals[i].text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
		struct sample s = { 0 };
		struct cni_error err = { 0 };

		assert_int_equal(jconf_fill(doc, &ipam, fields, ARRAY_SIZE(fields), &s, &err), -1);
		assert_string_equal(err.msg, refusals[i].msg);
		assert_int_equal(err.code, refusals[i].code);
		assert_false(s.has_flag || s.has_addr || s.has_mac || s.has_inner);
	}
}

static void required(void **state)
{
	static const struct jfield must[] = {
		{ "addr", J_IP, .required = true, MEMBER(addr) },
	};
	static const char *const texts[] = { "{}", "null", "{\"addr\": null}", "{\"addr\": \"\"}" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		scoped_json json_t *doc = json_loads(texts[i], JSON_DECODE_ANY, NULL);
		struct sample s;
		struct cni_error err;

		assert_int_equal(jconf_fill(doc, NULL, must, 1, &s, &err), -1);
		assert_string_equal(err.msg, "addr: the key is missing and required");
		assert_int_equal(err.code, CNI_INVALID_CONFIG);
	}
	assert_int_equal(jconf_fill(NULL, NULL, must, 1, NULL, &(struct cni_error){ 0 }), -1);
}

/* A value that is shown is one line of valid UTF-8, however long it was. */
static void long_values(void **state)
{
	(void)state;
	for (size_t len = 100; len < 140; len++) {
		char text[600] = "";
		scoped_json json_t *value = NULL, *shown = NULL;
		struct cni_error err;
		struct ip addr;

		/* A cut at every byte of a three-byte character. */
		memcpy(text, "aa", len % 3);
		for (size_t i = 0; i < len; i++)
			memcpy(text + len % 3 + 3 * i, "\xe2\x82\xac", 4);
		value = json_string(text);
		assert_int_equal(jconf_ip(value, &ipam, &addr, &err), -1);
		shown = json_string(err.msg); /* refuses anything but UTF-8 */
		assert_non_null(shown);
		assert_true(strlen(err.msg) < 180);
		assert_non_null(strstr(err.msg, "\xe2\x80\xa6 is not an IP address"));
	}
}

static void choices(void **state)
{
	static const char *const names[] = { "one", "two", "three" };
	static const struct jchoice choice = { "no such", names, ARRAY_SIZE(names) };
	scoped_json json_t *two = json_string("two"), *none = json_string(""),
			   *wrong = json_string("Two"), *number = json_integer(2);
	struct cni_error err;
	size_t i = 77;

	(void)state;
	assert_int_equal(jconf_choice(two, &ipam, &choice, &i, &err), 0);
	assert_int_equal(i, 1);
	assert_int_equal(jconf_choice(none, &ipam, &choice, &i, &err), 0);
	assert_int_equal(i, 3);
	i = 77;
	assert_int_equal(jconf_choice(wrong, &ipam, &choice, &i, &err), -1);
	assert_string_equal(err.msg, "ipam: no such \"Two\" (one or two or three)");
	assert_int_equal(jconf_choice(number, &ipam, &choice, &i, &err), -1);
	assert_int_equal(err.code, CNI_DECODE);
	assert_int_equal(i, 77);
}

static void macs(void **state)
{
	static const struct {
		const char *text, *problem; /* NULL: fine */
	} cases[] = {
		{ "02:00:00:00:12:34", NULL },
		{ "02-00-00-00-12-34", NULL },
		{ "0200.0000.1234", NULL },
		{ "02:00:00:00:12", "mac: \"02:00:00:00:12\" is not a MAC address" },
		{ "00:00:00:00:00:00", "mac: \"00:00:00:00:00:00\" is no unicast MAC address: an "
				       "interface cannot have it" },
		{ "01:00:5e:00:00:01", "mac: \"01:00:5e:00:00:01\" is no unicast MAC address: an "
				       "interface cannot have it" },
	};
	const struct jpath at = { .key = "mac" };
	const struct mac want = { { 2, 0, 0, 0, 0x12, 0x34 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cni_error err = { 0 };
		struct mac mac = { { 9 } };
		bool given = false;
		int r = jconf_mac(cases[i].text, &at, &mac, &given, &err);

		assert_int_equal(r, cases[i].problem == NULL ? 0 : -1);
		assert_int_equal(given, r == 0);
		assert_int_equal(mac.b[0], r == 0 ? 2 : 9);
		assert_true(r < 0 || mac_equal(&mac, &want));
		assert_true(r == 0 || err.code == CNI_INVALID_CONFIG);
		assert_string_equal(err.msg, r == 0 ? "" : cases[i].problem);
	}
}

static void an_empty_mac_asks_for_nothing(void **state)
{
	const struct jpath at = { .key = "mac" };
	struct mac mac = { { 2, 1 } };
	struct cni_error err;
	bool given = true;

	(void)state;
	assert_int_equal(jconf_mac("", &at, &mac, &given, &err), 0);
	assert_true(given && mac.b[1] == 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents),
		cmocka_unit_test(raw_nul_and_depth),
		cmocka_unit_test(lookup),
		cmocka_unit_test(fills),
		cmocka_unit_test(absent),
		cmocka_unit_test(refused),
		cmocka_unit_test(required),
		cmocka_unit_test(long_values),
		cmocka_unit_test(choices),
		cmocka_unit_test(macs),
		cmocka_unit_test(an_empty_mac_asks_for_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
