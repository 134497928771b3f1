/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cni/jout.h"

#include <stdlib.h>
#include <string.h>

#include "base/scoped.h"

json_t *jout_set(struct jout *o, json_t *obj, const char *key, json_t *value)
{
	if (json_object_set_new(obj, key, value) < 0) {
		o->broken = true;
		return NULL;
	}
	return value;
}

json_t *jout_append(struct jout *o, json_t *array, json_t *value)
{
	if (json_array_append_new(array, value) < 0) {
		o->broken = true;
		return NULL;
	}
	return value;
}

void jout_text(struct jout *o, json_t *obj, const char *key, const char *s)
{
	if (s != NULL && s[0] != '\0')
		(void)jout_set(o, obj, key, jout_string(s));
}

void jout_uint(struct jout *o, json_t *obj, const char *key, json_int_t v)
{
	if (v != 0)
		(void)jout_set(o, obj, key, json_integer(v));
}

/* Bytes of the valid UTF-8 character at `s`, or 0. */
static size_t utf8_len(const char *s)
{
	size_t n = 1;

	if ((unsigned char)s[0] < 0x80)
		return 1;
	while (n < 4 && ((unsigned char)s[n] & 0xc0) == 0x80)
		n++;
	for (size_t len = n; len > 1; len--) {
		json_t *one = json_stringn(s, len);

		json_decref(one);
		if (one != NULL)
			return len;
	}
	return 0;
}

static json_t *repaired(const char *s)
{
	static const char replacement[] = "\xef\xbf\xbd";
	scoped_free char *clean = malloc(strlen(s) * 3 + 1);
	size_t used = 0;

	if (clean == NULL)
		return NULL;
	while (*s != '\0') {
		size_t len = utf8_len(s);

		memcpy(clean + used, len != 0 ? s : replacement, len != 0 ? len : 3);
		used += len != 0 ? len : 3;
		s += len != 0 ? len : 1;
	}
	return json_stringn(clean, used);
}

json_t *jout_string(const char *s)
{
	json_t *valid = json_string(s);

	return valid != NULL ? valid : repaired(s);
}
