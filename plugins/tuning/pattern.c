/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. The allow-list decides who may switch what, so a pattern must mean here what
 *it means to the reference (RE2), or be refused. It is read as RE2 reads it, and written anew for
 * regcomp(3):
 *
 *	- a set of characters ([...], \d, \w …) becomes a bracket expression with every member in
 *	  it: no ranges, classes or escapes, which POSIX reads otherwise or by locale
 *	- a literal that is special to POSIX gets a backslash, no other does: glibc gives \< \b \1 …
 *	  meanings of its own
 *	- {n,m} stays where RE2 counts, and is a literal where RE2 takes it for one ({,m}, {x})
 *	- a group with an anchor is not repeated: glibc's (^a){2} matches "aa"
 *	- laziness (*?) changes which match is found, not whether there is one: dropped
 *
 * Names hold printable ASCII only (conf.c), so newlines, other bytes, and with them ^ $ . need no
 * thought. Everything else, known or not, is refused by name.
 */
#include <stdint.h>
#include <string.h>

#include "allowlist.h"
#include "base/text.h"

#define FIRST  '!'
#define LAST   '~'
#define DEPTH  32   /* groups in groups */
#define COUNTS 1000 /* copies of anything that {n,m} may ask for, as RE2 bounds it */

struct set {
	bool has[128];
};

enum before { NOTHING, ATOM, REPEATED, ANCHOR }; /* what a repetition would repeat */

struct reader {
	const char *at;
	struct text out;
	const char *problem; /* the first */
	size_t depth;
	enum before before;
	unsigned copies;	    /* that the last atom stands for already */
	unsigned inside[DEPTH + 1]; /* the most of any atom of the groups that are open */
	bool anchored;		    /* the last atom holds an anchor */
	bool anchors[DEPTH + 1];    /* so do the groups that are open */
};

static void refuse(struct reader *r, const char *problem)
{
	if (r->problem == NULL)
		r->problem = problem;
}

/* ---- sets of characters */

static void add_range(struct set *set, char first, char last)
{
	for (unsigned c = (unsigned char)first; c <= (unsigned char)last; c++)
		set->has[c] = true;
}

static void invert(struct set *set)
{
	for (int c = 0; c < 128; c++)
		set->has[c] = !set->has[c];
}

/* \d \w \s and their opposites; false: another letter. */
static bool named_set(char letter, struct set *ret)
{
	struct set set = { { false } };

	if (strchr("dDwWsS", letter) == NULL)
		return false;
	if (strchr("dDwW", letter) != NULL)
		add_range(&set, '0', '9');
	if (strchr("wW", letter) != NULL) {
		add_range(&set, 'A', 'Z');
		add_range(&set, 'a', 'z');
		set.has['_'] = true;
	}
	if (letter == 's' || letter == 'S')
		set.has['\t'] = set.has['\n'] = set.has['\f'] = set.has['\r'] = set.has[' '] = true;
	if (letter == 'D' || letter == 'W' || letter == 'S')
		invert(&set);
	*ret = set;
	return true;
}

/* The places in a bracket expression where ] ^ - mean themselves: first, not first, last. */
static void write_set(struct reader *r, const struct set *set)
{
	char members[LAST - FIRST + 2];
	size_t n = 0;

	if (set->has[']'])
		members[n++] = ']';
	for (int c = FIRST; c <= LAST; c++) {
		if (set->has[c] && strchr("]^-", c) == NULL)
			members[n++] = (char)c;
	}
	if (set->has['^'] && n > 0)
		members[n++] = '^';
	if (set->has['-'])
		members[n++] = '-';
	if (set->has['^'] && memchr(members, '^', n) == NULL)
		members[n++] = '^';
	members[n] = '\0';
	if (n == 0)
		refuse(r, "a set without a printable character");
	else if (strcmp(members, "^") == 0)
		text_add(&r->out, "\\^");
	else
		text_add(&r->out, "[%s]", members);
}

