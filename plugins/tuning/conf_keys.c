/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf_keys.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/scoped.h"
#include "base/text.h"
#include "conf.h"

/* Where we are in the document; nothing else in it is looked into. */
enum place { AT_TOP, IN_ARGS, IN_CNI, IN_SYSCTL, ELSEWHERE };

struct scan {
	const char *at, *end;
};

/* ---- pieces of JSON */

static void skip_blanks(struct scan *s)
{
	while (s->at < s->end && strchr(" \t\r\n", *s->at) != NULL && *s->at != '\0')
		s->at++;
}

static bool next_is(struct scan *s, char c)
{
	skip_blanks(s);
	return s->at < s->end && *s->at == c;
}

/* The inside of a string, as written; false: there is none that ends. */
static bool take_string(struct scan *s, const char **ret, size_t *ret_len)
{
	const char *from;

	if (!next_is(s, '"'))
		return false;
	from = ++s->at;
	for (; s->at < s->end && *s->at != '"'; s->at++) {
		if (*s->at == '\\' && ++s->at == s->end)
			return false;
	}
	if (s->at == s->end)
		return false;
	*ret = from;
	*ret_len = (size_t)(s->at++ - from);
	return true;
}

static void skip_word(struct scan *s)
{
	do {
		s->at++;
	} while (s->at < s->end && strchr(",:[]{}\" \t\r\n", *s->at) == NULL);
}

static bool skip_value(struct scan *s)
{
	const char *ignored;
	size_t depth = 0, len;

	do {
		skip_blanks(s);
		if (s->at == s->end)
			return false;
		if (*s->at == '"') {
			if (!take_string(s, &ignored, &len))
				return false;
		} else if (*s->at == '{' || *s->at == '[') {
			depth++;
			s->at++;
		} else if (*s->at == '}' || *s->at == ']') {
			if (depth == 0)
				return false;
			depth--;
			s->at++;
		} else {
			skip_word(s);
		}
	} while (depth > 0);
	return true;
}

/* ---- what a string says */

static unsigned hex4(const char *s)
{
	unsigned value = 0;

	for (int i = 0; i < 4; i++) {
		unsigned c = (unsigned char)s[i];

		value = value * 16 + (c <= '9' ? c - '0' : (c | 0x20u) - 'a' + 10);
	}
	return value;
}

static size_t put_utf8(uint32_t c, char *out)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | (c >> 6));
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | (c >> 12));
		out[1] = (char)(0x80 | ((c >> 6) & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | ((c >> 18) & 7));
	out[1] = (char)(0x80 | ((c >> 12) & 0x3f));
	out[2] = (char)(0x80 | ((c >> 6) & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* Behind a backslash; gives the bytes read, and *out_len those written (never more). */
static size_t unescape(const char *s, size_t len, char *out, size_t *out_len)
{
	static const char names[] = "bfnrt", values[] = "\b\f\n\r\t";
	const char *name = strchr(names, s[0]);
	uint32_t c;

	if (s[0] != 'u' || len < 5) {
		out[0] = name != NULL && s[0] != '\0' ? values[name - names] : s[0];
		*out_len = 1;
		return 1;
	}
	c = hex4(s + 1);
	if (c >= 0xd800 && c < 0xdc00 && len >= 11 && s[5] == '\\') {
		c = 0x10000 + ((c - 0xd800) << 10) + ((hex4(s + 7) - 0xdc00) & 0x3ff);
		*out_len = put_utf8(c, out);
		return 11;
	}
	*out_len = put_utf8(c & 0xffff, out);
	return 5;
}

/* The caller's to free; NULL without memory. What is read is never shorter than what it says. */
static char *decode(const char *s, size_t len)
{
	char *text = malloc(len + 1);
	size_t n = 0, more;

	if (text == NULL)
		return NULL;
	for (size_t i = 0; i < len;) {
		if (s[i] != '\\' || i + 1 == len) {
			text[n++] = s[i++];
			continue;
		}
		i += 1 + unescape(s + i + 1, len - i - 1, text + n, &more);
		n += more;
	}
	text[n] = '\0';
	return text;
}

/* ---- the walk */

struct names {
	char *list[TUNING_SYSCTLS_MAX];
	size_t n;
};

static void free_names(struct names *names)
{
	while (names->n > 0)
		free(names->list[--names->n]);
}

/* Takes over `*name`. More names than may be are refused by whoever counts the decoded ones. */
static int remember(struct names *names, char **name, struct cni_error *err)
{
	for (size_t i = 0; i < names->n; i++) {
		if (strcmp(names->list[i], *name) == 0)
			return cni_fail(err, CNI_INVALID_CONFIG,
					"sysctl: duplicated sysctl keys are not allowed: \"%s\" "
					"stands there twice",
					*name);
	}
	if (names->n < TUNING_SYSCTLS_MAX)
		names->list[names->n++] = take_ptr(name);
	return 0;
}

static enum place inside(enum place place, const char *name)
{
	if ((place == AT_TOP || place == IN_CNI) && text_equal_nocase(name, "sysctl"))
		return IN_SYSCTL;
	if (place == AT_TOP && text_equal_nocase(name, "args"))
		return IN_ARGS;
	if (place == IN_ARGS && text_equal_nocase(name, "cni"))
		return IN_CNI;
	return ELSEWHERE;
}

/* A member's name and what its value is then; false when the text is at its end or makes no sense.
 */
static bool take_name(struct scan *s, char **ret)
{
	const char *from;
	size_t len;

	if (!take_string(s, &from, &len) || !next_is(s, ':'))
		return false;
	s->at++;
	*ret = decode(from, len);
	return *ret != NULL;
}

/* An object, from its brace on; at most four deep, as the places are. */
static int walk(struct scan *s, enum place place, struct cni_error *err)
{
	SCOPED(free_names) struct names names = { .n = 0 };

	s->at++;
	while (!next_is(s, '}')) {
		scoped_free char *name = NULL;
		enum place next;

		if (!take_name(s, &name))
			return 0;
		next = inside(place, name);
		if (place == IN_SYSCTL && remember(&names, &name, err) < 0)
			return -1;
		if (next != ELSEWHERE && next_is(s, '{')) {
			if (walk(s, next, err) < 0)
				return -1;
		} else if (!skip_value(s)) {
			return 0;
		}
		if (next_is(s, ','))
			s->at++;
	}
	s->at++;
	return 0;
}

int tuning_keys_unique(const char *text, size_t len, struct cni_error *err)
{
	struct scan s = { .at = text, .end = text + len };

	return next_is(&s, '{') ? walk(&s, AT_TOP, err) : 0;
}
