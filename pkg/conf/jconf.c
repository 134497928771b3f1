/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf/jconf.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"

#define VALUE_TEXT 132 /* of a value shown in an error */

static int collect(const char *chunk, size_t len, void *ctx)
{
	struct text *t = ctx;

	text_add(t, "%.*s", (int)len, chunk);
	return t->cut ? -1 : 0;
}

/* A JSON value as one line of valid UTF-8; a long one is cut. */
static void value_text(const json_t *value, char buf[VALUE_TEXT])
{
	struct text t;

	text_init(&t, buf, VALUE_TEXT - sizeof("…"));
	(void)json_dump_callback(value, collect, &t, JSON_ENCODE_ANY | JSON_COMPACT);
	if (!t.cut)
		return;
	while (t.len > 0 && ((unsigned char)buf[t.len - 1] & 0xc0) == 0x80)
		t.len--;
	if (t.len > 0 && (unsigned char)buf[t.len - 1] >= 0xc0)
		t.len--;
	memcpy(buf + t.len, "…", sizeof("…"));
}

int jconf_fail(struct cni_error *err, int code, const struct jpath *at, const char *fmt, ...)
{
	char path[JPATH_MAX];
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = cni_vfail(err, code, 0, fmt, ap);
	va_end(ap);
	jpath_print(at, path, sizeof(path));
	return r < 0 ? cni_wrap(err, "%s", path) : 0;
}

/* "mtu: "x" is not an integer" */
static int fail_value(struct cni_error *err, int code, const struct jpath *at, const json_t *value,
		      const char *problem)
{
	char shown[VALUE_TEXT];

	value_text(value, shown);
	return jconf_fail(err, code, at, "%s %s", shown, problem);
}

json_t *jconf_get(const json_t *obj, const char *key)
{
	json_t *found = json_object_get(obj, key);
	const char *name;
	json_t *value;

	if (found != NULL && !json_is_null(found))
		return found;
	found = NULL;
	json_object_foreach((json_t *)obj, name, value) {
		if (!json_is_null(value) && text_equal_nocase(name, key))
			found = value;
	}
	return found;
}

int jconf_array(const json_t *value, const struct jpath *at, size_t max, size_t *ret_n,
		struct cni_error *err)
{
	size_t n = json_array_size(value);

	if (value != NULL && !json_is_null(value) && !json_is_array(value))
		return fail_value(err, CNI_DECODE, at, value, "is not a list");
	if (n > max)
		return jconf_fail(err, CNI_INVALID_CONFIG, at,
				  "the list has %zu elements, at most %zu are allowed", n, max);
	*ret_n = n;
	return 0;
}

int jconf_str(const json_t *value, const struct jpath *at, size_t max, const char **ret,
	      struct cni_error *err)
{
	const char *s = json_string_value(value);

	if (s == NULL)
		return fail_value(err, CNI_DECODE, at, value, "is not a string");
	if (strlen(s) != json_string_length(value))
		return fail_value(err, CNI_INVALID_CONFIG, at, value, "contains a NUL character");
	if (max == 0)
		max = JCONF_STR_MAX;
	if (json_string_length(value) > max)
		return jconf_fail(err, CNI_INVALID_CONFIG, at,
				  "the text has %zu bytes, at most %zu are allowed",
				  json_string_length(value), max);
	*ret = s;
	return 0;
}

int jconf_mac(const char *text, const struct jpath *at, struct mac *ret, bool *ret_given,
	      struct cni_error *err)
{
	struct mac mac;

	if (text[0] == '\0')
		return 0;
	if (!mac_parse(text, &mac))
		return jconf_fail(err, CNI_INVALID_CONFIG, at, "\"%s\" is not a MAC address", text);
	if (mac_is_zero(&mac) || mac_is_multicast(&mac))
		return jconf_fail(err, CNI_INVALID_CONFIG, at,
				  "\"%s\" is no unicast MAC address: an interface cannot have it",
				  text);
	*ret = mac;
	*ret_given = true;
	return 0;
}