static void write_literal(struct reader *r, char c)
{
	text_add(&r->out, strchr(".[()*+?{|^$\\", c) != NULL ? "\\%c" : "%c", c);
}

static bool is_letter_or_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* One member of [...], or a whole set inside it (*ret_set true). */
static char read_member(struct reader *r, struct set *set, bool *ret_set)
{
	struct set named;
	char c = *r->at++;

	*ret_set = false;
	if (c == '[' && *r->at == ':') {
		refuse(r, "[:class:]; write its characters");
		return c;
	}
	if (c != '\\')
		return c;
	c = *r->at;
	if (c == '\0') {
		refuse(r, "a \\ at the end");
		return c;
	}
	r->at++;
	if (named_set(c, &named)) {
		for (int i = 0; i < 128; i++)
			set->has[i] |= named.has[i];
		*ret_set = true;
	} else if (is_letter_or_digit(c)) {
		refuse(r, "an escape of a letter or digit other than \\d \\w \\s in [...]");
	}
	return c;
}

static void read_range(struct reader *r, struct set *set)
{
	bool whole, last_whole;
	char last, first = read_member(r, set, &whole);

	if (whole)
		return;
	if (*r->at != '-' || r->at[1] == ']' || r->at[1] == '\0') {
		set->has[(unsigned char)first] = true;
		return;
	}
	r->at++;
	last = read_member(r, set, &last_whole);
	if (last_whole || last < first)
		refuse(r, "a range in [...] that does not run upwards");
	else
		add_range(set, first, last);
}

/* Behind the bracket. */
static void read_set(struct reader *r)
{
	struct set set = { { false } };
	bool inverted = *r->at == '^';
	const char *first;

	r->at += inverted;
	for (first = r->at; (*r->at != ']' || r->at == first) && r->problem == NULL;) {
		if (*r->at == '\0')
			refuse(r, "a [ that is not closed");
		else if (*r->at == '-' && r->at != first && r->at[1] != ']')
			refuse(r, "a - in the middle of [...]; put it last");
		else
			read_range(r, &set);
	}
	if (r->problem != NULL)
		return;
	r->at++;
	if (inverted)
		invert(&set);
	write_set(r, &set);
}

/* ---- what stands alone */

static void atom(struct reader *r, unsigned copies)
{
	r->before = ATOM;
	r->anchored = false;
	r->copies = copies;
	if (r->inside[r->depth] < copies)
		r->inside[r->depth] = copies;
}

static void anchor(struct reader *r, char c)
{
	text_add(&r->out, "%c", c);
	r->before = ANCHOR;
	r->anchors[r->depth] = true;
}

/* Behind the backslash. */
static void read_escape(struct reader *r)
{
	struct set set;
	char c = *r->at;

	if (c == '\0') {
		refuse(r, "a \\ at the end");
		return;
	}
	r->at++;
	if (c == 'A' || c == 'z') {
		anchor(r, c == 'A' ? '^' : '$');
		return;
	}
	if (named_set(c, &set))
		write_set(r, &set);
	else if (is_letter_or_digit(c))
		refuse(r, "an escape of a letter or digit other than \\d \\w \\s \\A \\z");
	else
		write_literal(r, c);
	atom(r, 1);
}

static void open_group(struct reader *r)
{
	if (r->at[0] == '?' && r->at[1] == ':')
		r->at += 2;
	else if (r->at[0] == '?')
		refuse(r, "(? other than (?:");
	if (r->depth == DEPTH) {
		refuse(r, "too many groups in groups");
		return;
	}
	r->inside[++r->depth] = 1;
	r->anchors[r->depth] = false;
	r->before = NOTHING;
	text_add(&r->out, "(");
}

static void close_group(struct reader *r)
{
	unsigned copies = r->inside[r->depth];
	bool anchored = r->anchors[r->depth];

	if (r->depth == 0) {
		refuse(r, "a ) without (");
		return;
	}
	if (r->before == NOTHING)
		refuse(r, "an empty alternative, which matches everything");
	r->anchors[--r->depth] |= anchored;
	text_add(&r->out, ")");
	atom(r, copies);
	r->anchored = anchored;
}

