/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conditionsV4/V6: iptables' spellings to nft's, and what is refused before nft sees it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/scoped.h"
#include "nft/conditions.h"
#include "nft/conditions_text.h"

#define WORDS 8

static size_t count(const char *const *words)
{
	size_t n = 0;

	while (n < WORDS && words[n] != NULL)
		n++;
	return n;
}

static void accepted(void **state)
{
	static const struct {
		const char *key, *words[WORDS], *text;
	} cases[] = {
		{ "conditionsV4", { "-s", "1.2.3.4" }, "ip saddr { 1.2.3.4 } " },
		{ "conditionsV4", { "!", "-s", "1.2.3.4" }, "ip saddr != { 1.2.3.4 } " },
		{ "conditionsV4",
		  { "-d", "1.2.3.0/24,5.6.7.8" },
		  "ip daddr { 1.2.3.0/24, 5.6.7.8 } " },
		{ "conditionsV6", { "--source", "2001:db8::/32" }, "ip6 saddr { 2001:db8::/32 } " },
		{ "conditionsV4",
		  { "-i", "eth0", "!", "-p", "TCP" },
		  "iifname \"eth0\" meta l4proto != tcp " },
		{ "conditionsV4", { "-i", "eth+" }, "iifname \"eth*\" " },
		{ "conditionsV4", { "-i", "+" }, "" },
		{ "conditionsV4", { "-p", "all" }, "" },
		{ "conditionsV4", { "-p", "132" }, "meta l4proto 132 " },
		{ "conditionsV4",
		  { "ip", "daddr", "!=", "{ 127.0.0.0/8, 198.19.254.254 }" },
		  "ip daddr != { 127.0.0.0/8, 198.19.254.254 } " },
		{ "conditionsV4", { "-i", "drop" }, "iifname \"drop\" " },
		{ "conditionsV4",
		  { "iifname \"set\" ip saddr @set" },
		  "iifname \"set\" ip saddr @set " },
		{ "conditionsV4", { "icmpv6 type nd-redirect" }, "icmpv6 type nd-redirect " },
		{ "conditionsV6", { "ip6 saddr ::add:1" }, "ip6 saddr ::add:1 " },
		{ "conditionsV6", { "ip6 saddr fe80::add" }, "ip6 saddr fe80::add " },
		{ "conditionsV4", { "limit rate 10/second" }, "limit rate 10/second " },
		{ "conditionsV4", { "iifname \"a b\"" }, "iifname \"a b\" " },
		{ "conditionsV4", { "ip saddr {", "1.2.3.4", "}" }, "ip saddr { 1.2.3.4 } " },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char buf[CONDITIONS_TEXT];
		struct cni_error err;
		struct text t;

		text_init(&t, buf, sizeof(buf));
		if (conditions_text(cases[i].key, cases[i].words, count(cases[i].words), &t, &err) <
		    0)
			fail_msg("%s", err.msg);
		assert_string_equal(buf, cases[i].text);
	}
}