int jconf_choice(const json_t *value, const struct jpath *at, const struct jchoice *choice,
		 size_t *ret_index, struct cni_error *err)
{
	char allowed[VALUE_TEXT];
	const char *s = "";
	struct text t;
	size_t i = 0;

	if (jconf_str(value, at, JCONF_STR_MAX, &s, err) < 0)
		return -1;
	while (i < choice->n && strcmp(s, choice->names[i]) != 0)
		i++;
	if (i < choice->n || s[0] == '\0') {
		*ret_index = i;
		return 0;
	}
	text_init(&t, allowed, sizeof(allowed));
	for (i = 0; i < choice->n; i++)
		text_add(&t, "%s%s", i > 0 ? " or " : "", choice->names[i]);
	return jconf_fail(err, CNI_INVALID_CONFIG, at, "%s \"%s\" (%s)", choice->problem, s,
			  allowed);
}

int jconf_bool(const json_t *value, const struct jpath *at, bool *ret, struct cni_error *err)
{
	if (!json_is_boolean(value))
		return fail_value(err, CNI_DECODE, at, value, "is neither true nor false");
	*ret = json_is_true(value);
	return 0;
}

static int check_integer(const json_t *value, const struct jpath *at, struct cni_error *err)
{
	if (json_is_real(value))
		return fail_value(err, CNI_DECODE, at, value,
				  "is not an integer (no fraction and no exponent is allowed)");
	if (!json_is_integer(value))
		return fail_value(err, CNI_DECODE, at, value, "is not an integer");
	return 0;
}

int jconf_uint(const json_t *value, const struct jpath *at, uint64_t min, uint64_t max,
	       uint64_t *ret, struct cni_error *err)
{
	json_int_t v = json_integer_value(value);

	if (check_integer(value, at, err) < 0)
		return -1;
	if (max == 0)
		max = UINT64_MAX;
	if (v < 0 || (uint64_t)v < min || (uint64_t)v > max)
		return jconf_fail(err, CNI_INVALID_CONFIG, at,
				  "%" JSON_INTEGER_FORMAT " is out of range, allowed is %" PRIu64
				  " to %" PRIu64,
				  v, min, max);
	*ret = (uint64_t)v;
	return 0;
}

int jconf_int(const json_t *value, const struct jpath *at, int64_t min, int64_t max, int64_t *ret,
	      struct cni_error *err)
{
	json_int_t v = json_integer_value(value);

	if (check_integer(value, at, err) < 0)
		return -1;
	if (v < min || v > max)
		return jconf_fail(err, CNI_INVALID_CONFIG, at,
				  "%" JSON_INTEGER_FORMAT " is out of range, allowed is %" PRId64
				  " to %" PRId64,
				  v, min, max);
	*ret = v;
	return 0;
}

int jconf_ip(const json_t *value, const struct jpath *at, struct ip *ret, struct cni_error *err)
{
	const char *s;

	if (jconf_str(value, at, 0, &s, err) < 0)
		return -1;
	if (!ip_parse(s, ret))
		return fail_value(err, CNI_INVALID_CONFIG, at, value, "is not an IP address");
	return 0;
}

int jconf_ipnet(const json_t *value, const struct jpath *at, struct ipnet *ret,
		struct cni_error *err)
{
	const char *s;

	if (jconf_str(value, at, 0, &s, err) < 0)
		return -1;
	if (!ipnet_parse(s, ret))
		return fail_value(err, CNI_INVALID_CONFIG, at, value, "is not an IP prefix");
	return 0;
}

static int fill_uint(const json_t *value, const struct jpath *at, const struct jfield *f,
		     uint32_t *member, struct cni_error *err)
{
	uint64_t max = f->max == 0 || f->max > UINT32_MAX ? UINT32_MAX : f->max;
	uint64_t v = 0;

	if (jconf_uint(value, at, f->min, max, &v, err) < 0)
		return -1;
	*member = (uint32_t)v;
	return 0;
}

