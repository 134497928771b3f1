/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/fs.h"
#include "base/scoped.h"
#include "base/text.h"
#include "cni/call.h"
#include "cni/codec.h"
#include "conf/jconf.h"

/* The keys that every plugin's configuration shares. */
struct shared_conf {
	const char *name, *version, *type, *ipam_type;
};

static int parse_capabilities(const json_t *value, const struct jpath *at, void *member,
			      struct cni_error *err)
{
	const char *key;
	json_t *one;
	bool on;

	(void)member; /* only checked: the runtime has acted on it already */
	if (!json_is_object(value))
		return jconf_fail(err, CNI_DECODE, at, "must be an object of true and false");
	json_object_foreach((json_t *)(uintptr_t)value, key, one) {
		const struct jpath here = { .up = at, .key = key };

		if (!json_is_null(one) && jconf_bool(one, &here, &on, err) < 0)
			return -1;
	}
	return 0;
}

static const struct jfield ipam_fields[] = { { "type", J_STR } };

static const struct jfield shared_fields[] = {
	{ "name", J_STR, .offset = offsetof(struct shared_conf, name) },
	{ "cniVersion", J_STR, .offset = offsetof(struct shared_conf, version) },
	{ "type", J_STR, .offset = offsetof(struct shared_conf, type) },
	{ "ipam", jconf_table(ipam_fields), .offset = offsetof(struct shared_conf, ipam_type) },
	{ "capabilities", J_CUSTOM, .custom = parse_capabilities },
};

static int bad_name(const char *name, struct cni_error *err)
{
	int r = cni_fail(err, CNI_INVALID_CONFIG, "invalid characters found in network name");

	cni_details(err,
		    "name: \"%s\" must be letters, digits, '_', '.' and '-', a letter or digit "
		    "first",
		    name);
	return r;
}

static int check_name(const char *name, struct cni_error *err)
{
	if (name == NULL || name[0] == '\0')
		return cni_fail(err, CNI_INVALID_CONFIG, "missing network name");
	return cni_name_valid(name) ? 0 : bad_name(name, err);
}

int cni_call_read(struct cni_call *call, int in_fd, struct cni_error *err)
{
	static const char what[] = "the network configuration on stdin";
	struct shared_conf shared = { 0 };
	struct cni_args *args = &call->args;

	if (fs_read_all(in_fd, CNI_STDIN_MAX, what, &call->text, &args->stdin_len, err) < 0)
		return -1;
	args->stdin_text = call->text;
	if (jconf_load(call->text, args->stdin_len, what, &call->doc, err) < 0)
		return -1;
	args->conf = call->doc;
	if (jconf_fill(call->doc, NULL, shared_fields, ARRAY_SIZE(shared_fields), &shared, err) < 0)
		return -1;
	if (check_name(shared.name, err) < 0)
		return -1;
	args->network = shared.name;
	if (shared.ipam_type != NULL && shared.ipam_type[0] != '\0')
		args->ipam_type = shared.ipam_type;
	return 0;
}

/* ---- version ---- */

/* `["0.3.0" "0.3.1"]` */
static void supported_text(const struct cni_plugin *plugin, char *buf, size_t cap)
{
	struct text t;

	text_init(&t, buf, cap);
	for (int v = (int)plugin->oldest; v < CNI_N_VERSIONS; v++)
		text_add(&t, "%s\"%s\"", t.len == 0 ? "[" : " ",
			 cni_version_text((enum cni_version)v));
	text_add(&t, "]");
}

static int incompatible(const struct cni_call *call, const char *version, struct cni_error *err)
{
	int r = cni_fail(err, CNI_INCOMPATIBLE_VERSION, "incompatible CNI versions");
	char supported[128];

	supported_text(call->plugin, supported, sizeof(supported));
	cni_details(err, "config is \"%s\", plugin supports %s", version, supported);
	return r;
}

static int verb_refused(const char *who, const char *verb, const char *version, const char *limit,
			struct cni_error *err)
{
	int r = cni_fail(err, CNI_INCOMPATIBLE_VERSION, "%s version does not allow %s", who, verb);

	cni_details(err, "config is \"%s\", %s %s \"%s\"", version, verb,
		    strcmp(who, "config") == 0 ? "needs at least" : "is supported up to", limit);
	return r;
}

/* VER-02, VER-04, VER-05: the younger verbs compare numbers before they compare texts. */
static int check_verb_version(const char *verb, const char *version, const char *since,
			      struct cni_error *err)
{
	const char *newest = cni_version_text(CNI_V_NEWEST);
	struct version_num num, least, most;

	if (!cni_version_parse(version, &num))
		return cni_fail(err, CNI_DECODE, "cniVersion: \"%s\" is not a version", version);
	if (cni_version_parse(since, &least) && cni_version_cmp(&num, &least) < 0)
		return verb_refused("config", verb, version, since, err);
	if (cni_version_parse(newest, &most) && cni_version_cmp(&num, &most) > 0)
		return verb_refused("plugin", verb, version, newest, err);
	return 0;
}

int cni_call_version(struct cni_call *call, struct cni_error *err)
{
	enum cni_verb verb = call->args.verb;
	const char *text = json_string_value(jconf_get(call->doc, "cniVersion"));
	enum cni_version version;

	if (text == NULL || text[0] == '\0') /* IN-07 */
		text = cni_version_text(CNI_V010);
	if (verb == CNI_CHECK && check_verb_version("CHECK", text, "0.4.0", err) < 0)
		return -1;
	if ((verb == CNI_GC || verb == CNI_STATUS) &&
	    check_verb_version(cni_verb_text(verb), text, "1.1.0", err) < 0)
		return -1;
	if (!cni_version_exact(text, &version) || version < call->plugin->oldest)
		return incompatible(call, text, err);
	call->args.version = version;
	call->version_known = true;
	return 0;
}

/* ---- prevResult ---- */

static int missing_prev(const struct cni_call *call, struct cni_error *err)
{
	int r = cni_fail(err, CNI_INVALID_CONFIG, "%s must be called as a chained plugin",
			 call->plugin->name);

	cni_details(err, "prevResult is missing: put the plugin behind an interface plugin in the "
			 "network's list of plugins");
	return r;
}

int cni_call_prev(struct cni_call *call, struct cni_error *err)
{
	static const struct jpath at = { .key = "prevResult" };
	const json_t *prev = jconf_get(call->doc, at.key);
	struct cni_args *args = &call->args;

	if (args->verb != CNI_ADD && args->verb != CNI_CHECK && args->verb != CNI_DEL)
		return 0;
	if (prev == NULL)
		return call->plugin->chained && args->verb != CNI_DEL ? missing_prev(call, err) : 0;
	if (cni_result_decode(prev, &at, args->version, &args->prev, err) == 0) {
		args->has_prev = true;
		return 0;
	}
	if (args->verb == CNI_DEL) { /* DEL-15: what is to be removed is known without it */
		cni_note("%s: DEL goes on without prevResult: %s", call->plugin->name, err->msg);
		cni_clear(err);
		return 0;
	}
	err->code = CNI_DECODE;
	return -1;
}
