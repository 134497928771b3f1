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
		{ "^net\\.ipv4\\.conf\\.all\\.[a-z_]*$",
		  "^net\\.ipv4\\.conf\\.all\\.[_abcdefghijklmnopqrstuvwxyz]*$" },
		{ "(?:a|b)+?c", "(a|b)+c" },
		{ "a{2}b{3,}c{0,4}?", "a{2,2}b{3,}c{0,4}" },
		{ "a{,3}", "a\\{,3}" },
		{ "a{x}b}", "a\\{x}b}" },
		{ "\\d", "[0123456789]" },
		{ "[\\d.]", "[.0123456789]" },
		{ "[]a]", "[]a]" },
		{ "[a\\]\\^\\-]", "[]a^-]" },
		{ "[\\^]", "\\^" },
		{ "[\\^-]", "[-^]" },
		{ "[-a]", "[a-]" },
		{ "[.-0]", "[./0]" },
		{ "\\<\\>\\'\\`\\/\\-", "<>'`/-" },
		{ "\\\\", "\\\\" },
		{ "\\Ax\\z", "^x$" },
		{ "a.b", "a.b" },
		{ "x]", "x]" },
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
	{ "\\bx", "an escape of a letter or digit other than" },
	{ "\\Bx", "an escape of a letter or digit other than" },
	{ "(a)\\1", "an escape of a letter or digit other than" },
	{ "\\pL", "an escape of a letter or digit other than" },
	{ "\\x41", "an escape of a letter or digit other than" },
	{ "\\Qa\\E", "an escape of a letter or digit other than" },
	{ "[\\x41]", "an escape of a letter or digit other than \\d \\w \\s in" },
	{ "[[:alpha:]]", "[:class:]" },
	{ "a**", "a repetition of a repetition" },
	{ "a*??", "a repetition of a repetition" },
	{ "a{2}{3}", "a repetition of a repetition" },
	{ "a++", "a repetition of a repetition" },
	{ "*a", "a repetition of nothing" },
	{ "a|*", "a repetition of nothing" },
	{ "(+)", "a repetition of nothing" },
	{ "{2}", "a repetition of nothing" },
	{ "^*", "a repetition of nothing" },
	{ "(?:^a|b$){2}", "a repetition of a group with ^ or $ in it" },
	{ "((x$)y)*", "a repetition of a group with ^ or $ in it" },
	{ "a)", "a ) without (" },
	{ "(a", "a ( that is not closed" },
	{ "[a", "a [ that is not closed" },
	{ "[]", "a [ that is not closed" },
	{ "[z-a]", "a range in [...]" },
	{ "[a-\\d]", "a range in [...]" },
	{ "[a-c-e]", "a - in the middle" },
	{ "a|", "an empty alternative" },
	{ "|a", "an empty alternative" },
	{ "()", "an empty alternative" },
	{ "(a|)", "an empty alternative" },
	{ "", "an empty alternative" },
	{ "a\\", "a \\ at the end" },
	{ "[\\", "a \\ at the end" },
	{ "\xc3\xa9", "a character that is not printable ASCII" },
	{ "a\tb", "a character that is not printable ASCII" },
	{ "\\s", "a set without a printable character" },
	{ "a{3,2}", "a count {n,m}" },
	{ "a{1001}", "a count {n,m}" },
	{ "(a{100}){11}", "a count {n,m}" },
	{ "((a{10}){10}b){11}", "a count {n,m}" },
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
		{ "^\\W$", "a", false },
		{ "^\\W$", ".", true },
		{ "^\\S+$", "net.x", true },
		{ "^\\D+$", "ipv4", false },
		{ "^[\\w.]+$", "net.ipv4.x_y", true },
		{ "^[\\W]$", "_", false },
		{ "^(?:a|bc){2,3}?$", "abca", true },
		{ "^(?:a|bc){2,3}?$", "abcaa", false },
		{ "^a{,3}$", "aa", false },
		{ "^a{,3}$", "a{,3}", true },
		{ "\\<", "<", true },
		{ "\\<", "word", false },
		{ "^[]-]$", "-", true },
		{ "^[]-]$", "]", true },
		{ "^[[-\\]]$", "\\", true },
		{ "^[+--]$", ",", true },
		{ "^[^^]$", "^", false },
		{ "^[^^]$", "-", true },
		{ "a$b", "a$b", false },
		{ "a\\$b", "a$b", true },
		{ "(^|x)a", "a", true },
		{ "x{0}a", "a", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (matches(cases[i].pattern, cases[i].text) != cases[i].want)
			fail_msg("%s and %s", cases[i].pattern, cases[i].text);
	}
}

/* A set of two characters holds these and no other. */
static void set_of_two(unsigned char a, unsigned char b)
{
	const char pattern[] = { '^', '[', '\\', (char)a, '\\', (char)b, ']', '$', '\0' };

	for (int c = '!'; c <= '~'; c++) {
		const char text[] = { (char)c, '\0' };

		if (matches(pattern, text) != (c == a || c == b))
			fail_msg("%s and %s", pattern, text);
	}
}

static void every_set(void **state)
{
	static const char marks[] = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

	(void)state;
	for (size_t i = 0; marks[i] != '\0'; i++) {
		for (size_t k = 0; marks[k] != '\0'; k++)
			set_of_two((unsigned char)marks[i], (unsigned char)marks[k]);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(translated),
		cmocka_unit_test(refused),
		cmocka_unit_test(meaning),
		cmocka_unit_test(every_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
