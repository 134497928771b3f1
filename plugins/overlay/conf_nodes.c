/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf_nodes.h"

#include <string.h>

#include "base/grow.h"
#include "base/text.h"
#include "conf/jlist.h"

void overlay_nodes_free(struct overlay_nodes *list)
{
	for (size_t i = 0; i < list->n; i++)
		free((char *)(uintptr_t)list->nodes[i].name);
	free(list->nodes);
	*list = (struct overlay_nodes){ .n = 0 };
}

/* ---- one node */

/* What a family's keys are. */
struct keys {
	bool v4;
	const char *public, *local, *subnet, *mac, *network;
};

static const struct keys keys4 = { true, "publicIP", "localIP", "subnet", "vtepMAC", "network" };
static const struct keys keys6 = { false,      "publicIPv6", "localIPv6",
				   "subnetV6", "vtepMACV6",  "networkV6" };

/* One family of a node; `has_` say which keys there are. */
struct family {
	bool has_public, has_local, has_subnet, has_mac;
	struct ip public, local;
	struct ipnet subnet;
	struct mac mac;
};

struct parsed {
	const char *name;
	struct family v4, v6;
};

#define OF(type, version, member)                                                                  \
	type,                                                                                      \
	    .offset = offsetof(struct parsed, version) + offsetof(struct family, member),          \
	    .has = true,                                                                           \
	    .has_offset = offsetof(struct parsed, version) + offsetof(struct family, has_##member)

static const struct jfield fields[] = {
	{ "name", J_STR, .required = true, .offset = offsetof(struct parsed, name),
	  .max = OVERLAY_NODE_NAME_MAX },
	{ "publicIP", OF(J_IP, v4, public) },
	{ "publicIPv6", OF(J_IP, v6, public) },
	{ "localIP", OF(J_IP, v4, local) },
	{ "localIPv6", OF(J_IP, v6, local) },
	{ "subnet", OF(J_IPNET, v4, subnet) },
	{ "subnetV6", OF(J_IPNET, v6, subnet) },
	{ "vtepMAC", OF(J_MAC, v4, mac) },
	{ "vtepMACV6", OF(J_MAC, v6, mac) },
};

static int check_address(const struct ip *ip, const struct jpath *up, const char *key, bool v4,
			 struct cni_error *err)
{
	const struct jpath at = { .up = up, .key = key };
	char text[IP_TEXT];

	ip_print(ip, text);
	if (ip_is4(ip) != v4)
		return jconf_fail(err, CNI_INVALID_CONFIG, &at,
				  "%s is an IPv%d address; an IPv%d "
				  "address is wanted here",
				  text, v4 ? 6 : 4, v4 ? 4 : 6);
	if (ip_is_unspecified(ip) || ip_is_loopback(ip) || ip_is_multicast(ip) ||
	    (!v4 && ip_is_link_local(ip)))
		return jconf_fail(err, CNI_INVALID_CONFIG, &at,
				  "%s is no address by which other nodes can reach one; give that "
				  "of an interface",
				  text);
	return 0;
}

static int check_subnet(const struct family *f, const struct jpath *up, const struct keys *k,
			const struct ipnet *network, struct cni_error *err)
{
	const struct jpath at = { .up = up, .key = k->subnet };
	const struct ipnet masked = ipnet_masked(&f->subnet);
	char text[IPNET_TEXT], outer[IPNET_TEXT];

	ipnet_print(&f->subnet, text);
	ipnet_print(network, outer);
	if (ip_is4(&f->subnet.addr) != k->v4 || !ipnet_contains(network, &f->subnet.addr) ||
	    f->subnet.len <= network->len)
		return jconf_fail(err, CNI_INVALID_CONFIG, &at,
				  "%s is no part of %s %s; choose a subnet inside it", text,
				  k->network, outer);
	if (!ipnet_equal(&f->subnet, &masked)) {
		ipnet_print(&masked, outer);
		return jconf_fail(err, CNI_INVALID_CONFIG, &at,
				  "%s has bits set behind its length; write %s", text, outer);
	}
	if (f->subnet.len > 126)
		return jconf_fail(err, CNI_INVALID_CONFIG, &at,
				  "%s has no room for pods; the longest prefix is /%d", text,
				  k->v4 ? 30 : 126);
	return 0;
}

static int missing(const struct jpath *up, const char *key, const struct keys *k,
		   struct cni_error *err)
{
	const struct jpath at = { .up = up, .key = key };

	return jconf_fail(err, CNI_INVALID_CONFIG, &at,
			  "the key is missing; there is a %s, so every node needs one", k->network);
}

/* `network` NULL: the cluster does not have this family. */
static int check_family(const struct family *f, const struct jpath *at, const struct keys *k,
			const struct ipnet *network, struct cni_error *err)
{
	const struct jpath subnet = { .up = at, .key = k->subnet };

	if (network == NULL)
		return f->has_subnet ? jconf_fail(err, CNI_INVALID_CONFIG, &subnet,
						  "there is no %s to be part of; give it, or leave "
						  "this out",
						  k->network)
				     : 0;
	if (!f->has_public)
		return missing(at, k->public, k, err);
	if (!f->has_subnet)
		return missing(at, k->subnet, k, err);
	if (check_address(&f->public, at, k->public, k->v4, err) < 0 ||
	    (f->has_local && check_address(&f->local, at, k->local, k->v4, err) < 0))
		return -1;
	return check_subnet(f, at, k, network, err);
}

static int parse_node(const json_t *obj, const struct jpath *at, const struct overlay *o,
		      struct overlay_node *ret, struct cni_error *err)
{
	const struct jpath name = { .up = at, .key = "name" };
	struct parsed p = { .name = "" };

	if (jconf_fill(obj, at, fields, ARRAY_SIZE(fields), &p, err) < 0)
		return -1;
	if (p.name[0] == '\0')
		return jconf_fail(err, CNI_INVALID_CONFIG, &name,
				  "empty; every node has a name of its own");
	if (check_family(&p.v4, at, &keys4, o->has4 ? &o->network4 : NULL, err) < 0 ||
	    check_family(&p.v6, at, &keys6, o->has6 ? &o->network6 : NULL, err) < 0)
		return -1;
	*ret = (struct overlay_node){ .name = strdup(p.name),
				      .has4 = o->has4,
				      .has6 = o->has6,
				      .public4 = p.v4.public,
				      .public6 = p.v6.public,
				      .local4 = p.v4.has_local ? p.v4.local : p.v4.public,
				      .local6 = p.v6.has_local ? p.v6.local : p.v6.public,
				      .subnet4 = p.v4.subnet,
				      .subnet6 = p.v6.subnet,
				      .has_mac4 = p.v4.has_mac,
				      .has_mac6 = p.v6.has_mac,
				      .mac4 = p.v4.mac,
				      .mac6 = p.v6.mac };
	return ret->name != NULL ? 0 : cni_fail(err, CNI_INTERNAL, "out of memory");
}

/* ---- the list */

struct collection {
	const struct overlay *o;
	struct overlay_nodes *list;
};

static int collect(const json_t *value, size_t idx, void *arg, struct cni_error *err)
{
	static const struct jpath nodes = { .key = "nodes" };
	const struct jpath at = { .up = &nodes, .idx = idx };
	struct collection *c = arg;
	struct overlay_nodes *list = c->list;

	if (!json_is_object(value))
		return jconf_fail(err, CNI_DECODE, &at, "a node is an object");
	if (grow(&list->nodes, list->n, &list->cap, sizeof(*list->nodes), err) < 0 ||
	    parse_node(value, &at, c->o, &list->nodes[list->n], err) < 0)
		return -1;
	list->n++;
	return 0;
}

static int empty(struct cni_error *err)
{
	return cni_fail(err, CNI_INVALID_CONFIG,
			"nodes: the list is empty; at least this node has "
			"to be in it");
}

static void move(struct overlay_nodes *from, struct overlay_nodes *to)
{
	*to = *from;
	*from = (struct overlay_nodes){ .n = 0 };
}

int overlay_nodes_parse(const json_t *array, const struct overlay *o, struct overlay_nodes *ret,
			struct cni_error *err)
{
	static const struct jpath at = { .key = "nodes" };
	scoped_overlay_nodes struct overlay_nodes list = { .n = 0 };
	struct collection c = { .o = o, .list = &list };
	size_t n;

	if (jconf_array(array, &at, OVERLAY_NODES_MAX, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (collect(json_array_get(array, i), i, &c, err) < 0)
			return -1;
	}
	if (n == 0)
		return empty(err);
	move(&list, ret);
	return 0;
}

int overlay_nodes_read(const char *text, size_t len, const char *what, const struct overlay *o,
		       struct overlay_nodes *ret, struct cni_error *err)
{
	scoped_overlay_nodes struct overlay_nodes list = { .n = 0 };
	struct collection c = { .o = o, .list = &list };
	const struct jconf_list elements = { .max = OVERLAY_NODES_MAX, .each = collect, .arg = &c };

	if (jconf_load_list(text, len, what, &elements, err) < 0)
		return strncmp(err->msg, "nodes[", 6) == 0 ? cni_wrap(err, "%s", what) : -1;
	if (list.n == 0) {
		(void)empty(err);
		return cni_wrap(err, "%s", what);
	}
	move(&list, ret);
	return 0;
}

json_t *overlay_node_encode(const struct overlay_node *node)
{
	scoped_json json_t *obj = json_pack("{s:s}", "name", node->name);
	const struct {
		const struct keys *k;
		bool has, has_mac;
		const struct ip *public, *local;
		const struct ipnet *subnet;
		const struct mac *mac;
	} families[] = {
		{ &keys4, node->has4, node->has_mac4, &node->public4, &node->local4, &node->subnet4,
		  &node->mac4 },
		{ &keys6, node->has6, node->has_mac6, &node->public6, &node->local6, &node->subnet6,
		  &node->mac6 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(families) && obj != NULL; i++) {
		const struct keys *k = families[i].k;
		char public[IP_TEXT], local[IP_TEXT], subnet[IPNET_TEXT], mac[MAC_TEXT];

		if (!families[i].has)
			continue;
		ip_print(families[i].public, public);
		ip_print(families[i].local, local);
		ipnet_print(families[i].subnet, subnet);
		mac_print(families[i].mac, mac);
		if (json_object_set_new(obj, k->public, json_string(public)) < 0 ||
		    (strcmp(public, local) != 0 &&
		     json_object_set_new(obj, k->local, json_string(local)) < 0) ||
		    json_object_set_new(obj, k->subnet, json_string(subnet)) < 0 ||
		    (families[i].has_mac && json_object_set_new(obj, k->mac, json_string(mac)) < 0))
			return NULL;
	}
	return take_ptr(&obj);
}
