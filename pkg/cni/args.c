/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CNI_ARGS: "K=V;K=V" (cni-spec.md ARG-03 to ARG-06). A value may hold '=' (the pair is split at
 * the first), keys are case-sensitive, of a repeated key the last value wins, nothing is trimmed.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/scoped.h"
#include "base/text.h"
#include "cni/skel.h"

struct pair {
	const char *key, *value;
	size_t key_len, value_len;
};

/* Take the pair at *s and step over it and its ';'. *s becomes NULL behind the last. */
static int next_pair(const char **s, struct pair *ret, struct cni_error *err)
{
	size_t len = strcspn(*s, ";");
	const char *eq = memchr(*s, '=', len);

	if (eq == NULL)
		return cni_fail(err, CNI_BAD_ENV,
				"CNI_ARGS: invalid pair \"%.*s\": it must be KEY=VALUE", (int)len,
				*s);
	ret->key = *s;
	ret->key_len = (size_t)(eq - *s);
	ret->value = eq + 1;
	ret->value_len = len - ret->key_len - 1;
	*s = (*s)[len] == ';' ? *s + len + 1 : NULL;
	return 0;
}

static bool key_is(const struct pair *p, const char *key)
{
	return strlen(key) == p->key_len && memcmp(key, p->key, p->key_len) == 0;
}

static int parse_ignore(const struct pair *p, bool *ret, struct cni_error *err)
{
	char value[8];

	if (text_format(value, sizeof(value), "%.*s", (int)p->value_len, p->value)) {
		if (strcmp(value, "1") == 0 || text_equal_nocase(value, "true")) {
			*ret = true;
			return 0;
		}
		if (strcmp(value, "0") == 0 || text_equal_nocase(value, "false")) {
			*ret = false;
			return 0;
		}
	}
	return cni_fail(err, CNI_BAD_ENV,
			"CNI_ARGS: IgnoreUnknown=%.*s: the value must be 1, true, 0 or false",
			(int)p->value_len, p->value);
}

struct args_parser {
	const char *const *keys;
	struct pair *found; /* per key; .key NULL: absent */
	size_t n;
	bool ignore_unknown;
	size_t n_unknown;
	char unknown[256]; /* `"K=V" "K=V"`, for the message */
	struct text unknown_text;
};

static void note_unknown(struct args_parser *p, const struct pair *pair)
{
	text_add(&p->unknown_text, "%s\"%.*s\"", p->n_unknown == 0 ? "" : " ",
		 (int)(pair->key_len + 1 + pair->value_len), pair->key);
	p->n_unknown++;
}

static int take_pair(struct args_parser *p, const struct pair *pair, struct cni_error *err)
{
	if (key_is(pair, "IgnoreUnknown"))
		return parse_ignore(pair, &p->ignore_unknown, err);
	for (size_t i = 0; i < p->n; i++) {
		if (key_is(pair, p->keys[i])) {
			p->found[i] = *pair;
			return 0;
		}
	}
	note_unknown(p, pair);
	return 0;
}

static int copy_values(const struct args_parser *p, char **values, struct cni_error *err)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct pair *pair = &p->found[i];

		values[i] = NULL;
		if (pair->key == NULL)
			continue;
		values[i] = strndup(pair->value, pair->value_len);
		if (values[i] != NULL)
			continue;
		while (i > 0)
			free(values[--i]);
		return cni_fail(err, CNI_INTERNAL, "no memory for CNI_ARGS");
	}
	return 0;
}

int cni_args_parse(const char *cni_args, const char *const *keys, char **values, size_t n,
		   struct cni_error *err)
{
	scoped_free struct pair *found = calloc(n + 1, sizeof(*found));
	struct args_parser p = { .keys = keys, .found = found, .n = n };
	const char *s = cni_args[0] != '\0' ? cni_args : NULL;
	struct pair pair;

	if (found == NULL)
		return cni_fail(err, CNI_INTERNAL, "no memory for CNI_ARGS");
	text_init(&p.unknown_text, p.unknown, sizeof(p.unknown));
	while (s != NULL) {
		if (next_pair(&s, &pair, err) < 0 || take_pair(&p, &pair, err) < 0)
			return -1;
	}
	if (p.n_unknown > 0 && !p.ignore_unknown)
		return cni_fail(err, CNI_BAD_ENV,
				"CNI_ARGS: unknown args [%s]; add IgnoreUnknown=1 to have unknown "
				"ones ignored",
				p.unknown);
	return copy_values(&p, values, err);
}
