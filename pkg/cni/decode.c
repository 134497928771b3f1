/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Results of every version, read into the newest form. What can be computed is computed and not
 * believed: the "version" of an address is ignored (CNV-07). Unknown keys are left out (PRV-05).
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/scoped.h"
#include "base/text.h"
#include "cni/codec.h"
#include "conf/jconf.h"

/* ---- dns ---- */

static int no_memory(struct cni_error *err)
{
	return cni_fail(err, CNI_INTERNAL, "no memory for the result");
}

static int read_strings(const json_t *value, const struct jpath *at, char ***ret, size_t *ret_n,
			struct cni_error *err)
{
	size_t n;

	if (jconf_array(value, at, CNI_RESULT_MAX, &n, err) < 0)
		return -1;
	*ret = calloc(n + 1, sizeof(**ret));
	if (*ret == NULL)
		return no_memory(err);
	for (size_t i = 0; i < n; i++) {
		const struct jpath here = { .up = at, .idx = i };
		const char *s;

		if (jconf_str(json_array_get(value, i), &here, 0, &s, err) < 0)
			return -1;
		(*ret)[i] = strdup(s);
		if ((*ret)[i] == NULL)
			return no_memory(err);
		*ret_n = i + 1;
	}
	return 0;
}

static int dns_nameservers(const json_t *value, const struct jpath *at, void *member,
			   struct cni_error *err)
{
	struct cni_dns *dns = member;

	dns->present = true;
	return read_strings(value, at, &dns->nameservers, &dns->n_nameservers, err);
}

static int dns_search(const json_t *value, const struct jpath *at, void *member,
		      struct cni_error *err)
{
	struct cni_dns *dns = member;

	dns->present = true;
	return read_strings(value, at, &dns->search, &dns->n_search, err);
}

static int dns_options(const json_t *value, const struct jpath *at, void *member,
		       struct cni_error *err)
{
	struct cni_dns *dns = member;

	dns->present = true;
	return read_strings(value, at, &dns->options, &dns->n_options, err);
}

static int dns_domain(const json_t *value, const struct jpath *at, void *member,
		      struct cni_error *err)
{
	struct cni_dns *dns = member;
	const char *s;

	if (jconf_str(value, at, 0, &s, err) < 0)
		return -1;
	if (s[0] == '\0')
		return 0;
	dns->present = true;
	dns->domain = strdup(s);
	return dns->domain != NULL ? 0 : no_memory(err);
}

static const struct jfield dns_fields[] = {
	{ "nameservers", J_CUSTOM, .custom = dns_nameservers },
	{ "domain", J_CUSTOM, .custom = dns_domain },
	{ "search", J_CUSTOM, .custom = dns_search },
	{ "options", J_CUSTOM, .custom = dns_options },
};

int cni_dns_decode(const json_t *obj, const struct jpath *at, struct cni_dns *ret,
		   struct cni_error *err)
{
	struct cni_dns dns = { 0 };

	if (jconf_fill(obj, at, dns_fields, ARRAY_SIZE(dns_fields), &dns, err) < 0) {
		cni_dns_free(&dns);
		return -1;
	}
	*ret = dns;
	return 0;
}

/* ---- routes ---- */

static int route_scope(const json_t *value, const struct jpath *at, void *member,
		       struct cni_error *err)
{
	uint64_t v;

	if (jconf_uint(value, at, 0, UINT8_MAX, &v, err) < 0)
		return -1;
	*(uint8_t *)member = (uint8_t)v;
	return 0;
}

static const struct jfield route_fields[] = {
	{ "dst", J_IPNET, .required = true, .offset = offsetof(struct route, dst) },
	{ "gw", J_IP, .offset = offsetof(struct route, gw), .has = true,
	  .has_offset = offsetof(struct route, has_gw) },
	{ "mtu", J_UINT, .offset = offsetof(struct route, mtu) },
	{ "advmss", J_UINT, .offset = offsetof(struct route, advmss) },
	{ "priority", J_UINT, .offset = offsetof(struct route, priority) },
	{ "table", J_UINT, .offset = offsetof(struct route, table), .has = true,
	  .has_offset = offsetof(struct route, has_table) },
	{ "scope", J_CUSTOM, .offset = offsetof(struct route, scope), .has = true,
	  .has_offset = offsetof(struct route, has_scope), .custom = route_scope },
};