static void refused(void **state)
{
	static const struct {
		const char *words[WORDS], *why;
	} cases[] = {
		{ { "ip saddr 1.2.3.4; drop" }, "conditionsV4[0]" },
		{ { "ip", "saddr", "1.2.3.4", ";" }, "conditionsV4[3]" },
		{ { "ip saddr 1.2.3.4 # rest" }, "would end the rule" },
		{ { "ip saddr 1.2.3.4\ndrop" }, "control character" },
		{ { "a\x7f" }, "control character" },
		{ { "}", "{" }, "closes a brace" },
		{ { "{ 1.2.3.4" }, "is not closed" },
		{ { "iifname \"x" }, "quotation" },
		{ { "tcp", "dport", "vmap", "{ 80 : drop }" }, "conditionsV4[2]: \"vmap\" does" },
		{ { "{80:drop}" }, "\"drop\" does" },
		{ { "meta mark set 1" }, "conditionsV4[0]: \"set\" does" },
		{ { "iifname \"set\" Accept" }, "\"accept\" does" },
		{ { "tcp dport 80accept" }, "\"accept\" does" },
		{ { "ip6 saddr ::aqueue" }, "\"queue\" does" },
		{ { "counter" }, "\"counter\" does" },
		{ { "add @set { 1.2.3.4 }" }, "\"add\" does" },
		{ { "-s" }, "is not followed by a value" },
		{ { "!" }, "is not followed by a value" },
		{ { "!", "-s" }, "is not followed by a value" },
		{ { "-s", "::1" }, "is not an IPv4 address" },
		{ { "-s", "1.2.3.4/255.255.255.0" }, "is not an IPv4 address" },
		{ { "-s", "1.2.3.4," }, "is not an IPv4 address" },
		{ { "-s", "" }, "is not an IPv4 address" },
		{ { "-s", "localhost" }, "is not an IPv4 address" },
		{ { "-i", "a\\b" }, "is not an interface" },
		{ { "-i", "" }, "is not an interface" },
		{ { "-p", "tcpp" }, "is not a protocol" },
		{ { "-p", "256" }, "is not a protocol" },
		{ { "-m", "comment" }, "\"-m\" is not one of iptables' options" },
		{ { "-s", "1.2.3.4", "tcp" }, "is not followed by a value" },
		{ { "-s", "1.2.3.4", "tcp", "dport" }, "\"tcp\" is not one of" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char buf[CONDITIONS_TEXT];
		struct cni_error err;
		struct text t;

		text_init(&t, buf, sizeof(buf));
		if (conditions_text("conditionsV4", cases[i].words, count(cases[i].words), &t,
				    &err) == 0)
			fail_msg("accepted: %s", buf);
		assert_int_equal(err.code, CNI_INVALID_CONFIG);
		if (strstr(err.msg, cases[i].why) == NULL)
			fail_msg("\"%s\" lacks \"%s\"", err.msg, cases[i].why);
	}
}

static void too_long(void **state)
{
	static char word[4096];
	const char *words[] = { word, word, word, word, word };
	char buf[CONDITIONS_TEXT];
	struct cni_error err;
	struct text t;

	(void)state;
	memset(word, 'x', sizeof(word) - 1);
	text_init(&t, buf, sizeof(buf));
	assert_int_equal(conditions_text("conditionsV4", words, ARRAY_SIZE(words), &t, &err), -1);
	assert_int_equal(err.code, CNI_INVALID_CONFIG);
}

static void hashes(void **state)
{
	static const char *const one[] = { "-s", "1.2.3.4" }, *const two[] = { "-s", "1.2.3.5" };
	static const char *const same[] = { "ip saddr { 1.2.3.4 }" }, *const none[] = { "-p",
											"all" };
	char a[17], b[17];
	struct cni_error err;

	(void)state;
	assert_int_equal(nft_conditions_hash(&(struct nft_conditions){ 0 }, a, &err), 0);
	assert_string_equal(a, "");
	assert_int_equal(nft_conditions_hash(
			     &(struct nft_conditions){ .tokens4 = none, .n_tokens4 = 2 }, a, &err),
			 0);
	assert_string_equal(a, "");
	assert_int_equal(nft_conditions_hash(
			     &(struct nft_conditions){ .tokens4 = one, .n_tokens4 = 2 }, a, &err),
			 0);
	assert_int_equal(strlen(a), 16);
	assert_int_equal(nft_conditions_hash(
			     &(struct nft_conditions){ .tokens4 = two, .n_tokens4 = 2 }, b, &err),
			 0);
	assert_string_not_equal(a, b);
	/* Two spellings of one condition share their maps. */
	assert_int_equal(nft_conditions_hash(
			     &(struct nft_conditions){ .tokens4 = same, .n_tokens4 = 1 }, b, &err),
			 0);
	assert_string_equal(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepted),
		cmocka_unit_test(refused),
		cmocka_unit_test(too_long),
		cmocka_unit_test(hashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
