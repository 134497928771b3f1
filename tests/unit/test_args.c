/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CNI_ARGS: cni-spec.md ARG-03 to ARG-06, §5.2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/scoped.h"
#include "cni/skel.h"

static const char *const keys[] = { "IP", "MAC" };

static void check_value(const char *got, const char *want)
{
	if (want == NULL)
		assert_null(got);
	else
		assert_string_equal(got, want);
}

static void arg03_arg04_arg06_accepted(void **state)
{
	static const struct {
		const char *args, *ip, *mac;
	} good[] = {
		{ "", NULL, NULL },
		{ "IP=10.0.0.1", "10.0.0.1", NULL },
		{ "IP=10.0.0.1;MAC=02:00:00:00:00:01", "10.0.0.1", "02:00:00:00:00:01" },
		{ "IP=", "", NULL },
		{ "IP=a;IP=b", "b", NULL },
		{ "IP=a=b", "a=b", NULL },
		{ "IgnoreUnknown=1;K8S_POD_NAME=x;IP=a", "a", NULL },
		{ "K8S_POD_NAME=x;IgnoreUnknown=true", NULL, NULL },
		{ "K8S_POD_NAME=x;IgnoreUnknown=True", NULL, NULL },
		{ "IgnoreUnknown=0;IP=a", "a", NULL },
		{ "IgnoreUnknown=false;IgnoreUnknown=TRUE;X=y", NULL, NULL },
		{ "IgnoreUnknown=1; IP=a", NULL, NULL }, /* nothing is trimmed */
		{ "IgnoreUnknown=1;ip=a", NULL, NULL },	 /* keys are case-sensitive */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		char *values[2] = { NULL, NULL };
		struct cni_error err = { 0 };

		if (cni_args_parse(good[i].args, keys, values, 2, &err) < 0)
			fail_msg("%s: %s", good[i].args, err.msg);
		check_value(values[0], good[i].ip);
		check_value(values[1], good[i].mac);
		free(values[0]);
		free(values[1]);
	}
}

static void arg03_arg04_arg05_refused(void **state)
{
	static const struct {
		const char *args, *part;
	} bad[] = {
		{ "IP", "invalid pair \"IP\"" },
		{ "none", "invalid pair \"none\"" },
		{ "IP=a;", "invalid pair \"\"" },
		{ ";IP=a", "invalid pair \"\"" },
		{ "IP=a;;MAC=b", "invalid pair \"\"" },
		{ "K8S_POD_NAME=x", "unknown args [\"K8S_POD_NAME=x\"]" },
		{ "A=1;IP=x;B=2", "unknown args [\"A=1\" \"B=2\"]" },
		{ "IgnoreUnknown=0;Unk=nown", "unknown args [\"Unk=nown\"]" },
		{ "ignoreunknown=1", "unknown args [\"ignoreunknown=1\"]" },
		{ "IgnoreUnknown=yes", "IgnoreUnknown=yes" },
		{ "IgnoreUnknown=", "must be 1, true, 0 or false" },
		{ "IgnoreUnknown=1=1", "must be 1, true, 0 or false" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char *values[2] = { NULL, NULL };
		struct cni_error err = { 0 };

		assert_int_equal(cni_args_parse(bad[i].args, keys, values, 2, &err), -1);
		assert_int_equal(err.code, CNI_BAD_ENV);
		assert_null(values[0]);
		if (strstr(err.msg, bad[i].part) == NULL)
			fail_msg("%s: \"%s\" is missing in \"%s\"", bad[i].args, bad[i].part,
				 err.msg);
		assert_non_null(strstr(err.msg, "CNI_ARGS")); /* ERR-06 */
	}
}

static void arg04_many_unknown_are_cut_not_lost(void **state)
{
	char args[4096] = "A=1";
	char *values[2] = { NULL, NULL };
	struct cni_error err = { 0 };

	(void)state;
	for (size_t i = 3; i + 5 < sizeof(args); i += 4)
		memcpy(args + i, ";B=2", 5);
	assert_int_equal(cni_args_parse(args, keys, values, 2, &err), -1);
	assert_int_equal(err.code, CNI_BAD_ENV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arg03_arg04_arg06_accepted),
		cmocka_unit_test(arg03_arg04_arg05_refused),
		cmocka_unit_test(arg04_many_unknown_are_cut_not_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
