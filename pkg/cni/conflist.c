/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cni/conflist.h"

#include <string.h>

#include "base/scoped.h"
#include "cni/call.h"
#include "conf/jconf.h"

#define PLUGINS_MAX 64

static bool is_of_type(const json_t *entry, const char *type)
{
	const char *text = json_string_value(jconf_get(entry, "type"));

	return text != NULL && strcmp(text, type) == 0;
}

/* *ret borrowed from the list. */
static int find_entry(json_t *plugins, const char *type, json_t **ret, struct cni_error *err)
{
	static const struct jpath at = { .key = "plugins" };
	json_t *found = NULL;
	size_t n;

	if (jconf_array(plugins, &at, PLUGINS_MAX, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		json_t *entry = json_array_get(plugins, i);

		if (!is_of_type(entry, type))
			continue;
		if (found != NULL)
			return jconf_fail(err, CNI_INVALID_CONFIG, &at,
					  "two entries are of type \"%s\"; one is allowed", type);
		found = entry;
	}
	if (found == NULL)
		return jconf_fail(err, CNI_INVALID_CONFIG, &at, "no entry is of type \"%s\"", type);
	*ret = found;
	return 0;
}

static int check_name(const json_t *doc, struct cni_error *err)
{
	static const struct jpath at = { .key = "name" };
	const char *name = "";
	const json_t *value = jconf_get(doc, "name");

	if (value != NULL && jconf_str(value, &at, 0, &name, err) < 0)
		return -1;
	return cni_name_valid(name)
		   ? 0
		   : jconf_fail(err, CNI_INVALID_CONFIG, &at,
				"\"%s\" is no network name: letters, digits, '_', '.', '-' are, "
				"and it begins with a letter or digit",
				name);
}

static int make_entry(json_t *doc, const char *type, json_t **ret, struct cni_error *err)
{
	json_t *plugins = jconf_get(doc, "plugins"), *entry = doc;
	json_t *version = jconf_get(doc, "cniVersion");
	scoped_json json_t *copy = NULL;

	if (check_name(doc, err) < 0)
		return -1;
	if (plugins != NULL && find_entry(plugins, type, &entry, err) < 0)
		return -1;
	if (!is_of_type(entry, type))
		return cni_fail(err, CNI_INVALID_CONFIG,
				"type: not \"%s\", and there is no list of plugins", type);
	copy = json_copy(entry);
	if (copy == NULL || json_object_set(copy, "name", jconf_get(doc, "name")) < 0 ||
	    (version != NULL && json_object_set(copy, "cniVersion", version) < 0))
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	*ret = take_ptr(&copy);
	return 0;
}

int cni_conflist_entry(const char *text, size_t len, const char *what, const char *type,
		       json_t **ret, struct cni_error *err)
{
	scoped_json json_t *doc = NULL;

	if (jconf_load(text, len, what, &doc, err) < 0)
		return -1;
	return make_entry(doc, type, ret, err) < 0 ? cni_wrap(err, "%s", what) : 0;
}
