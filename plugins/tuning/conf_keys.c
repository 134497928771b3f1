/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf_keys.h"

#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "conf/jconf.h"

/* Where we are in the document; nothing else in it is looked into. */
enum place { AT_TOP, IN_ARGS, IN_CNI, IN_SYSCTL, ELSEWHERE };

struct scan {
	const char *at, *end;
};

static bool next_is(struct scan *s, char c)
{
	while (s->at < s->end && memchr(" \t\r\n", *s->at, 4) != NULL)
		s->at++;
	return s->at < s->end && *s->at == c;
}

/* One value, read by jansson; NULL: there is none, or not with these flags. */
static json_t *take(struct scan *s, size_t flags, json_error_t *error)
{
	json_t *value = json_loadb(s->at, (size_t)(s->end - s->at),
				   flags | JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, error);

	if (value != NULL)
		s->at += error->position;
	return value;
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

/* The object that begins here has each of its names once, or jansson would say so. */
static int refuse_duplicates(const struct scan *s, struct cni_error *err)
{
	struct scan copy = *s;
	json_error_t error;
	scoped_json json_t *object = take(&copy, JSON_REJECT_DUPLICATES, &error);

	if (object != NULL || json_error_code(&error) != json_error_duplicate_key)
		return 0;
	return cni_fail(err, CNI_INVALID_CONFIG,
			"sysctl: duplicated sysctl keys are not allowed: %s", error.text);
}

/* An object, from its brace on; at most four deep, as the places are. */
static int walk(struct scan s, enum place place, struct cni_error *err)
{
	json_error_t error;

	for (s.at++; next_is(&s, '"'); s.at += next_is(&s, ',')) {
		scoped_json json_t *name = take(&s, 0, &error);
		scoped_json json_t *value = NULL;
		enum place next = name == NULL ? ELSEWHERE : inside(place, json_string_value(name));

		if (name == NULL || !next_is(&s, ':'))
			return 0;
		s.at++;
		if (next == IN_SYSCTL && refuse_duplicates(&s, err) < 0)
			return -1;
		if ((next == IN_ARGS || next == IN_CNI) && next_is(&s, '{') &&
		    walk(s, next, err) < 0)
			return -1;
		value = take(&s, 0, &error);
		if (value == NULL)
			return 0;
	}
	return 0;
}

int tuning_keys_unique(const char *text, size_t len, struct cni_error *err)
{
	struct scan s = { .at = text, .end = text + len };

	return next_is(&s, '{') ? walk(s, AT_TOP, err) : 0;
}
