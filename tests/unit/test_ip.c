/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>

#include "base/scoped.h"
#include "net/ip.h"

static struct ip ip(const char *s)
{
	struct ip a;

	if (!ip_parse(s, &a))
		fail_msg("%s", s);
	return a;
}

/* Text in, canonical text out; NULL: refused. */
static const struct {
	const char *in, *out;
} texts[] = {
	{ "0.0.0.0", "0.0.0.0" },
	{ "10.1.2.3", "10.1.2.3" },
	{ "255.255.255.255", "255.255.255.255" },
	{ "10.1.2", NULL },
	{ "10.1.2.3.4", NULL },
	{ "10.1.2.", NULL },
	{ "10.1.2.03", NULL },
	{ "10.1.2.256", NULL },
	{ "10.1.2.3 ", NULL },
	{ " 10.1.2.3", NULL },
	{ "10.1.2.3/24", NULL },
	{ "0x0a.1.2.3", NULL },
	{ "", NULL },
	{ ".", NULL },
	{ "::", "::" },
	{ "::1", "::1" },
	{ "1::", "1::" },
	{ "2001:DB8::1", "2001:db8::1" },
	{ "2001:db8:0:0:0:0:0:1", "2001:db8::1" },
	{ "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1" },
	{ "2001:0:0:1:0:0:0:1", "2001:0:0:1::1" },
	{ "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1" },
	{ "0:0:1:2:3:4:5:6", "::1:2:3:4:5:6" },
	{ "1:2:3:4:5:6:0:0", "1:2:3:4:5:6::" },
	{ "1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7:0" },
	{ "fd00::ac:00", "fd00::ac:0" },
	{ "fe80::0001", "fe80::1" },
	{ "::ffff:1.2.3.4", "1.2.3.4" },
	{ "::ffff:102:304", "1.2.3.4" },
	{ "::1.2.3.4", "::102:304" },
	{ "::fffe:1.2.3.4", "::fffe:102:304" },
	{ "64:ff9b::192.0.2.1", "64:ff9b::c000:201" },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	{ "1:2:3:4:5:6:7", NULL },
	{ "1:2:3:4:5:6:7:8:9", NULL },
	{ "1:2:3:4::5:6:7:8", NULL },
	{ "1::2::3", NULL },
	{ ":::", NULL },
	{ ":1::2", NULL },
	{ "1:", NULL },
	{ "12345::", NULL },
	{ "fe80::1%eth0", NULL },
	{ "[::1]", NULL },
	{ "::ffff:1.2.3", NULL },
	{ "::ffff:01.2.3.4", NULL },
	{ "::g", NULL },
};

static void parse_and_print(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct ip a = { { 42 } };
		char text[IP_TEXT];

		if (ip_parse(texts[i].in, &a) != (texts[i].out != NULL))
			fail_msg("\"%s\"", texts[i].in);
		if (texts[i].out == NULL) {
			assert_int_equal(a.b[0], 42); /* untouched */
			continue;
		}
		ip_print(&a, text);
		assert_string_equal(text, texts[i].out);
	}
}

static void bytes(void **state)
{
	static const uint8_t four[] = { 10, 1, 2, 3 };
	const struct ip six = ip("2001:db8::1");
	struct ip a = ip_from_bytes(four, sizeof(four));
	const struct ip want = ip("10.1.2.3");
	size_t len;

	(void)state;
	assert_true(ip_equal(&a, &want));
	assert_true(ip_is4(&a));
	assert_int_equal(ip_family(&a), AF_INET);
	assert_memory_equal(ip_bytes(&a, &len), four, 4);
	assert_int_equal(len, 4);
	a = ip_from_bytes(ip_bytes(&six, &len), 16);
	assert_int_equal(len, 16);
	assert_true(ip_equal(&a, &six));
	assert_false(ip_is4(&a));
	assert_int_equal(ip_family(&a), AF_INET6);
}

static void next_and_prev(void **state)
{
	static const struct {
		const char *a, *b;
	} neighbours[] = {
		{ "10.1.2.3", "10.1.2.4" },
		{ "10.1.2.255", "10.1.3.0" },
		{ "10.255.255.255", "11.0.0.0" },
		{ "2001:db8::ffff", "2001:db8::1:0" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(neighbours); i++) {
		const struct ip a = ip(neighbours[i].a), b = ip(neighbours[i].b);
		const struct ip next = ip_next(&a), prev = ip_prev(&b);

		assert_true(ip_equal(&next, &b));
		assert_true(ip_equal(&prev, &a));
	}
}

static void order(void **state)
{
	static const char *const sorted[] = {
		"::", "::1", "9.255.255.255", "10.0.0.2", "10.0.0.10", "64:ff9b::", "2001:db8::",
	};

	(void)state;
	for (size_t i = 0; i + 1 < ARRAY_SIZE(sorted); i++) {
		const struct ip a = ip(sorted[i]), b = ip(sorted[i + 1]);

		assert_true(ip_cmp(&a, &b) < 0);
		assert_true(ip_cmp(&b, &a) > 0);
		assert_int_equal(ip_cmp(&a, &a), 0);
		assert_false(ip_equal(&a, &b));
	}
}

enum kind { UNSPECIFIED = 1, LOOPBACK = 2, LINK_LOCAL = 4, MULTICAST = 8 };

static void kinds(void **state)
{
	static const struct {
		const char *in;
		unsigned kinds;
	} cases[] = {
		{ "0.0.0.0", UNSPECIFIED },
		{ "::", UNSPECIFIED },
		{ "0.0.0.1", 0 },
		{ "127.0.0.1", LOOPBACK },
		{ "127.255.0.1", LOOPBACK },
		{ "128.0.0.1", 0 },
		{ "::1", LOOPBACK },
		{ "::2", 0 },
		{ "169.254.1.1", LINK_LOCAL },
		{ "169.253.1.1", 0 },
		{ "170.254.1.1", 0 },
		{ "fe80::1", LINK_LOCAL },
		{ "febf::1", LINK_LOCAL },
		{ "fec0::1", 0 },
		{ "224.0.0.1", MULTICAST },
		{ "239.1.1.1", MULTICAST },
		{ "240.0.0.1", 0 },
		{ "223.255.255.255", 0 },
		{ "ff02::1", MULTICAST },
		{ "fe00::1", 0 },
		{ "10.0.0.1", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct ip a = ip(cases[i].in);
		unsigned found = (ip_is_unspecified(&a) ? UNSPECIFIED : 0U) |
				 (ip_is_loopback(&a) ? LOOPBACK : 0U) |
				 (ip_is_link_local(&a) ? LINK_LOCAL : 0U) |
				 (ip_is_multicast(&a) ? MULTICAST : 0U);

		if (found != cases[i].kinds)
			fail_msg("%s: %u", cases[i].in, found);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_and_print), cmocka_unit_test(bytes),
		cmocka_unit_test(next_and_prev),   cmocka_unit_test(order),
		cmocka_unit_test(kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
