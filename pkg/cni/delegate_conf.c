/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cni/delegate_conf.h"

#include <limits.h>
#include <string.h>

#include "base/text.h"
#include "cni/codec.h"
#include "conf/jconf.h"

void delegate_conf_free(struct delegate_conf *d)
{
	json_decref(d->doc);
	free(d->text);
	*d = (struct delegate_conf){ .len = 0 };
}

static int no_memory(struct cni_error *err)
{
	return cni_fail(err, CNI_INTERNAL, "no memory for the delegate's configuration");
}

/* ---- what the delegate may be told; its keys are another program's and match exactly */

static int check_type(const json_t *delegate, struct cni_error *err)
{
	static const struct jpath up = { .key = "delegate" };
	static const struct jpath at = { .up = &up, .key = "type" };
	const json_t *type = json_object_get(delegate, "type");
	const char *text;

	if (type == NULL)
		return 0;
	if (!json_is_string(type))
		return cni_fail(
		    err, CNI_DECODE,
		    "'delegate' dictionary, if present, must have (string) 'type' field");
	return jconf_str(type, &at, NAME_MAX, &text, err);
}

int delegate_conf_check(const json_t *conf, const char *who, struct cni_error *err)
{
	static const char *const ours[] = { "name", "ipam" };
	const json_t *delegate = jconf_get(conf, "delegate");

	if (check_type(delegate, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
		if (json_object_get(delegate, ours[i]) != NULL)
			return cni_fail(err, CNI_INVALID_CONFIG,
					"'delegate' dictionary must not have '%s' field, it'll be "
					"set by %s",
					ours[i], who);
	}
	return 0;
}

/* ---- members; false without memory; `value` is taken over */

static bool put(json_t *obj, const char *key, json_t *value)
{
	return json_object_set_new(obj, key, value) == 0;
}

static bool put_default(json_t *obj, const char *key, json_t *value)
{
	if (json_object_get(obj, key) == NULL)
		return put(obj, key, value);
	json_decref(value);
	return true;
}

static bool put_number(json_t *obj, const char *key, uint32_t value)
{
	return value == 0 || put(obj, key, json_integer(value));
}

static bool put_prefix(json_t *obj, const char *key, const struct ipnet *net)
{
	char text[IPNET_TEXT];

	ipnet_print(net, text);
	return put(obj, key, json_string(text));
}

/* ---- routes: the user's, then one per network of the cluster */

static bool append_route(json_t *list, const struct route *r)
{
	json_t *obj = json_object();
	char gw[IP_TEXT];

	ip_print(&r->gw, gw);
	return json_array_append_new(list, obj) == 0 && put_prefix(obj, "dst", &r->dst) &&
	       (!r->has_gw || put(obj, "gw", json_string(gw))) && put_number(obj, "mtu", r->mtu) &&
	       put_number(obj, "advmss", r->advmss) && put_number(obj, "priority", r->priority) &&
	       (!r->has_table || put(obj, "table", json_integer(r->table))) &&
	       (!r->has_scope || put(obj, "scope", json_integer(r->scope)));
}

static int add_given_routes(json_t *list, const json_t *given, struct cni_error *err)
{
	static const struct jpath up = { .key = "ipam" };
	static const struct jpath at = { .up = &up, .key = "routes" };
	size_t n;

	if (jconf_array(given, &at, CNI_RESULT_MAX, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct jpath here = { .up = &at, .idx = i };
		struct route route;

		if (cni_route_decode(json_array_get(given, i), &here, &route, err) < 0)
			return -1;
		if (!append_route(list, &route))
			return no_memory(err);
	}
	return 0;
}

static bool append_networks(json_t *list, const struct delegate_family *f)
{
	for (size_t i = 0; i < f->n_networks; i++) {
		const struct route route = { .dst = f->networks[i] };

		if (!append_route(list, &route))
			return false;
	}
	return true;
}

/* ---- ipam */

static bool append_range(json_t *list, const struct delegate_family *f)
{
	json_t *set = json_array(), *range = json_object();

	if (!f->has_subnet) {
		json_decref(set);
		json_decref(range);
		return true;
	}
	return json_array_append_new(list, set) == 0 && json_array_append_new(set, range) == 0 &&
	       put_prefix(range, "subnet", &f->subnet);
}

static int build_ipam(const json_t *conf, const struct delegate_wants *w, json_t **ret,
		      struct cni_error *err)
{
	const json_t *given = jconf_get(conf, "ipam");
	scoped_json json_t *ipam =
	    given != NULL ? json_copy((json_t *)(uintptr_t)given) : json_object();
	json_t *ranges = json_array(), *routes = json_array();

	if (!put(ipam, "ranges", ranges)) {
		json_decref(routes);
		return no_memory(err);
	}
	if (add_given_routes(routes, json_object_get(ipam, "routes"), err) < 0) {
		json_decref(routes);
		return cni_wrap(err, "failed to assemble Delegate IPAM: failed to read IPAM "
				     "routes: failed to parse ipam.routes");
	}
	if (!put(ipam, "routes", routes) || !put_default(ipam, "type", json_string("host-local")) ||
	    !append_range(ranges, &w->v4) || !append_range(ranges, &w->v6) ||
	    !append_networks(routes, &w->v4) || !append_networks(routes, &w->v6))
		return no_memory(err);
	*ret = take_ptr(&ipam);
	return 0;
}

/* ---- the whole */

static int print_text(struct delegate_conf *d, struct cni_error *err)
{
	free(d->text);
	d->text = json_dumps(d->doc, JSON_COMPACT | JSON_SORT_KEYS);
	if (d->text == NULL)
		return no_memory(err);
	d->len = strlen(d->text);
	return 0;
}

static int name_parts(struct delegate_conf *d, struct cni_error *err)
{
	static const struct jpath at = { .key = "type" };

	d->network = json_string_value(jconf_get(d->doc, "name"));
	return jconf_str(jconf_get(d->doc, "type"), &at, NAME_MAX, &d->type, err);
}

static bool fill(json_t *doc, const struct cni_args *args, const struct delegate_wants *w)
{
	json_t *runtime = jconf_get(args->conf, "runtimeConfig");
	const char *version = json_string_value(jconf_get(args->conf, "cniVersion"));
	const char *type;

	if ((runtime != NULL && json_object_set(doc, "runtimeConfig", runtime) < 0) ||
	    !put(doc, "name", json_string(args->network)) ||
	    !put_default(doc, "type", json_string("bridge")) ||
	    !put_default(doc, "ipMasq", json_boolean(w->masq)) ||
	    (w->has_mtu && !put_default(doc, "mtu", json_integer(w->mtu))))
		return false;
	type = json_string_value(json_object_get(doc, "type"));
	if (type != NULL && strcmp(type, "bridge") == 0 &&
	    !put_default(doc, "isGateway", json_true()))
		return false;
	return version == NULL || version[0] == '\0' ||
	       put(doc, "cniVersion", json_string(version));
}

int delegate_conf_build(const struct cni_args *args, const struct delegate_wants *w,
			struct delegate_conf *ret, struct cni_error *err)
{
	SCOPED(delegate_conf_free) struct delegate_conf d = { .len = 0 };
	const json_t *given = jconf_get(args->conf, "delegate");
	json_t *ipam = NULL;

	d.doc = given != NULL ? json_copy((json_t *)(uintptr_t)given) : json_object();
	if (d.doc == NULL || !fill(d.doc, args, w))
		return no_memory(err);
	if (build_ipam(args->conf, w, &ipam, err) < 0)
		return -1;
	if (!put(d.doc, "ipam", ipam))
		return no_memory(err);
	if (print_text(&d, err) < 0 || name_parts(&d, err) < 0)
		return -1;
	if (d.len > DELEGATE_CONF_MAX)
		return cni_fail(err, CNI_INVALID_CONFIG,
				"the delegate's configuration has %zu bytes, at most %zu are "
				"allowed",
				d.len, DELEGATE_CONF_MAX);
	*ret = d;
	d = (struct delegate_conf){ .len = 0 };
	return 0;
}

int delegate_conf_decode(const char *text, size_t len, struct delegate_conf *ret,
			 struct cni_error *err)
{
	SCOPED(delegate_conf_free) struct delegate_conf d = { .len = len };

	if (jconf_load(text, len, "the delegate's configuration", &d.doc, err) < 0 ||
	    name_parts(&d, err) < 0)
		return -1;
	d.text = malloc(len + 1);
	if (d.text == NULL)
		return no_memory(err);
	memcpy(d.text, text, len);
	d.text[len] = '\0';
	*ret = d;
	d = (struct delegate_conf){ .len = 0 };
	return 0;
}

/* ---- verbs */

/* Under both names, as libcni sends them (GC-02). */
static bool put_attachments(json_t *doc, const struct cni_args *args)
{
	json_t *list = json_array();
	bool made = put(doc, "cni.dev/valid-attachments", list);

	for (size_t i = 0; i < args->n_valid && made; i++)
		made = json_array_append_new(list, json_pack("{s:s, s:s}", "containerID",
							     args->valid[i].container, "ifname",
							     args->valid[i].ifname)) == 0;
	return made && json_object_set(doc, "cni.dev/attachments", list) == 0;
}

/* In the version of the call: that is prevResult's. */
static bool put_prev(json_t *doc, const struct cni_args *args)
{
	json_t *prev = jconf_get(args->conf, "prevResult");

	return put(doc, "cniVersion", json_string(cni_version_text(args->version))) &&
	       (prev == NULL || json_object_set(doc, "prevResult", prev) == 0);
}

int delegate_conf_complete(const struct cni_args *args, struct delegate_conf *d,
			   struct cni_error *err)
{
	if ((args->verb == CNI_CHECK && !put_prev(d->doc, args)) ||
	    (args->verb == CNI_GC && !put_attachments(d->doc, args)))
		return no_memory(err);
	return print_text(d, err);
}

struct cni_args delegate_conf_call(const struct cni_args *args, const struct delegate_conf *d)
{
	struct cni_args call = *args;

	call.stdin_text = d->text;
	call.stdin_len = d->len;
	return call;
}
