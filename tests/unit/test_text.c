/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/scoped.h"
#include "base/text.h"

static void append(void **state)
{
	char buf[8];
	struct text t;

	(void)state;
	text_init(&t, buf, sizeof(buf));
	assert_string_equal(buf, "");
	text_add(&t, "%s", "ab");
	text_add(&t, "%d", 12);
	assert_string_equal(buf, "ab12");
	assert_int_equal(t.len, 4);
	text_add(&t, "xyz"); /* the last byte that fits */
	assert_string_equal(buf, "ab12xyz");
	assert_false(t.cut);
	text_add(&t, "%s", "");
	assert_false(t.cut);
	text_add(&t, "!");
	assert_true(t.cut);
	text_add(&t, "%s", "");
	assert_true(t.cut); /* sticky */
	assert_string_equal(buf, "ab12xyz");
}

static void format(void **state)
{
	char buf[4], one[1];

	(void)state;
	assert_true(text_format(buf, sizeof(buf), "%s", "abc"));
	assert_string_equal(buf, "abc");
	assert_false(text_format(buf, sizeof(buf), "%s", "abcd"));
	assert_string_equal(buf, "abc");
	assert_true(text_format(one, sizeof(one), "%s", ""));
	assert_false(text_format(one, sizeof(one), "x"));
	assert_string_equal(one, "");
}

/* Fixed vectors: names on running nodes depend on them. */
static void hash(void **state)
{
	static const struct {
		const char *parts[3];
		size_t n;
		uint64_t hash;
	} cases[] = {
		{ { NULL }, 0, 0xefd01f60ba992926 },	   { { "a" }, 1, 0x86fc2d0407502de5 },
		{ { "ab", "c" }, 2, 0xe380d1d259698919 },  { { "a", "bc" }, 2, 0x8563f6d0e4bd066a },
		{ { "", "", "" }, 3, 0x6bc537b46c7f7baf },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_true(text_hash(cases[i].parts, cases[i].n) == cases[i].hash);
}

static void base32(void **state)
{
	static const struct {
		uint64_t hash;
		size_t digits;
		const char *out;
	} cases[] = {
		{ 0, 0, "" },
		{ 0, 11, "aaaaaaaaaaa" },
		{ UINT64_MAX, 12, "777777777777" },
		{ UINT64_C(1) << 59, 2, "ba" },
		{ (UINT64_C(31) << 59) | (UINT64_C(26) << 54), 2, "72" },
		{ 16, 12, "aaaaaaaaaaab" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char out[13];

		text_base32(cases[i].hash, cases[i].digits, out);
		assert_string_equal(out, cases[i].out);
	}
}

static void nocase(void **state)
{
	static const struct {
		const char *a, *b;
		bool equal;
	} cases[] = {
		{ "", "", true },
		{ "mtu", "MTU", true },
		{ "isGateway", "isgateway", true },
		{ "mtu", "mt", false },
		{ "mt", "mtu", false },
		{ "@", "`", false },
		{ "[", "{", false },
		{ "\xc3\x84", "\xc3\xa4", false }, /* A and a umlaut: ASCII only */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(text_equal_nocase(cases[i].a, cases[i].b), cases[i].equal);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(append), cmocka_unit_test(format), cmocka_unit_test(hash),
		cmocka_unit_test(base32), cmocka_unit_test(nocase),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
