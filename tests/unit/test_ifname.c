/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/scoped.h"
#include "net/ifname.h"

static void problems(void **state)
{
	static const struct {
		const char *name, *problem; /* NULL: valid; else a word of it */
	} cases[] = {
		{ "eth0", NULL },
		{ "a", NULL },
		{ "123456789012345", NULL },
		{ "...", NULL },
		{ "eth0.100@x", NULL },
		{ "\xc3\xbc", NULL },	  /* u umlaut */
		{ "\xe2\x80\x8b", NULL }, /* zero width space: no white space in Unicode */
		{ "", "empty" },
		{ "1234567890123456", "longer" },
		{ "\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc", "longer" },
		{ ".", "folder" },
		{ "..", "folder" },
		{ "a/b", "'/'" },
		{ "eth0:1", "':'" },
		{ "eth%d", "'%'" },
		{ "eth 0", "white space" },
		{ "eth0\n", "white space" },
		{ "\teth0", "white space" },
		{ "a\vb", "white space" },
		{ "a\fb", "white space" },
		{ "a\rb", "white space" },
		{ "a\xc2\xa0", "white space" },	    /* U+00A0 */
		{ "a\xc2\x85", "white space" },	    /* U+0085 */
		{ "a\xe1\x9a\x80", "white space" }, /* U+1680 */
		{ "a\xe2\x80\x83", "white space" }, /* U+2003 */
		{ "a\xe2\x80\xa8", "white space" }, /* U+2028 */
		{ "a\xe2\x80\xaf", "white space" }, /* U+202F */
		{ "a\xe2\x81\x9f", "white space" }, /* U+205F */
		{ "a\xe3\x80\x80", "white space" }, /* U+3000 */
		{ "\xc3\xa0", "white space" },	    /* a grave: the kernel refuses the byte 0xa0 */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *found = ifname_problem(cases[i].name);

		if ((found == NULL) != (cases[i].problem == NULL))
			fail_msg("\"%s\": %s", cases[i].name, found);
		if (found != NULL)
			assert_non_null(strstr(found, cases[i].problem));
	}
}

/* Fixed vectors: nodes with running pods depend on these names. */
static void host_veth(void **state)
{
	static const struct {
		struct owner owner;
		const char *name;
	} cases[] = {
		{ { "net", "c1", "eth0" }, "vethws3fmvihdrs" },
		{ { "net", "c1", "eth1" }, "vethvraqc6fdyzm" },
		{ { "net2", "c1", "eth0" }, "vethchlcq52eajs" },
		{ { "netc", "1", "eth0" }, "vethxn5mkh4dxg2" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char name[IFNAME_MAX];

		ifname_host_veth(&cases[i].owner, name);
		assert_string_equal(name, cases[i].name);
		assert_null(ifname_problem(name));
	}
}

static void owners(void **state)
{
	const struct owner a = { "net", "c1", "eth0" }, same = { "net", "c1", "eth0" };
	const struct owner others[] = {
		{ "net", "c1", "eth1" },
		{ "net", "c2", "eth0" },
		{ "nets", "c1", "eth0" },
	};

	(void)state;
	assert_true(owner_equal(&a, &same));
	assert_true(owner_hash(&a) == owner_hash(&same));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		assert_false(owner_equal(&a, &others[i]));
		assert_true(owner_hash(&a) != owner_hash(&others[i]));
	}
}

static void fill(char *buf, size_t len, char c)
{
	memset(buf, c, len);
	buf[len] = '\0';
}

/* Around the kernel's limit: whole up to 255 bytes, then cut and hashed. */
static void alias(void **state)
{
	char container[301], buf[IFALIAS_TEXT], whole[400];
	struct owner o = { "net", container, "eth0" };

	(void)state;
	for (size_t len = 1; len <= 300; len++) {
		fill(container, len, 'c');
		ifname_alias(&o, buf);
		(void)snprintf(whole, sizeof(whole), "podwire net %s eth0", container);
		assert_true(strlen(buf) <= 255);
		if (strlen(whole) <= 255) {
			assert_string_equal(buf, whole);
			continue;
		}
		assert_int_equal(strlen(buf), 255);
		assert_memory_equal(buf, "podwire net ccc", 15);
		assert_non_null(strstr(buf, "cc eth0 #"));
		assert_int_equal(strlen(strchr(buf, '#')), 17);
		assert_true(ifname_alias_of_network(buf, "net"));
	}
}

static void alias_tells_long_owners_apart(void **state)
{
	char one[301], other[301], a[IFALIAS_TEXT], b[IFALIAS_TEXT];
	const struct owner o1 = { "net", one, "eth0" }, o2 = { "net", other, "eth0" };

	(void)state;
	fill(one, 300, 'c');
	fill(other, 300, 'c');
	other[299] = 'd';
	ifname_alias(&o1, a);
	ifname_alias(&o2, b);
	assert_string_not_equal(a, b);
}

static void alias_of_network(void **state)
{
	char network[301], other[301], buf[IFALIAS_TEXT];
	const struct owner o = { network, "c1", "eth0" };

	(void)state;
	assert_true(ifname_alias_of_network("podwire net c1 eth0", "net"));
	assert_false(ifname_alias_of_network("podwire network c1 eth0", "net"));
	assert_false(ifname_alias_of_network("podwire ne c1 eth0", "net"));
	assert_false(ifname_alias_of_network("net c1 eth0", "net"));
	assert_false(ifname_alias_of_network("", "net"));
	for (size_t len = 190; len <= 300; len++) {
		fill(network, len, 'n');
		fill(other, len, 'n');
		other[len - 1] = 'm';
		ifname_alias(&o, buf);
		assert_true(ifname_alias_of_network(buf, network));
		assert_false(ifname_alias_of_network(buf, other));
		assert_non_null(strstr(buf, " c1 eth0"));
	}
}

static void alias_of_the_longest(void **state)
{
	char network[301], container[301], buf[IFALIAS_TEXT];
	const struct owner o = { network, container, "123456789012345" };

	(void)state;
	fill(network, 300, 'n');
	fill(container, 300, 'c');
	ifname_alias(&o, buf);
	assert_int_equal(strlen(buf), 255);
	assert_non_null(strstr(buf, "cc 123456789012345 #"));
	assert_true(ifname_alias_of_network(buf, network));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(problems),
		cmocka_unit_test(host_veth),
		cmocka_unit_test(owners),
		cmocka_unit_test(alias),
		cmocka_unit_test(alias_of_network),
		cmocka_unit_test(alias_of_the_longest),
		cmocka_unit_test(alias_tells_long_owners_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
