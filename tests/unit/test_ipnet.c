/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/scoped.h"
#include "net/ipnet.h"

static struct ipnet net(const char *s)
{
	struct ipnet n;

	if (!ipnet_parse(s, &n))
		fail_msg("%s", s);
	return n;
}

static void parse_and_print(void **state)
{
	static const struct {
		const char *in, *out; /* NULL: refused */
	} cases[] = {
		{ "10.1.2.3/24", "10.1.2.3/24" },
		{ "0.0.0.0/0", "0.0.0.0/0" },
		{ "10.1.2.3/32", "10.1.2.3/32" },
		{ "::/0", "::/0" },
		{ "2001:DB8::/64", "2001:db8::/64" },
		{ "fd00::ac:00/118", "fd00::ac:0/118" },
		{ "::1/128", "::1/128" },
		{ "::ffff:10.0.0.0/104", "10.0.0.0/8" },
		{ "10.1.2.3/33", NULL },
		{ "::/129", NULL },
		{ "::ffff:10.0.0.0/95", NULL },
		{ "10.1.2.3", NULL },
		{ "10.1.2.3/", NULL },
		{ "10.1.2.3/024", NULL },
		{ "10.1.2.3/+8", NULL },
		{ "10.1.2.3/-1", NULL },
		{ "10.1.2.3/8 ", NULL },
		{ "10.1.2.3/8/8", NULL },
		{ "10.1.2.3/255.255.255.0", NULL },
		{ "10.1.2/24", NULL },
		{ "/24", NULL },
		{ "", NULL },
		{ "1111:1111:1111:1111:1111:1111:1111:1111:1111:1111/64", NULL },
		{ "10.1.2.3/18446744073709551624", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ipnet n = { .len = 77 };
		char text[IPNET_TEXT];

		if (ipnet_parse(cases[i].in, &n) != (cases[i].out != NULL))
			fail_msg("\"%s\"", cases[i].in);
		if (cases[i].out == NULL) {
			assert_int_equal(n.len, 77); /* untouched */
			continue;
		}
		ipnet_print(&n, text);
		assert_string_equal(text, cases[i].out);
	}
}

static void bounds(void **state)
{
	static const struct {
		const char *in, *network, *last;
	} cases[] = {
		{ "10.1.2.3/24", "10.1.2.0", "10.1.2.255" },
		{ "10.1.2.3/25", "10.1.2.0", "10.1.2.127" },
		{ "10.1.2.131/25", "10.1.2.128", "10.1.2.255" },
		{ "10.1.2.3/31", "10.1.2.2", "10.1.2.3" },
		{ "10.1.2.3/32", "10.1.2.3", "10.1.2.3" },
		{ "10.1.2.3/0", "0.0.0.0", "255.255.255.255" },
		{ "10.1.2.3/9", "10.0.0.0", "10.127.255.255" },
		{ "2001:db8::5/64", "2001:db8::", "2001:db8::ffff:ffff:ffff:ffff" },
		{ "2001:db8::5/63", "2001:db8::", "2001:db8:0:1:ffff:ffff:ffff:ffff" },
		{ "::5/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
		{ "::5/128", "::5", "::5" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct ipnet n = net(cases[i].in), masked = ipnet_masked(&n);
		const struct ip first = ipnet_network(&n), last = ipnet_last(&n);
		char text[IP_TEXT];

		ip_print(&first, text);
		assert_string_equal(text, cases[i].network);
		ip_print(&last, text);
		assert_string_equal(text, cases[i].last);
		assert_true(ip_equal(&masked.addr, &first));
		assert_int_equal(masked.len, n.len);
	}
}

static void contains(void **state)
{
	static const struct {
		const char *net, *ip;
		bool in;
	} cases[] = {
		{ "10.1.2.0/24", "10.1.2.0", true },
		{ "10.1.2.0/24", "10.1.2.255", true },
		{ "10.1.2.0/24", "10.1.3.0", false },
		{ "10.1.2.77/24", "10.1.2.1", true },
		{ "10.1.2.0/25", "10.1.2.128", false },
		{ "10.1.2.0/25", "10.1.2.127", true },
		{ "0.0.0.0/0", "255.1.1.1", true },
		{ "0.0.0.0/0", "::1", false },
		{ "::/0", "10.1.2.3", false },
		{ "::/0", "ff::", true },
		{ "10.1.2.3/32", "10.1.2.3", true },
		{ "10.1.2.3/32", "10.1.2.2", false },
		{ "2001:db8::/61", "2001:db8:0:7::", true },
		{ "2001:db8::/61", "2001:db8:0:8::", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct ipnet n = net(cases[i].net);
		struct ip a;

		assert_true(ip_parse(cases[i].ip, &a));
		if (ipnet_contains(&n, &a) != cases[i].in)
			fail_msg("%s %s", cases[i].net, cases[i].ip);
	}
}

static void overlaps(void **state)
{
	static const struct {
		const char *a, *b;
		bool overlap;
	} cases[] = {
		{ "10.1.0.0/16", "10.1.2.0/24", true },	  { "10.1.0.0/16", "10.2.0.0/16", false },
		{ "10.1.0.0/16", "10.1.0.0/16", true },	  { "0.0.0.0/0", "::/0", false },
		{ "::/0", "2001:db8::/32", true },	  { "10.1.2.0/25", "10.1.2.128/25", false },
		{ "10.1.2.200/24", "10.1.2.1/25", true }, { "::/0", "10.0.0.0/8", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct ipnet a = net(cases[i].a), b = net(cases[i].b);

		if (ipnet_overlaps(&a, &b) != cases[i].overlap ||
		    ipnet_overlaps(&b, &a) != cases[i].overlap)
			fail_msg("%s %s", cases[i].a, cases[i].b);
	}
}

static void lengths(void **state)
{
	const struct ipnet four = net("10.1.2.3/24"), six = net("fd00::1/64");
	struct ipnet n;

	(void)state;
	assert_int_equal(four.len, 120);
	assert_int_equal(ipnet_plen(&four), 24);
	assert_int_equal(ipnet_plen(&six), 64);
	n = ipnet_make(&four.addr, 24);
	assert_true(ipnet_equal(&n, &four));
	n = ipnet_make(&six.addr, 64);
	assert_true(ipnet_equal(&n, &six));
	n = ipnet_make(&six.addr, 65);
	assert_false(ipnet_equal(&n, &six));
	n = ipnet_host(&four.addr);
	assert_int_equal(ipnet_plen(&n), 32);
	n = ipnet_host(&six.addr);
	assert_int_equal(ipnet_plen(&n), 128);
	assert_false(ipnet_is_default(&four));
	n = net("0.0.0.0/0");
	assert_true(ipnet_is_default(&n));
	n = net("::/0");
	assert_true(ipnet_is_default(&n));
	n = net("::/96");
	assert_false(ipnet_is_default(&n));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_and_print), cmocka_unit_test(bounds),
		cmocka_unit_test(contains),	   cmocka_unit_test(overlaps),
		cmocka_unit_test(lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
