/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/error.h"

static void raise_one(void **state)
{
	struct cni_error err = { .sys = 5, .details = "old" };

	(void)state;
	assert_int_equal(cni_fail(&err, CNI_DECODE, "key \"%s\": %d", "mtu", 7), -1);
	assert_int_equal(err.code, CNI_DECODE);
	assert_int_equal(err.sys, 0);
	assert_string_equal(err.msg, "key \"mtu\": 7");
	assert_string_equal(err.details, "");
}

static void system_calls(void **state)
{
	struct cni_error err;

	(void)state;
	assert_int_equal(cni_fail_sys(&err, EPERM, "open %s", "x"), -1);
	assert_int_equal(err.code, CNI_KERNEL);
	assert_int_equal(err.sys, EPERM);
	assert_string_equal(err.msg, "open x: Operation not permitted");
	assert_int_equal(cni_fail_sys_code(&err, CNI_IO, ENOSPC, "write"), -1);
	assert_int_equal(err.code, CNI_IO);
	assert_int_equal(err.sys, ENOSPC);
	assert_string_equal(err.msg, "write: No space left on device");
}

static void wrap(void **state)
{
	struct cni_error err;

	(void)state;
	(void)!cni_fail_sys(&err, EBUSY, "create veth0");
	cni_details(&err, "the kernel says %s", "no");
	assert_int_equal(cni_wrap(&err, "attach %s", "c1"), -1);
	assert_string_equal(err.msg, "attach c1: create veth0: Device or resource busy");
	assert_int_equal(err.sys, EBUSY);
	assert_int_equal(err.code, CNI_KERNEL);
	assert_string_equal(err.details, "the kernel says no");
}

static void too_long(void **state)
{
	char big[4000];
	struct cni_error err;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	(void)!cni_fail_sys(&err, EPERM, "%s", big);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	(void)!cni_wrap(&err, "outer");
	assert_memory_equal(err.msg, "outer: xxx", 10);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	cni_details(&err, "%s", big);
	assert_int_equal(strlen(err.details), sizeof(err.details) - 1);
}

static void one_line(void **state)
{
	struct cni_error err;

	(void)state;
	(void)!cni_fail(&err, CNI_IO, "file \"%s\"", "a\nb\x7f\xc3\xbc\t");
	assert_string_equal(err.msg, "file \"a?b?\xc3\xbc?\"");
	(void)!cni_wrap(&err, "%s", "x\ry");
	assert_string_equal(err.msg, "x?y: file \"a?b?\xc3\xbc?\"");
}

static void clear(void **state)
{
	struct cni_error err;

	(void)state;
	(void)!cni_fail_sys(&err, EPERM, "x");
	cni_details(&err, "y");
	cni_clear(&err);
	assert_int_equal(err.code, CNI_OK);
	assert_int_equal(err.sys, 0);
	assert_string_equal(err.msg, "");
	assert_string_equal(err.details, "");
}

static void keep_first(void **state)
{
	struct cni_error first = { 0 }, step;

	(void)state;
	(void)!cni_fail(&step, CNI_IO, "one");
	cni_details(&step, "why one");
	cni_keep_first(&first, &step);
	(void)!cni_fail(&step, CNI_KERNEL, "two");
	cni_keep_first(&first, &step);
	(void)!cni_fail(&step, CNI_KERNEL, "three");
	cni_keep_first(&first, &step);
	assert_int_equal(first.code, CNI_IO);
	assert_string_equal(first.msg, "one");
	assert_string_equal(first.details, "why one; also: two; also: three");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(raise_one),  cmocka_unit_test(system_calls),
		cmocka_unit_test(wrap),	      cmocka_unit_test(too_long),
		cmocka_unit_test(clear),      cmocka_unit_test(one_line),
		cmocka_unit_test(keep_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
