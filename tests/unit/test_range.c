/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/error.h"
#include "base/scoped.h"
#include "net/range.h"

struct words {
	const char *subnet, *start, *end, *gateway; /* NULL: not said */
};

static struct ip ip(const char *s)
{
	struct ip a;

	if (!ip_parse(s, &a))
		fail_msg("%s", s);
	return a;
}

static int complete(const struct words *w, struct ip_range *ret, struct cni_error *err)
{
	struct range_text in = {
		.has_start = w->start != NULL,
		.has_end = w->end != NULL,
		.has_gateway = w->gateway != NULL,
	};

	if (!ipnet_parse(w->subnet, &in.subnet))
		fail_msg("%s", w->subnet);
	if (in.has_start)
		in.start = ip(w->start);
	if (in.has_end)
		in.end = ip(w->end);
	if (in.has_gateway)
		in.gateway = ip(w->gateway);
	return range_complete(&in, ret, err);
}

static struct ip_range range(const char *subnet, const char *start, const char *end)
{
	const struct words w = { subnet, start, end, NULL };
	struct ip_range r;
	struct cni_error err;

	if (complete(&w, &r, &err) < 0)
		fail_msg("%s", err.msg);
	return r;
}

static void defaults(void **state)
{
	static const struct {
		struct words in;
		const char *range, *gateway;
	} cases[] = {
		{ { "192.0.2.0/24" }, "192.0.2.1-192.0.2.254", "192.0.2.1" },
		{ { "192.0.2.0/25" }, "192.0.2.1-192.0.2.126", "192.0.2.1" },
		{ { "192.0.2.4/30" }, "192.0.2.5-192.0.2.6", "192.0.2.5" },
		{ { "2001:db8:1::/64" },
		  "2001:db8:1::1-2001:db8:1:0:ffff:ffff:ffff:ffff",
		  "2001:db8:1::1" },
		{ { "2001:db8:1::4/126" }, "2001:db8:1::5-2001:db8:1::7", "2001:db8:1::5" },
		{ { "192.0.2.0/24", "192.0.2.40", "192.0.2.50", "192.0.2.254" },
		  "192.0.2.40-192.0.2.50",
		  "192.0.2.254" },
		{ { "192.0.2.0/24", "192.0.2.0", "192.0.2.255" },
		  "192.0.2.0-192.0.2.255",
		  "192.0.2.1" },
		{ { "192.0.2.0/24", "192.0.2.9", "192.0.2.9" },
		  "192.0.2.9-192.0.2.9",
		  "192.0.2.1" },
		{ { "192.0.2.0/24", NULL, NULL, "10.9.9.9" }, "192.0.2.1-192.0.2.254", "10.9.9.9" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cni_error err = { 0 };
		struct ip_range r;
		char text[128];

		if (complete(&cases[i].in, &r, &err) < 0)
			fail_msg("%s", err.msg);
		range_print(&r, text, sizeof(text));
		assert_string_equal(text, cases[i].range);
		ip_print(&r.gateway, text);
		assert_string_equal(text, cases[i].gateway);
	}
}

static void refused(void **state)
{
	static const struct {
		struct words in;
		const char *msg;
	} cases[] = {
		{ { "192.0.2.0/31" }, "Network 192.0.2.0/31 too small to allocate from" },
		{ { "192.0.2.1/32" }, "Network 192.0.2.1/32 too small to allocate from" },
		{ { "2001:db8::/127" }, "Network 2001:db8::/127 too small to allocate from" },
		{ { "2001:db8::/128" }, "Network 2001:db8::/128 too small to allocate from" },
		{ { "192.0.2.12/24" },
		  "Network has host bits set. For a subnet mask of length 24 the network address "
		  "is 192.0.2.0" },
		{ { "192.0.2.0/23", NULL, NULL, NULL }, NULL },
		{ { "192.0.3.0/23" },
		  "Network has host bits set. For a subnet mask of length 23 the network address "
		  "is 192.0.2.0" },
		{ { "2001:db8:1::24/64" },
		  "Network has host bits set. For a subnet mask of length 64 the network address "
		  "is 2001:db8:1::" },
		{ { "2001:db8:0:1::/63" },
		  "Network has host bits set. For a subnet mask of length 63 the network address "
		  "is 2001:db8::" },
		{ { "192.0.2.0/24", "192.0.3.0" },
		  "RangeStart 192.0.3.0 not in network 192.0.2.0/24" },
		{ { "192.0.2.0/24", NULL, "192.0.4.0" },
		  "RangeEnd 192.0.4.0 not in network 192.0.2.0/24" },
		{ { "192.0.2.0/24", "2001:db8::1" },
		  "RangeStart 2001:db8::1 not in network 192.0.2.0/24" },
		{ { "192.0.2.0/24", "192.0.2.50", "192.0.2.40" },
		  "RangeStart 192.0.2.50 not in network 192.0.2.0/24 (it is behind the end of the "
		  "range)" },
		{ { "192.0.2.0/24", "192.0.2.255" },
		  "RangeStart 192.0.2.255 not in network 192.0.2.0/24 (it is behind the end of the "
		  "range)" },
		{ { "192.0.2.0/24", NULL, "192.0.2.0" },
		  "RangeEnd 192.0.2.0 not in network 192.0.2.0/24 (it is before the start of the "
		  "range)" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cni_error err = { 0 };
		struct ip_range r;

		if (cases[i].msg == NULL) {
			assert_int_equal(complete(&cases[i].in, &r, &err), 0);
			continue;
		}
		assert_int_equal(complete(&cases[i].in, &r, &err), -1);
		assert_string_equal(err.msg, cases[i].msg);
		assert_int_equal(err.code, CNI_INVALID_CONFIG);
	}
}

static void contains(void **state)
{
	const struct ip_range r = range("192.0.2.0/24", "192.0.2.40", "192.0.2.50");
	const struct ip_range all6 = range("::/0", NULL, NULL);
	static const struct {
		const char *ip;
		bool in;
	} cases[] = {
		{ "192.0.2.40", true },	 { "192.0.2.45", true },  { "192.0.2.50", true },
		{ "192.0.2.39", false }, { "192.0.2.51", false }, { "2001:db8::1", false },
	};
	const struct ip four = ip("10.0.0.1");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct ip a = ip(cases[i].ip);

		if (range_contains(&r, &a) != cases[i].in)
			fail_msg("%s", cases[i].ip);
	}
	assert_false(range_contains(&all6, &four));
}

static void overlaps(void **state)
{
	static const struct {
		struct words a, b;
		bool overlap;
	} cases[] = {
		{ { "10.0.0.0/24" }, { "10.0.1.0/24" }, false },
		{ { "10.0.0.0/24" }, { "2001:db8::/64" }, false },
		{ { "10.0.0.0/24" }, { "10.0.0.0/24" }, true },
		{ { "10.0.0.0/20" }, { "10.0.1.0/24" }, true },
		{ { "10.0.0.0/24", NULL, "10.0.0.10" }, { "10.0.0.0/24", "10.0.0.11" }, false },
		{ { "10.0.0.0/24", NULL, "10.0.0.10" }, { "10.0.0.0/24", "10.0.0.10" }, true },
		{ { "10.0.0.0/24", "10.0.0.10", "10.0.0.20" },
		  { "10.0.0.0/24", "10.0.0.12", "10.0.0.14" },
		  true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct ip_range a =
		    range(cases[i].a.subnet, cases[i].a.start, cases[i].a.end);
		const struct ip_range b =
		    range(cases[i].b.subnet, cases[i].b.start, cases[i].b.end);
		const struct range_set one = { 1, (struct ip_range *)&a };
		const struct range_set other = { 1, (struct ip_range *)&b };

		assert_int_equal(range_overlaps(&a, &b), cases[i].overlap);
		assert_int_equal(range_overlaps(&b, &a), cases[i].overlap);
		assert_int_equal(range_set_overlaps(&one, &other), cases[i].overlap);
	}
}

static void sets(void **state)
{
	struct ip_range good[] = { range("10.1.2.0/24", NULL, NULL),
				   range("10.2.2.0/24", NULL, NULL) };
	struct ip_range mixed[] = { good[0], range("2001:db8::/64", NULL, NULL) };
	struct ip_range same[] = { range("10.1.0.0/22", NULL, NULL), good[1],
				   range("10.1.2.0/24", NULL, NULL) };
	const struct range_set set = { 2, good }, none = { 0, NULL };
	const struct range_set one_bad = { 2, mixed }, other_bad = { 3, same };
	const struct ip in = ip("10.2.2.77"), out = ip("10.3.2.77");
	struct cni_error err = { 0 };
	char text[128], small[10];

	(void)state;
	assert_int_equal(range_set_check(&set, &err), 0);
	assert_int_equal(range_set_check(&none, &err), -1);
	assert_string_equal(err.msg, "empty range set");
	assert_int_equal(range_set_check(&one_bad, &err), -1);
	assert_string_equal(err.msg, "mixed address families");
	assert_int_equal(err.code, CNI_INVALID_CONFIG);
	assert_int_equal(range_set_check(&other_bad, &err), -1);
	assert_string_equal(err.msg, "subnets 10.1.0.1-10.1.3.254 and 10.1.2.1-10.1.2.254 overlap");
	range_set_print(&set, text, sizeof(text));
	assert_string_equal(text, "10.1.2.1-10.1.2.254,10.2.2.1-10.2.2.254");
	range_set_print(&set, small, sizeof(small));
	assert_string_equal(small, "10.1.2.1-");
	assert_ptr_equal(range_set_find(&set, &in), &good[1]);
	assert_null(range_set_find(&set, &out));
}

/* What a walk gives: last octets after the set's prefix, in order. */
static void walk(const struct range_set *set, const char *last, const char *want)
{
	struct ip from = { { 0 } }, a;
	const struct ip_range *r;
	struct range_iter it;
	char got[512] = "", text[IP_TEXT];

	if (last != NULL)
		from = ip(last);
	range_iter_init(&it, set, last != NULL ? &from : NULL);
	while (range_iter_next(&it, &a, &r)) {
		assert_true(range_contains(r, &a));
		ip_print(&a, text);
		assert_true(strlen(got) + strlen(text) + 2 < sizeof(got));
		strncat(got, text, sizeof(got) - strlen(got) - 1);
		strncat(got, " ", sizeof(got) - strlen(got) - 1);
	}
	assert_string_equal(got, want);
}

static void iterate(void **state)
{
	struct ip_range one = range("10.0.0.0/29", NULL, NULL),
			tiny = range("10.0.0.0/30", NULL, NULL);
	struct ip_range three[] = { tiny, range("10.0.1.0/30", NULL, NULL),
				    range("10.0.2.0/30", NULL, NULL) };
	struct ip_range gw = range("10.0.0.0/29", "10.0.0.1", "10.0.0.1");
	struct ip_range whole = range("10.0.0.0/29", "10.0.0.5", "10.0.0.7");
	const struct range_set set = { 1, &one }, small = { 1, &tiny }, all = { 3, three };
	const struct range_set only_gw = { 1, &gw }, none = { 0, NULL }, end = { 1, &whole };

	(void)state;
	walk(&set, NULL, "10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 ");
	walk(&set, "10.0.0.6", "10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 ");
	walk(&set, "10.0.0.3", "10.0.0.4 10.0.0.5 10.0.0.6 10.0.0.2 10.0.0.3 ");
	walk(&set, "10.0.0.1", "10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 ");
	walk(&set, "10.0.5.9", "10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 ");
	walk(&set, "2001:db8::1", "10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 ");
	walk(&small, NULL, "10.0.0.2 ");
	walk(&small, "10.0.0.2", "10.0.0.2 ");
	walk(&all, NULL, "10.0.0.2 10.0.1.2 10.0.2.2 ");
	walk(&all, "10.0.0.2", "10.0.1.2 10.0.2.2 10.0.0.2 ");
	walk(&all, "10.0.2.2", "10.0.0.2 10.0.1.2 10.0.2.2 ");
	walk(&only_gw, NULL, "");
	walk(&none, NULL, "");
	walk(&end, "10.0.0.6", "10.0.0.7 10.0.0.5 10.0.0.6 ");
}

static void iterate_six(void **state)
{
	struct ip_range r = range("2001:db8::/126", NULL, NULL),
			end = range("ffff::/16", NULL, NULL);
	const struct range_set set = { 1, &r }, top = { 1, &end };
	const struct ip last = end.end, first = ip("ffff::2");
	const struct ip_range *in;
	struct range_iter it;
	struct ip a;

	(void)state;
	walk(&set, NULL, "2001:db8::2 2001:db8::3 ");
	/* The last address there is: no running past the end. */
	range_iter_init(&it, &top, &last);
	assert_true(range_iter_next(&it, &a, &in));
	assert_true(ip_equal(&a, &first));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),    cmocka_unit_test(refused),
		cmocka_unit_test(contains),    cmocka_unit_test(overlaps),
		cmocka_unit_test(sets),	       cmocka_unit_test(iterate),
		cmocka_unit_test(iterate_six),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
