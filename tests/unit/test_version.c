/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cni-spec.md §5.3: versions as numbers, as texts and as families. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/scoped.h"
#include "cni/version.h"

static void ver03_numbers(void **state)
{
	static const struct {
		const char *text;
		unsigned part[3];
	} good[] = {
		{ "1.2.3", { 1, 2, 3 } }, { "", { 0, 1, 0 } },	      { "0.4", { 0, 4, 0 } },
		{ "1", { 1, 0, 0 } },	  { "1.10.0", { 1, 10, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct version_num v;

		assert_true(cni_version_parse(good[i].text, &v));
		assert_memory_equal(v.part, good[i].part, sizeof(v.part));
	}
}

static void ver03_malformed(void **state)
{
	static const char *const bad[] = { "asdfasdf",	"asdf.",  ".asdfas",   "asdf.adsf.",
					   "0.",	"..",	  "1.2.3.4.5", "1.2.3.4",
					   "1.0.0-rc1", "v1.0.0", " 1.0.0",    "1.0.0 ",
					   "-1.0.0",	"1..0",	  "1.0.",      "99999999999.0.0" };
	const struct version_num untouched = { { 7, 7, 7 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct version_num v = untouched;

		if (cni_version_parse(bad[i], &v))
			fail_msg("\"%s\" was taken for a version", bad[i]);
		assert_memory_equal(&v, &untouched, sizeof(v));
	}
}

static int compare(const char *a, const char *b)
{
	struct version_num x, y;

	assert_true(cni_version_parse(a, &x) && cni_version_parse(b, &y));
	assert_int_equal(cni_version_cmp(&x, &y), -cni_version_cmp(&y, &x));
	return cni_version_cmp(&x, &y);
}

static void ver03_order(void **state)
{
	(void)state;
	assert_true(compare("1.2.34", "1.2.14") > 0);
	assert_true(compare("2.5.4", "2.4.4") > 0);
	assert_true(compare("1.2.3", "0.2.3") > 0);
	assert_true(compare("0.4.0", "0.3.1") > 0);
	assert_true(compare("0.10.0", "0.9.0") > 0);
	assert_int_equal(compare("0.4", "0.4.0"), 0);
	assert_int_equal(compare("", "0.1.0"), 0);
}

static void ver01_only_equal_texts(void **state)
{
	static const char *const other[] = { "0.4",    "1.0",	"v1.0.0", "1.1.1", " 1.0.0",
					     "1.0.0 ", "0.9.9", "",	  "1.2.0" };
	enum cni_version v;

	(void)state;
	for (int i = 0; i < CNI_N_VERSIONS; i++) {
		assert_true(cni_version_exact(cni_version_text((enum cni_version)i), &v));
		assert_int_equal(v, i);
	}
	for (size_t i = 0; i < ARRAY_SIZE(other); i++)
		assert_false(cni_version_exact(other[i], &v));
}

static void cnv01_families(void **state)
{
	static const int family[] = { 0, 0, 1, 1, 1, 2, 2 };

	(void)state;
	for (int a = 0; a < CNI_N_VERSIONS; a++) {
		for (int b = 0; b < CNI_N_VERSIONS; b++)
			assert_int_equal(
			    cni_version_same_family((enum cni_version)a, (enum cni_version)b),
			    family[a] == family[b]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ver03_numbers),  cmocka_unit_test(ver03_malformed),
		cmocka_unit_test(ver03_order),	  cmocka_unit_test(ver01_only_equal_texts),
		cmocka_unit_test(cnv01_families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
