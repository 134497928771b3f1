/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/scoped.h"
#include "net/mac.h"

static void parse_and_print(void **state)
{
	static const struct {
		const char *in, *out; /* NULL: refused */
	} cases[] = {
		{ "c2:11:22:33:44:55", "c2:11:22:33:44:55" },
		{ "C2:11:AA:33:44:fF", "c2:11:aa:33:44:ff" },
		{ "c2-11-22-33-44-55", "c2:11:22:33:44:55" },
		{ "c211.2233.4455", "c2:11:22:33:44:55" },
		{ "00:00:00:00:00:00", "00:00:00:00:00:00" },
		{ "c2:11:22:33:44", NULL },
		{ "c2:11:22:33:44:55:66", NULL },
		{ "c2:11:22:33:44:55:66:77", NULL },
		{ "c2:11:22:33:44:5", NULL },
		{ "c2:11:22:33:44:5g", NULL },
		{ "c2:11:22:33:44:555", NULL },
		{ "c2:11:22-33:44:55", NULL },
		{ "c2:1:22:33:44:55", NULL },
		{ "c21122334455", NULL },
		{ "c211.2233", NULL },
		{ "c211.2233.4455.", NULL },
		{ "c2.11.22.33.44.55", NULL },
		{ " c2:11:22:33:44:55", NULL },
		{ "c2:11:22:33:44:55\n", NULL },
		{ "c2:11:22:33:44:", NULL },
		{ "c", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mac m = { { 42 } };
		char text[MAC_TEXT];

		if (mac_parse(cases[i].in, &m) != (cases[i].out != NULL))
			fail_msg("\"%s\"", cases[i].in);
		if (cases[i].out == NULL) {
			assert_int_equal(m.b[0], 42); /* untouched */
			continue;
		}
		mac_print(&m, text);
		assert_string_equal(text, cases[i].out);
	}
}

static void kinds(void **state)
{
	const struct mac zero = { { 0 } }, group = { { 1, 0, 0x5e } },
			 one = { { 2, 0, 0, 0, 0, 1 } };

	(void)state;
	assert_true(mac_is_zero(&zero));
	assert_false(mac_is_zero(&one));
	assert_true(mac_is_multicast(&group));
	assert_false(mac_is_multicast(&one));
	assert_true(mac_equal(&one, &one));
	assert_false(mac_equal(&one, &zero));
}

static void from_hash(void **state)
{
	static const struct {
		uint64_t hash;
		const char *mac;
	} cases[] = {
		{ 0, "02:00:00:00:00:00" },
		{ UINT64_MAX, "fe:ff:ff:ff:ff:ff" },
		{ 0x0102030405060708, "02:02:03:04:05:06" },
		{ 0xffffffffffff0000, "fe:ff:ff:ff:ff:ff" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct mac m = mac_from_hash(cases[i].hash);
		char text[MAC_TEXT];

		mac_print(&m, text);
		assert_string_equal(text, cases[i].mac);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_and_print),
		cmocka_unit_test(kinds),
		cmocka_unit_test(from_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
