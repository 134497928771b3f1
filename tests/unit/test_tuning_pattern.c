/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The allow-list's patterns: RE2's meaning in POSIX's words, or none at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <regex.h>
#include <string.h>

#include "base/scoped.h"
#include "plugins/tuning/allowlist.h"

static void translated(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "abc", "abc" },
		{ "^net\\.ipv4\\.conf\\.all\\.[a-z_]*$", "^net\\.ipv4\\.conf\\.all\\.[a-z_]*$" },
		{ "(?:a|b)+c", "(a|b)+c" },
		{ "\\d\\w", "[0-9][0-9A-Za-z_]" },
		{ "[^a.-]", "[^a.-]" },
		{ "\\<\\>\\'\\`\\/\\-", "<>'`/-" },
		{ "\\\\\\{\\}\\]", "\\\\\\{\\}\\]" },
		{ "a.b", "a.b" },
		{ "x]}", "x]}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char out[ALLOWLIST_TRANSLATED];
		const char *problem;

		if (!allowlist_translate(cases[i].in, out, &problem))
			fail_msg("%s: %s", cases[i].in, problem);
		assert_string_equal(out, cases[i].out);
	}
}

static const struct {
	const char *in, *problem;
} refusals[] = {
	{ "(?i)x", "(? other than (?:" },
	{ "(?P<n>x)", "(? other than (?:" },
	{ "(?=x)", "(? other than (?:" },
	{ "\\bx", "a \\ at the end, or before" },
	{ "(a)\\1", "a \\ at the end, or before" },
	{ "\\pL", "a \\ at the end, or before" },
	{ "\\Qa\\E", "a \\ at the end, or before" },
	{ "\\Ax\\z", "a \\ at the end, or before" },
	{ "a\\", "a \\ at the end, or before" },
	{ "[\\x41]", "a [...] that is empty" },
	{ "[\\]]", "a [...] that is empty" },
	{ "[[:alpha:]]", "a [...] that is empty" },
	{ "[]a]", "a [...] that is empty" },
	{ "[^]", "a [...] that is empty" },
	{ "[a", "a [...] that is empty" },
	{ "a**", "a repetition of nothing" },
	{ "a*?", "a repetition of nothing" },
	{ "a++", "a repetition of nothing" },
	{ "*a", "a repetition of nothing" },
	{ "a|*", "a repetition of nothing" },
	{ "(+)", "a repetition of nothing" },
	{ "^*", "a repetition of nothing" },
	{ "a{2}", "a {" },
	{ "a{,3}", "a {" },
	{ "(?:^a|b)+", "a ^ or $ in a group" },
	{ "((x$)y)", "a ^ or $ in a group" },
	{ "a)", "a ) without (" },
	{ "(a", "a ( that is not closed" },
	{ "a|", "an empty alternative" },
	{ "|a", "an empty alternative" },
	{ "()", "an empty alternative" },
	{ "(a|)", "an empty alternative" },
	{ "", "an empty alternative" },
	{ "\xc3\xa9", "a character that is not printable ASCII" },
	{ "a\tb", "a character that is not printable ASCII" },
};

static void refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		char out[ALLOWLIST_TRANSLATED];
		const char *problem = "";

		if (allowlist_translate(refusals[i].in, out, &problem))
			fail_msg("%s became %s", refusals[i].in, out);
		if (strncmp(problem, refusals[i].problem, strlen(refusals[i].problem)) != 0)
			fail_msg("%s: %s", refusals[i].in, problem);
	}
}

static bool matches(const char *pattern, const char *text)
{
	char out[ALLOWLIST_TRANSLATED];
	const char *problem;
	regex_t re;
	bool r;

	if (!allowlist_translate(pattern, out, &problem))
		fail_msg("%s: %s", pattern, problem);
	if (regcomp(&re, out, REG_EXTENDED | REG_NOSUB) != 0)
		fail_msg("%s became %s", pattern, out);
	r = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	return r;
}

static void meaning(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool want;
	} cases[] = {
		{ "martians", "net.ipv4.conf.all.log_martians", true },
		{ "^martians", "net.ipv4.conf.all.log_martians", false },
		{ "net.ipv4", "net/ipv4", true },
		{ "net\\.ipv4", "net/ipv4", false },
		{ "^[^.]+$", "net", true },
		{ "^[^.]+$", "net.x", false },
		{ "^\\w+$", "a_Z9", true },
		{ "^\\w+$", "a.b", false },
		{ "^\\d+$", "42", true },
		{ "^\\d+$", "4a", false },
		{ "^(?:a|bc)+$", "abca", true },
		{ "^(?:a|bc)+$", "abcb", false },
		{ "\\<", "<", true },
		{ "\\<", "word", false },
		{ "^[a-z]$", "B", false },
		{ "^[+--]$", ",", true },
		{ "^[^^]$", "^", false },
		{ "^[^^]$", "-", true },
		{ "a$b", "a$b", false },
		{ "a\\$b", "a$b", true },
		{ "a\\{2\\}", "a{2}", true },
		{ "^a|b$", "xb", true },
		{ "^(((a)|(b))c)$", "bc", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (matches(cases[i].pattern, cases[i].text) != cases[i].want)
			fail_msg("%s and %s", cases[i].pattern, cases[i].text);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(translated),
		cmocka_unit_test(refused),
		cmocka_unit_test(meaning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
