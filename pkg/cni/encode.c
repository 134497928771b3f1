/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A result in the caller's version. There are three layouts, by family (cni-spec.md §1.12,
 * plugins.md §0.3): 0.1 and 0.2 have one address per IP version under ip4 and ip6; 0.3 and 0.4
 * have lists, a "version" in each address, and always "dns"; 1.x has the lists with keys in
 * alphabetical order and leaves out what is empty.
 */
#include <string.h>

#include "base/error.h"
#include "base/scoped.h"
#include "cni/codec.h"
#include "cni/jout.h"
#include "conf/jconf.h"

static void put_strings(struct jout *o, json_t *obj, const char *key, char *const *list, size_t n)
{
	json_t *array;

	if (n == 0)
		return;
	array = jout_set(o, obj, key, json_array());
	for (size_t i = 0; i < n; i++)
		(void)jout_append(o, array, jout_string(list[i]));
}

static bool dns_empty(const struct cni_dns *dns)
{
	return dns->n_nameservers == 0 && dns->n_search == 0 && dns->n_options == 0 &&
	       (dns->domain == NULL || dns->domain[0] == '\0');
}

static void put_dns(struct jout *o, json_t *root, const struct cni_dns *dns, bool sorted)
{
	json_t *obj;

	if (sorted && dns_empty(dns))
		return;
	obj = jout_set(o, root, "dns", json_object());
	if (sorted)
		jout_text(o, obj, "domain", dns->domain);
	put_strings(o, obj, "nameservers", dns->nameservers, dns->n_nameservers);
	if (!sorted)
		jout_text(o, obj, "domain", dns->domain);
	else
		put_strings(o, obj, "options", dns->options, dns->n_options);
	put_strings(o, obj, "search", dns->search, dns->n_search);
	if (!sorted)
		put_strings(o, obj, "options", dns->options, dns->n_options);
}

static void put_ip(struct jout *o, json_t *obj, const char *key, const struct ip *ip)
{
	char text[IP_TEXT];

	ip_print(ip, text);
	jout_text(o, obj, key, text);
}

static void put_ipnet(struct jout *o, json_t *obj, const char *key, const struct ipnet *net)
{
	char text[IPNET_TEXT];

	ipnet_print(net, text);
	jout_text(o, obj, key, text);
}

static void put_dst(struct jout *o, json_t *obj, const struct route *r)
{
	const struct ipnet dst = ipnet_masked(&r->dst); /* RES-02 */

	put_ipnet(o, obj, "dst", &dst);
}

/* The attributes of 1.1 are printed in every list layout, as the reference does (CNV-04): the next
 * plugin of the chain would lose them otherwise. */
static void put_route(struct jout *o, json_t *obj, const struct route *r)
{
	jout_uint(o, obj, "advmss", r->advmss);
	put_dst(o, obj, r);
	if (r->has_gw)
		put_ip(o, obj, "gw", &r->gw);
	jout_uint(o, obj, "mtu", r->mtu);
	jout_uint(o, obj, "priority", r->priority);
	if (r->has_scope) /* RES-05: 0 has a meaning */
		(void)jout_set(o, obj, "scope", json_integer(r->scope));
	if (r->has_table)
		(void)jout_set(o, obj, "table", json_integer(r->table));
}

static void put_routes(struct jout *o, json_t *root, const struct cni_result *r)
{
	json_t *array;

	if (r->n_routes == 0)
		return;
	array = jout_set(o, root, "routes", json_array());
	for (size_t i = 0; i < r->n_routes; i++)
		put_route(o, jout_append(o, array, json_object()), &r->routes[i]);
}

static void put_index(struct jout *o, json_t *obj, int index)
{
	if (index >= 0) /* RES-03: 0 is an index */
		(void)jout_set(o, obj, "interface", json_integer(index));
}

/* ---- 1.x ---- */

static void put_interface_v1(struct jout *o, json_t *obj, const struct cni_interface *i)
{
	jout_text(o, obj, "mac", i->mac);
	jout_uint(o, obj, "mtu", i->mtu);
	(void)jout_set(o, obj, "name", jout_string(i->name));
	jout_text(o, obj, "pciID", i->pci_id);
	jout_text(o, obj, "sandbox", i->sandbox);
	jout_text(o, obj, "socketPath", i->socket_path);
}

static void put_ip_v1(struct jout *o, json_t *obj, const struct ip_config *ip)
{
	put_ipnet(o, obj, "address", &ip->address);
	if (ip->has_gateway)
		put_ip(o, obj, "gateway", &ip->gateway);
	put_index(o, obj, ip->interface);
}

