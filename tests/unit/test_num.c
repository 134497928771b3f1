/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/num.h"
#include "base/scoped.h"

static void parse(void **state)
{
	static const struct {
		const char *in;
		uint64_t max;
		bool ok;
		uint64_t out;
	} cases[] = {
		{ "0", 0, true, 0 },
		{ "7", 9, true, 7 },
		{ "65535", 65535, true, 65535 },
		{ "65536", 65535, false, 0 },
		{ "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, false, 0 },
		{ "18446744073709551625", UINT64_MAX, false, 0 },
		{ "99999999999999999999999", UINT64_MAX, false, 0 },
		{ "1", 0, false, 0 },
		{ "", 9, false, 0 },
		{ "00", 9, false, 0 },
		{ "07", 9, false, 0 },
		{ "+7", 9, false, 0 },
		{ "-0", 9, false, 0 },
		{ " 7", 9, false, 0 },
		{ "7 ", 9, false, 0 },
		{ "7\n", 9, false, 0 },
		{ "7x", 9, false, 0 },
		{ "0x7", 99, false, 0 },
		{ "1e1", 99, false, 0 },
		{ "1.0", 99, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t v = 4711;

		if (num_parse(cases[i].in, cases[i].max, &v) != cases[i].ok)
			fail_msg("\"%s\"", cases[i].in);
		assert_true(v == (cases[i].ok ? cases[i].out : 4711));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(parse) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