static int fill_route(const json_t *obj, const struct jpath *at, struct route *route,
		      struct cni_error *err)
{
	return jconf_fill(obj, at, route_fields, ARRAY_SIZE(route_fields), route, err);
}

int cni_route_decode(const json_t *obj, const struct jpath *at, struct route *ret,
		     struct cni_error *err)
{
	struct route route = { 0 };

	if (fill_route(obj, at, &route, err) < 0)
		return -1;
	if (route.has_gw && ip_is4(&route.gw) != ip_is4(&route.dst.addr))
		return jconf_fail(err, CNI_INVALID_CONFIG, at,
				  "dst and gw are of different IP versions");
	*ret = route;
	return 0;
}

static int read_routes(const json_t *value, const struct jpath *at, void *member,
		       struct cni_error *err)
{
	size_t n;

	if (jconf_array(value, at, CNI_RESULT_MAX, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct jpath here = { .up = at, .idx = i };
		struct route route = { 0 };

		/* A route of somebody else's plugin (IPv4 via IPv6, say) is not ours to judge. */
		if (fill_route(json_array_get(value, i), &here, &route, err) < 0 ||
		    cni_result_add_route(member, &route, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- addresses ---- */

static int ip_index(const json_t *value, const struct jpath *at, void *member,
		    struct cni_error *err)
{
	uint64_t v;

	if (jconf_uint(value, at, 0, INT_MAX, &v, err) < 0)
		return -1;
	*(int *)member = (int)v;
	return 0;
}

static const struct jfield ip_fields[] = {
	{ "address", J_IPNET, .required = true, .offset = offsetof(struct ip_config, address) },
	{ "gateway", J_IP, .offset = offsetof(struct ip_config, gateway), .has = true,
	  .has_offset = offsetof(struct ip_config, has_gateway) },
	{ "interface", J_CUSTOM, .offset = offsetof(struct ip_config, interface),
	  .custom = ip_index },
};

static int read_ips(const json_t *value, const struct jpath *at, void *member,
		    struct cni_error *err)
{
	size_t n;

	if (jconf_array(value, at, CNI_RESULT_MAX, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct jpath here = { .up = at, .idx = i };
		struct ip_config ip = { .interface = -1 };

		if (jconf_fill(json_array_get(value, i), &here, ip_fields, ARRAY_SIZE(ip_fields),
			       &ip, err) < 0 ||
		    cni_result_add_ip(member, &ip, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- interfaces ---- */

struct interface_text {
	const char *name, *mac, *sandbox, *socket_path, *pci_id;
	uint32_t mtu;
};

static const struct jfield interface_fields[] = {
	{ "name", J_STR, .offset = offsetof(struct interface_text, name) },
	{ "mac", J_STR, .offset = offsetof(struct interface_text, mac) },
	{ "mtu", J_UINT, .offset = offsetof(struct interface_text, mtu) },
	{ "sandbox", J_STR, .offset = offsetof(struct interface_text, sandbox) },
	{ "socketPath", J_STR, .offset = offsetof(struct interface_text, socket_path) },
	{ "pciID", J_STR, .offset = offsetof(struct interface_text, pci_id) },
};

/* "" and absent are the same in a result; NULL is how the struct says it. */
static const char *or_null(const char *s)
{
	return s != NULL && s[0] != '\0' ? s : NULL;
}

static void lower(char *s)
{
	for (; s != NULL && *s != '\0'; s++) {
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s - 'A' + 'a');
	}
}

static int add_interface(struct cni_result *r, const struct interface_text *in,
			 struct cni_error *err)
{
	struct cni_interface *added;

	if (cni_result_add_interface(r, in->name != NULL ? in->name : "", or_null(in->mac), in->mtu,
				     or_null(in->sandbox), err) < 0)
		return -1;
	added = &r->interfaces[r->n_interfaces - 1];
	lower(added->mac);
	if (or_null(in->socket_path) != NULL) {
		added->socket_path = strdup(in->socket_path);
		if (added->socket_path == NULL)
			return no_memory(err);
	}
	if (or_null(in->pci_id) != NULL) {
		added->pci_id = strdup(in->pci_id);
		if (added->pci_id == NULL)
			return no_memory(err);
	}
	return 0;
}

static int read_interfaces(const json_t *value, const struct jpath *at, void *member,
			   struct cni_error *err)
{
	size_t n;

	if (jconf_array(value, at, CNI_RESULT_MAX, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct jpath here = { .up = at, .idx = i };
		struct interface_text in = { 0 };

		if (jconf_fill(json_array_get(value, i), &here, interface_fields,
			       ARRAY_SIZE(interface_fields), &in, err) < 0 ||
		    add_interface(member, &in, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- the three layouts ---- */

static int read_dns(const json_t *value, const struct jpath *at, void *member,
		    struct cni_error *err)
{
	return cni_dns_decode(value, at, &((struct cni_result *)member)->dns, err);
}

static const struct jfield list_fields[] = {
	{ "interfaces", J_CUSTOM, .custom = read_interfaces },
	{ "ips", J_CUSTOM, .custom = read_ips },
	{ "routes", J_CUSTOM, .custom = read_routes },
	{ "dns", J_CUSTOM, .custom = read_dns },
};

static const struct jfield family_fields[] = {
	{ "ip", J_IPNET, .required = true, .offset = offsetof(struct ip_config, address) },
	{ "gateway", J_IP, .offset = offsetof(struct ip_config, gateway), .has = true,
	  .has_offset = offsetof(struct ip_config, has_gateway) },
};

/* ip4 and ip6 of 0.1 and 0.2: an address and its routes (CNV-02). */
static int read_family(const json_t *value, const struct jpath *at, void *member,
		       struct cni_error *err)
{
	const struct jpath routes = { .up = at, .key = "routes" };
	struct ip_config ip = { .interface = -1 };
	const json_t *list = jconf_get(value, "routes");

	if (jconf_fill(value, at, family_fields, ARRAY_SIZE(family_fields), &ip, err) < 0 ||
	    cni_result_add_ip(member, &ip, err) < 0)
		return -1;
	return list != NULL ? read_routes(list, &routes, member, err) : 0;
}

static const struct jfield legacy_fields[] = {
	{ "ip4", J_CUSTOM, .custom = read_family },
	{ "ip6", J_CUSTOM, .custom = read_family },
	{ "dns", J_CUSTOM, .custom = read_dns },
};

/* PRV-02, PRV-03: the same family, whatever the number; absent and "" mean the caller's. */
static int check_inner_version(const json_t *obj, const struct jpath *at, enum cni_version v,
			       struct cni_error *err)
{
	const struct jpath here = { .up = at, .key = "cniVersion" };
	const json_t *value = jconf_get(obj, "cniVersion");
	enum cni_version inner;
	const char *s;

	if (value == NULL)
		return 0;
	if (jconf_str(value, &here, 0, &s, err) < 0)
		return -1;
	if (s[0] == '\0')
		return 0;
	if (!cni_version_exact(s, &inner))
		return jconf_fail(err, CNI_DECODE, &here, "unsupported CNI result version \"%s\"",
				  s);
	if (!cni_version_same_family(inner, v))
		return jconf_fail(err, CNI_DECODE, &here,
				  "a result of version %s cannot be read under configuration "
				  "version %s",
				  s, cni_version_text(v));
	return 0;
}

int cni_result_decode(const json_t *obj, const struct jpath *at, enum cni_version v,
		      struct cni_result *out, struct cni_error *err)
{
	const struct jfield *fields = v <= CNI_V020 ? legacy_fields : list_fields;
	size_t n = v <= CNI_V020 ? ARRAY_SIZE(legacy_fields) : ARRAY_SIZE(list_fields);
	struct cni_result result = { 0 };

	if (check_inner_version(obj, at, v, err) < 0)
		return -1;
	if (jconf_fill(obj, at, fields, n, &result, err) < 0) {
		cni_result_free(&result);
		return -1;
	}
	*out = result;
	return 0;
}