/* ---- 0.3 and 0.4 ---- */

static void put_interface_v03(struct jout *o, json_t *obj, const struct cni_interface *i)
{
	(void)jout_set(o, obj, "name", jout_string(i->name));
	jout_text(o, obj, "mac", i->mac);
	jout_text(o, obj, "sandbox", i->sandbox);
}

static void put_ip_v03(struct jout *o, json_t *obj, const struct ip_config *ip)
{
	jout_text(o, obj, "version", ip_is4(&ip->address.addr) ? "4" : "6");
	put_index(o, obj, ip->interface);
	put_ipnet(o, obj, "address", &ip->address);
	if (ip->has_gateway)
		put_ip(o, obj, "gateway", &ip->gateway);
}

/* ---- both ---- */

static void put_lists(struct jout *o, json_t *root, const struct cni_result *r, bool v1)
{
	json_t *array;

	if (r->n_interfaces > 0) {
		array = jout_set(o, root, "interfaces", json_array());
		for (size_t i = 0; i < r->n_interfaces; i++)
			(v1 ? put_interface_v1 : put_interface_v03)(
			    o, jout_append(o, array, json_object()), &r->interfaces[i]);
	}
	if (r->n_ips > 0) {
		array = jout_set(o, root, "ips", json_array());
		for (size_t i = 0; i < r->n_ips; i++)
			(v1 ? put_ip_v1 : put_ip_v03)(o, jout_append(o, array, json_object()),
						      &r->ips[i]);
	}
	put_routes(o, root, r);
}

/* ---- 0.1 and 0.2 ---- */

static const struct ip_config *first_of(const struct cni_result *r, bool four)
{
	for (size_t i = 0; i < r->n_ips; i++) {
		if (ip_is4(&r->ips[i].address.addr) == four)
			return &r->ips[i];
	}
	return NULL;
}

static void put_routes_v01(struct jout *o, json_t *obj, const struct cni_result *r, bool four)
{
	json_t *array = NULL, *one;

	for (size_t i = 0; i < r->n_routes; i++) {
		if (ip_is4(&r->routes[i].dst.addr) != four)
			continue;
		if (array == NULL)
			array = jout_set(o, obj, "routes", json_array());
		one = jout_append(o, array, json_object());
		put_dst(o, one, &r->routes[i]);
		if (r->routes[i].has_gw)
			put_ip(o, one, "gw", &r->routes[i].gw);
	}
}

static void put_family_v01(struct jout *o, json_t *root, const struct cni_result *r, bool four)
{
	const struct ip_config *ip = first_of(r, four);
	json_t *obj;

	if (ip == NULL)
		return;
	obj = jout_set(o, root, four ? "ip4" : "ip6", json_object());
	put_ipnet(o, obj, "ip", &ip->address);
	if (ip->has_gateway)
		put_ip(o, obj, "gateway", &ip->gateway);
	put_routes_v01(o, obj, r, four);
}

static int no_address(enum cni_version v, struct cni_error *err)
{
	int r = cni_fail(err, CNI_INVALID_CONFIG, "cannot convert: no valid IP addresses");

	cni_details(err,
		    "results of cniVersion %s need an address: use 0.3.0 or later, or configure "
		    "ipam",
		    cni_version_text(v));
	return r;
}

int cni_result_check_version(const struct cni_result *r, enum cni_version v, struct cni_error *err)
{
	return v > CNI_V020 || r->n_ips > 0 ? 0 : no_address(v, err);
}

int cni_result_encode(const struct cni_result *r, enum cni_version v, char **ret,
		      struct cni_error *err)
{
	scoped_json json_t *root = json_object();
	struct jout o = { 0 };
	char *text;

	if (cni_result_check_version(r, v, err) < 0)
		return -1;
	jout_text(&o, root, "cniVersion", cni_version_text(v));
	if (v <= CNI_V020) {
		put_family_v01(&o, root, r, true);
		put_family_v01(&o, root, r, false);
		put_dns(&o, root, &r->dns, false);
	} else if (v <= CNI_V040) {
		put_lists(&o, root, r, false);
		put_dns(&o, root, &r->dns, false);
	} else {
		put_dns(&o, root, &r->dns, true);
		put_lists(&o, root, r, true);
	}
	text = o.broken ? NULL : json_dumps(root, JSON_INDENT(4));
	if (text == NULL)
		return cni_fail(err, CNI_INTERNAL, "no memory for the result");
	*ret = text;
	return 0;
}
