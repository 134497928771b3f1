/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf/jlist.h"

#include <string.h>

struct reader {
	const char *bytes, *what;
	size_t len, at;
};

static char next_char(struct reader *r)
{
	while (r->at < r->len && strchr(" \t\r\n", r->bytes[r->at]) != NULL &&
	       r->bytes[r->at] != '\0')
		r->at++;
	return r->at < r->len ? r->bytes[r->at] : '\0';
}

static int fail_here(const struct reader *r, const char *why, struct cni_error *err)
{
	size_t line = 1, column = 1;

	for (size_t i = 0; i < r->at && i < r->len; i++) {
		column = r->bytes[i] == '\n' ? 1 : column + 1;
		line += r->bytes[i] == '\n';
	}
	return cni_fail(err, CNI_DECODE, "%s: line %zu, column %zu: %s", r->what, line, column,
			why);
}

static int read_element(struct reader *r, size_t idx, const struct jconf_list *list,
			struct cni_error *err)
{
	const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DISABLE_EOF_CHECK;
	json_error_t why;
	scoped_json json_t *value = json_loadb(r->bytes + r->at, r->len - r->at, flags, &why);

	r->at += (size_t)(why.position > 0 ? why.position : 0);
	if (value == NULL)
		return fail_here(r, why.text, err);
	if (idx >= list->max)
		return cni_fail(err, CNI_INVALID_CONFIG,
				"%s: the list has more than %zu elements, which are not allowed",
				r->what, list->max);
	return list->each(value, idx, list->arg, err);
}

static int read_elements(struct reader *r, const struct jconf_list *list, struct cni_error *err)
{
	if (next_char(r) == ']')
		return 0;
	for (size_t i = 0;; i++) {
		char c;

		if (read_element(r, i, list, err) < 0)
			return -1;
		c = next_char(r);
		if (c == ']')
			return 0;
		if (c != ',')
			return fail_here(r, "',' or ']' expected", err);
		r->at++;
	}
}

int jconf_load_list(const char *bytes, size_t len, const char *what, const struct jconf_list *list,
		    struct cni_error *err)
{
	struct reader r = { .bytes = bytes, .what = what, .len = len };

	if (next_char(&r) != '[')
		return fail_here(&r, "expected a list: [ ... ]", err);
	r.at++;
	if (read_elements(&r, list, err) < 0)
		return -1;
	r.at++;
	(void)next_char(&r);
	return r.at == len ? 0 : fail_here(&r, "end of file expected", err);
}