/* ---- repetitions */

/* Digits, at most three nines; false: none, or too many. */
static bool read_count(const char **at, unsigned *ret)
{
	const char *p = *at;
	unsigned value = 0;

	for (; *p >= '0' && *p <= '9' && value <= COUNTS; p++)
		value = value * 10 + (unsigned)(*p - '0');
	if (p == *at)
		return false;
	*at = p;
	*ret = value;
	return true;
}

/* Behind a brace: {n}, {n,} and {n,m} count; anything else is a literal brace, and nothing is read.
 */
static bool read_braces(struct reader *r, unsigned *ret_min, unsigned *ret_max, bool *ret_endless)
{
	const char *p = r->at;

	*ret_endless = false;
	if (!read_count(&p, ret_min))
		return false;
	*ret_max = *ret_min;
	if (*p == ',') {
		p++;
		*ret_endless = !read_count(&p, ret_max);
	}
	if (*p != '}')
		return false;
	r->at = p + 1;
	return true;
}

static void repeated(struct reader *r, unsigned copies)
{
	if (r->before == REPEATED)
		refuse(r, "a repetition of a repetition");
	else if (r->before != ATOM)
		refuse(r, "a repetition of nothing");
	else if (r->anchored)
		refuse(r, "a repetition of a group with ^ or $ in it");
	if (*r->at == '?') /* lazy */
		r->at++;
	atom(r, r->copies * copies);
	r->before = REPEATED;
}

static void read_repetition(struct reader *r, char c)
{
	text_add(&r->out, "%c", c);
	repeated(r, 1);
}

static void read_brace(struct reader *r)
{
	unsigned min, max;
	bool endless;

	if (!read_braces(r, &min, &max, &endless)) {
		write_literal(r, '{');
		atom(r, 1);
		return;
	}
	if (max < min || max > COUNTS || (max > 0 && r->copies > COUNTS / max)) {
		refuse(r, "a count {n,m} that does not run upwards, or more than 1000 copies");
		return;
	}
	if (endless)
		text_add(&r->out, "{%u,}", min);
	else
		text_add(&r->out, "{%u,%u}", min, max);
	repeated(r, max > 0 ? max : 1);
}

/* ---- the pattern */

static void read_one(struct reader *r)
{
	char c = *r->at++;

	if (c == '\\') {
		read_escape(r);
	} else if (c == '[') {
		read_set(r);
		atom(r, 1);
	} else if (c == '(') {
		open_group(r);
	} else if (c == ')') {
		close_group(r);
	} else if (c == '|') {
		if (r->before == NOTHING)
			refuse(r, "an empty alternative, which matches everything");
		r->before = NOTHING;
		text_add(&r->out, "|");
	} else if (c == '^' || c == '$') {
		anchor(r, c);
	} else if (c == '*' || c == '+' || c == '?') {
		read_repetition(r, c);
	} else if (c == '{') {
		read_brace(r);
	} else if (c == '.') {
		text_add(&r->out, ".");
		atom(r, 1);
	} else {
		write_literal(r, c);
		atom(r, 1);
	}
}

bool allowlist_translate(const char *pattern, char out[ALLOWLIST_TRANSLATED],
			 const char **ret_problem)
{
	struct reader r = { .at = pattern, .before = NOTHING, .copies = 1, .inside = { 1 } };

	text_init(&r.out, out, ALLOWLIST_TRANSLATED);
	for (const char *p = pattern; *p != '\0'; p++) {
		if (*p < ' ' || *p > '~')
			refuse(&r, "a character that is not printable ASCII");
	}
	while (*r.at != '\0' && r.problem == NULL)
		read_one(&r);
	if (r.depth != 0)
		refuse(&r, "a ( that is not closed");
	if (r.before == NOTHING)
		refuse(&r, "an empty alternative, which matches everything");
	if (r.out.cut)
		refuse(&r, "too long");
	if (r.problem != NULL)
		*ret_problem = r.problem;
	return r.problem == NULL;
}
