/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/scoped.h"
#include "net/hashname.h"

/* The vectors of the reference's own tests (plugins.md §0.12, §3.4). */
static void names_of_the_reference(void **state)
{
	static const struct {
		const char *prefix, *network, *container;
		size_t len;
		const char *want;
	} cases[] = {
		{ "bwp", "cni-plugin-bandwidth-test", "dummy", 15, "bwpa8eda89404b7" },
		{ "CNI-", "test", "1234", 28, "CNI-2bbe0c48b91a7d1b8a6753a8" },
		{ "CNI-", "testalongnamethatdoesnotmakesense", "1234", 28,
		  "CNI-374f33fe84ab0ed84dcdebe3" },
		{ "CNI-PREFIX-", "test", "1234", 28, "CNI-PREFIX-2bbe0c48b91a7d1b8" },
	};
	char buf[29];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *const parts[] = { cases[i].network, cases[i].container };

		memset(buf, '?', sizeof(buf));
		hashname(cases[i].prefix, parts, 2, cases[i].len, buf);
		assert_string_equal(buf, cases[i].want);
	}
}

static void strings_are_joined(void **state)
{
	static const char *const one[] = { "abc" }, *const two[] = { "a", "bc" };
	char first[132], second[132];

	(void)state;
	hashname("x", one, 1, 129, first);
	hashname("x", two, 2, 129, second);
	assert_string_equal(first, second);
	/* FIPS 180-2, appendix C.1 */
	assert_string_equal(first,
			    "xddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
			    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
	hashname("only", NULL, 0, 4, first);
	assert_string_equal(first, "only");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_the_reference),
		cmocka_unit_test(strings_are_joined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
