/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/jpath.h"
#include "base/scoped.h"

static void render(void **state)
{
	const struct jpath doc = { 0 };
	const struct jpath ipam = { .up = &doc, .key = "ipam" }, top = { .key = "ipam" };
	const struct jpath ranges = { .up = &top, .key = "ranges" };
	const struct jpath set = { .up = &ranges, .idx = 0 }, one = { .up = &set, .idx = 17 };
	const struct jpath subnet = { .up = &one, .key = "subnet" };
	const struct {
		const struct jpath *at;
		const char *text;
	} cases[] = {
		{ NULL, "configuration" },
		{ &doc, "configuration" },
		{ &ipam, "ipam" },
		{ &top, "ipam" },
		{ &set, "ipam.ranges[0]" },
		{ &one, "ipam.ranges[0][17]" },
		{ &subnet, "ipam.ranges[0][17].subnet" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char buf[JPATH_MAX], small[8];

		jpath_print(cases[i].at, buf, sizeof(buf));
		assert_string_equal(buf, cases[i].text);
		jpath_print(cases[i].at, small, sizeof(small));
		assert_int_equal(strncmp(small, cases[i].text, 7), 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(render) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