static int fill_mac(const json_t *value, const struct jpath *at, struct mac *member,
		    struct cni_error *err)
{
	const char *text;
	bool given;

	if (jconf_str(value, at, 64, &text, err) < 0)
		return -1;
	return jconf_mac(text, at, member, &given, err);
}

static int fill_one(const json_t *value, const struct jpath *at, const struct jfield *f,
		    void *member, struct cni_error *err)
{
	switch (f->type) {
	case J_BOOL:
		return jconf_bool(value, at, member, err);
	case J_UINT:
		return fill_uint(value, at, f, member, err);
	case J_INT64:
		return jconf_int(value, at, f->imin, (int64_t)f->max, member, err);
	case J_UINT64:
		return jconf_uint(value, at, f->min, f->max, member, err);
	case J_STR:
		return jconf_str(value, at, f->max, member, err);
	case J_IP:
		return jconf_ip(value, at, member, err);
	case J_IPNET:
		return jconf_ipnet(value, at, member, err);
	case J_MAC:
		return fill_mac(value, at, member, err);
	case J_TABLE:
		return jconf_fill(value, at, f->table, f->n_table, member, err);
	case J_CUSTOM:
		return f->custom(value, at, member, err);
	}
	return jconf_fail(err, CNI_INTERNAL, at, "a table with an unknown type");
}

/* The value of a field, or NULL where the user's text means "absent". */
static const json_t *field_value(const json_t *obj, const struct jfield *f)
{
	const json_t *value = jconf_get(obj, f->key);

	if ((f->type == J_IP || f->type == J_MAC) && json_is_string(value) &&
	    json_string_length(value) == 0)
		return NULL;
	return value;
}

int jconf_fill(const json_t *obj, const struct jpath *at, const struct jfield *fields, size_t n,
	       void *out, struct cni_error *err)
{
	if (obj != NULL && !json_is_null(obj) && !json_is_object(obj))
		return fail_value(err, CNI_DECODE, at, obj, "is not an object");
	for (size_t i = 0; i < n; i++) {
		const struct jfield *f = &fields[i];
		const struct jpath here = { .up = at, .key = f->key };
		const json_t *value = field_value(obj, f);

		if (value == NULL && f->required)
			return jconf_fail(err, CNI_INVALID_CONFIG, &here,
					  "the key is missing and required");
		if (value == NULL)
			continue;
		if (fill_one(value, &here, f, (char *)out + f->offset, err) < 0)
			return -1;
		if (f->has)
			*(bool *)((char *)out + f->has_offset) = true;
	}
	return 0;
}

int jconf_load(const char *bytes, size_t len, const char *what, json_t **ret, struct cni_error *err)
{
	char shown[VALUE_TEXT];
	json_error_t why;
	scoped_json json_t *doc = json_loadb(bytes, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);

	if (doc == NULL && len == 0)
		return cni_fail(err, CNI_DECODE, "%s: empty, expected a JSON object", what);
	if (doc == NULL)
		return cni_fail(err, CNI_DECODE, "%s: line %d, column %d: %s", what, why.line,
				why.column, why.text);
	if (!json_is_null(doc) && !json_is_object(doc)) {
		value_text(doc, shown);
		return cni_fail(err, CNI_DECODE, "%s: expected a JSON object, not %s", what, shown);
	}
	/* Out of memory gives NULL, which every reader here takes for an empty object. */
	*ret = json_is_null(doc) ? json_object() : take_ptr(&doc);
	return 0;
}

int jconf_object(const json_t *value, const struct jpath *at, void *member, struct cni_error *err)
{
	(void)member;
	return json_is_object(value) ? 0
				     : jconf_fail(err, CNI_DECODE, at, "expected a JSON object");
}
