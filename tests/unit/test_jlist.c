/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists that are decoded an element at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "conf/jlist.h"

struct sum {
	json_int_t total;
	size_t n;
};

static int add(const json_t *value, size_t idx, void *arg, struct cni_error *err)
{
	struct sum *sum = arg;

	if (idx != sum->n)
		return cni_fail(err, CNI_INTERNAL, "element %zu is given as %zu", sum->n, idx);
	if (!json_is_integer(value) && !json_is_object(value))
		return cni_fail(err, CNI_DECODE, "[%zu]: no number", idx);
	sum->total += json_is_object(value) ? json_integer_value(json_object_get(value, "n"))
					    : json_integer_value(value);
	sum->n++;
	return 0;
}

static int load(const char *text, struct sum *sum, struct cni_error *err)
{
	const struct jconf_list list = { .max = 3, .each = add, .arg = sum };

	*sum = (struct sum){ .n = 0 };
	*err = (struct cni_error){ .code = 0 };
	return jconf_load_list(text, strlen(text), "the list", &list, err);
}

static void elements_in_order(void **state)
{
	static const struct {
		const char *text;
		json_int_t total;
		size_t n;
	} cases[] = {
		{ "[]", 0, 0 },
		{ " [ ]\n", 0, 0 },
		{ "[1]", 1, 1 },
		{ "[1,2,3]", 6, 3 },
		{ "\t[ 10 ,\r\n 20 ]\n\n", 30, 2 },
		{ "[{\"n\": 5, \"x\": [[1], {}]}, 6]", 11, 2 },
	};
	struct cni_error err;
	struct sum sum;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(load(cases[i].text, &sum, &err), 0);
		assert_int_equal(sum.total, cases[i].total);
		assert_int_equal(sum.n, cases[i].n);
	}
}

static void refusals_name_the_place(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *msg;
	} cases[] = {
		{ "", CNI_DECODE, "the list: line 1, column 1: expected a list: [ ... ]" },
		{ "{\"n\": 1}", CNI_DECODE,
		  "the list: line 1, column 1: expected a list: [ ... ]" },
		{ "[1", CNI_DECODE, "the list: line 1, column 3: ',' or ']' expected" },
		{ "[1 2]", CNI_DECODE, "the list: line 1, column 4: ',' or ']' expected" },
		{ "[1]]", CNI_DECODE, "the list: line 1, column 4: end of file expected" },
		{ "[1]\n\n[2]", CNI_DECODE, "the list: line 3, column 1: end of file expected" },
		{ "[1, \"x\"]", CNI_DECODE, "[1]: no number" },
		{ "[1,2,3,4]", CNI_INVALID_CONFIG,
		  "the list: the list has more than 3 elements, which are not allowed" },
	};
	struct cni_error err;
	struct sum sum;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(load(cases[i].text, &sum, &err), -1);
		assert_int_equal(err.code, cases[i].code);
		assert_string_equal(err.msg, cases[i].msg);
	}
}

/* In jansson's words, with the line counted from the beginning of the file. */
static void broken_elements(void **state)
{
	static const char *const cases[] = { "[1,\n {\"n\" 2}]", "[1,\n]", "[1,\n nul]",
					     "[1,\n {\"n\": 2, \"n\": }]" };
	struct cni_error err;
	struct sum sum;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(load(cases[i], &sum, &err), -1);
		assert_int_equal(err.code, CNI_DECODE);
		assert_non_null(strstr(err.msg, "the list: line 2, column "));
		assert_int_equal(sum.n, 1);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_in_order),
		cmocka_unit_test(refusals_name_the_place),
		cmocka_unit_test(broken_elements),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
