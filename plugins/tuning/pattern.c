/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. The allow-list decides who may switch what, so a pattern must mean here what
 * it means to the reference (RE2), or be refused. What both RE2 and POSIX read in the same way is
 * handed to regcomp(3) as it is; the few things that are only spelt differently (\d, \w, (?: and a
 * backslash before a mark that needs none) are respelt; everything else is refused by name, also an
 * anchor in a group: repeated, it means something else to glibc, whose (^a){2} matches "aa".
 *
 * The program never calls setlocale(3), so ranges are of bytes. Names hold printable ASCII only
 * (conf.c), so newlines, other bytes, and with them ^ $ . need no thought.
 */
#include <string.h>

#include "allowlist.h"
#include "base/text.h"

enum before { NOTHING, ATOM, REPEATED, ANCHOR }; /* what a repetition would repeat */

struct reader {
	const char *at;
	struct text out;
	const char *problem; /* the first */
	enum before before;
	unsigned depth; /* groups that are open */
};

static void refuse(struct reader *r, const char *problem)
{
	if (r->problem == NULL)
		r->problem = problem;
}

static bool is_letter_or_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Behind the bracket. A ] that comes first, a [ and a backslash are where the two differ. */
static void read_set(struct reader *r)
{
	const char *from = r->at;
	size_t len;

	r->at += *r->at == '^';
	len = strcspn(r->at, "]\\[");
	if (r->at[len] != ']' || len == 0) {
		refuse(r, "a [...] that is empty, not closed, or has \\ or [ in it");
		return;
	}
	r->at += len + 1;
	text_add(&r->out, "[%.*s", (int)(r->at - from), from);
	r->before = ATOM;
}

/* Behind the backslash. */
static void read_escape(struct reader *r)
{
	char c = *r->at;

	if (c == 'd')
		text_add(&r->out, "[0-9]");
	else if (c == 'w')
		text_add(&r->out, "[0-9A-Za-z_]");
	else if (c == '\0' || is_letter_or_digit(c))
		refuse(r, "a \\ at the end, or before a letter or digit other than \\d \\w");
	else /* glibc gives \< \> \` \' meanings of its own */
		text_add(&r->out, strchr(".[]()*+?{}|^$\\", c) != NULL ? "\\%c" : "%c", c);
	r->at += c != '\0';
	r->before = ATOM;
}

static void open_group(struct reader *r)
{
	if (r->at[0] == '?' && r->at[1] == ':')
		r->at += 2;
	else if (r->at[0] == '?')
		refuse(r, "(? other than (?:");
	r->depth++;
	r->before = NOTHING;
	text_add(&r->out, "(");
}

static void end_alternative(struct reader *r)
{
	if (r->before == NOTHING)
		refuse(r, "an empty alternative, which matches everything");
}

static void close_group(struct reader *r)
{
	if (r->depth == 0) {
		refuse(r, "a ) without (");
		return;
	}
	end_alternative(r);
	r->depth--;
	text_add(&r->out, ")");
	r->before = ATOM;
}

static void read_repetition(struct reader *r, char c)
{
	if (r->before != ATOM)
		refuse(r, "a repetition of nothing, of a repetition, or a lazy one");
	text_add(&r->out, "%c", c);
	r->before = REPEATED;
}

static void read_one(struct reader *r)
{
	char c = *r->at++;

	switch (c) {
	case '\\':
		read_escape(r);
		break;
	case '[':
		read_set(r);
		break;
	case '(':
		open_group(r);
		break;
	case ')':
		close_group(r);
		break;
	case '|':
		end_alternative(r);
		r->before = NOTHING;
		text_add(&r->out, "|");
		break;
	case '^':
	case '$':
		if (r->depth > 0)
			refuse(r, "a ^ or $ in a group");
		r->before = ANCHOR;
		text_add(&r->out, "%c", c);
		break;
	case '*':
	case '+':
	case '?':
		read_repetition(r, c);
		break;
	case '{':
		refuse(r, "a {; write repetitions out, and \\{ for the character");
		break;
	default:
		if (c < ' ' || c > '~')
			refuse(r, "a character that is not printable ASCII");
		text_add(&r->out, "%c", c);
		r->before = ATOM;
	}
}

bool allowlist_translate(const char *pattern, char out[ALLOWLIST_TRANSLATED],
			 const char **ret_problem)
{
	struct reader r = { .at = pattern, .before = NOTHING };

	text_init(&r.out, out, ALLOWLIST_TRANSLATED);
	while (*r.at != '\0' && r.problem == NULL)
		read_one(&r);
	if (r.depth != 0)
		refuse(&r, "a ( that is not closed");
	end_alternative(&r);
	if (r.out.cut)
		refuse(&r, "too long an expression");
	*ret_problem = r.problem;
	return r.problem == NULL;
}
