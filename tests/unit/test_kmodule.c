/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/kmodule.h"

/* tests/netns/test_bandwidth.py has lists of its own making; here only what holds on any machine.
 */
static void what_is_loaded_is_not_missing(void **state)
{
	(void)state;
	assert_false(kmodule_is_missing("."));
}

static void a_name_that_does_not_fit_is_not_looked_for(void **state)
{
	char name[200];

	(void)state;
	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = 'x';
	name[sizeof(name) - 1] = '\0';
	assert_false(kmodule_is_missing(name));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_loaded_is_not_missing),
		cmocka_unit_test(a_name_that_does_not_fit_is_not_looked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
