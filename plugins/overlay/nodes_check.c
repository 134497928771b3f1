/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is wrong with a list of nodes as a whole, and which of them is ours. */
#include <string.h>

#include "base/text.h"
#include "conf_nodes.h"

/* ---- no two alike: sorted by each of their properties, equals are neighbours */

static const struct overlay_node *node_at(const void *p)
{
	return *(const struct overlay_node *const *)p;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(node_at(a)->name, node_at(b)->name);
}

static int by_public4(const void *a, const void *b)
{
	return ip_cmp(&node_at(a)->public4, &node_at(b)->public4);
}

static int by_public6(const void *a, const void *b)
{
	return ip_cmp(&node_at(a)->public6, &node_at(b)->public6);
}

/* Those without one come first, and are alike. */
static int by_mac(bool has_a, const struct mac *a, bool has_b, const struct mac *b)
{
	return has_a && has_b ? memcmp(a, b, sizeof(*a)) : (int)has_a - (int)has_b;
}

static int by_mac4(const void *a, const void *b)
{
	return by_mac(node_at(a)->has_mac4, &node_at(a)->mac4, node_at(b)->has_mac4,
		      &node_at(b)->mac4);
}

static int by_mac6(const void *a, const void *b)
{
	return by_mac(node_at(a)->has_mac6, &node_at(a)->mac6, node_at(b)->has_mac6,
		      &node_at(b)->mac6);
}

/* A prefix comes right before what it contains. */
static int cmp_subnet(const struct ipnet *a, const struct ipnet *b)
{
	int order = ip_cmp(&a->addr, &b->addr);

	return order != 0 ? order : (int)a->len - (int)b->len;
}

static int by_subnet4(const void *a, const void *b)
{
	return cmp_subnet(&node_at(a)->subnet4, &node_at(b)->subnet4);
}

static int by_subnet6(const void *a, const void *b)
{
	return cmp_subnet(&node_at(a)->subnet6, &node_at(b)->subnet6);
}

enum kind { NAME, ADDRESS, SUBNET, MAC };

struct property {
	const char *key;
	int (*order)(const void *a, const void *b);
	enum kind kind;
	size_t offset; /* of the value in a node */
	size_t has;    /* MAC: of whether there is one */
};

#define AT(member) offsetof(struct overlay_node, member)

static const struct property properties[] = {
	{ "name", by_name, NAME, AT(name), 0 },
	{ "publicIP", by_public4, ADDRESS, AT(public4), 0 },
	{ "publicIPv6", by_public6, ADDRESS, AT(public6), 0 },
	{ "subnet", by_subnet4, SUBNET, AT(subnet4), 0 },
	{ "subnetV6", by_subnet6, SUBNET, AT(subnet6), 0 },
	{ "vtepMAC", by_mac4, MAC, AT(mac4), AT(has_mac4) },
	{ "vtepMACV6", by_mac6, MAC, AT(mac6), AT(has_mac6) },
};

static const void *value_of(const struct property *p, const struct overlay_node *node)
{
	return (const char *)node + p->offset;
}

/* One of the two: then both have. */
static bool has_value(const struct property *p, const struct overlay_node *node)
{
	return p->kind != MAC || *(const bool *)((const char *)node + p->has);
}

static bool collide(const struct property *p, const struct overlay_node *const *pair)
{
	if (p->kind == SUBNET)
		return ipnet_overlaps(value_of(p, pair[0]), value_of(p, pair[1]));
	return p->order(&pair[0], &pair[1]) == 0 && has_value(p, pair[0]);
}

static void print_value(const struct property *p, const struct overlay_node *node, char *buf,
			size_t cap)
{
	char text[IPNET_TEXT] = "";

	switch (p->kind) {
	case NAME:
		(void)text_format(buf, cap, "\"%s\"", node->name);
		return;
	case ADDRESS:
		ip_print(value_of(p, node), text);
		break;
	case SUBNET:
		ipnet_print(value_of(p, node), text);
		break;
	case MAC:
		mac_print(value_of(p, node), text);
		break;
	}
	(void)text_format(buf, cap, "%s", text);
}

static int fail_pair(const struct overlay_nodes *list, const struct property *p,
		     const struct overlay_node *const *pair, struct cni_error *err)
{
	bool swapped = pair[0] > pair[1];
	const struct overlay_node *first = pair[swapped], *second = pair[!swapped];
	char mine[OVERLAY_NODE_NAME_MAX + 3], theirs[OVERLAY_NODE_NAME_MAX + 3];
	const size_t i = (size_t)(second - list->nodes), j = (size_t)(first - list->nodes);

	print_value(p, second, mine, sizeof(mine));
	print_value(p, first, theirs, sizeof(theirs));
	if (p->kind == NAME)
		return cni_fail(err, CNI_INVALID_CONFIG,
				"nodes[%zu].name: %s is nodes[%zu]'s name too; every node has one "
				"of its own",
				i, mine, j);
	return cni_fail(err, CNI_INVALID_CONFIG,
			"nodes[%zu].%s: %s of \"%.100s\" %s nodes[%zu] \"%.100s\"%s%s; every node "
			"has its own",
			i, p->key, mine, second->name,
			p->kind == SUBNET ? "overlaps with" : "is that of", j, first->name,
			p->kind == SUBNET ? "'s " : " too", p->kind == SUBNET ? theirs : "");
}

static int check_property(const struct overlay_nodes *list, const struct property *p,
			  const struct overlay_node **order, struct cni_error *err)
{
	for (size_t i = 0; i < list->n; i++)
		order[i] = &list->nodes[i];
	qsort(order, list->n, sizeof(*order), p->order);
	for (size_t i = 1; i < list->n; i++) {
		if (collide(p, &order[i - 1]))
			return fail_pair(list, p, &order[i - 1], err);
	}
	return 0;
}

int overlay_nodes_check(const struct overlay_nodes *list, struct cni_error *err)
{
	scoped_free const struct overlay_node **order = calloc(list->n + 1, sizeof(*order));
	/* All have the families of the cluster. */
	const bool has4 = list->n > 0 && list->nodes[0].has4;
	const bool has6 = list->n > 0 && list->nodes[0].has6;
	const bool wanted[] = { true, has4, has6, has4, has6, has4, has6 };

	if (order == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	for (size_t i = 0; i < ARRAY_SIZE(properties); i++) {
		if (wanted[i] && check_property(list, &properties[i], order, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- which is ours */

static int order_ip(const void *a, const void *b)
{
	return ip_cmp(a, b);
}

static bool is_here(const struct overlay_self *self, const struct ip *ip)
{
	return self->n > 0 &&
	       bsearch(ip, self->addr, self->n, sizeof(*self->addr), order_ip) != NULL;
}

static bool has_our_address(const struct overlay_self *self, const struct overlay_node *node)
{
	return (node->has4 && (is_here(self, &node->local4) || is_here(self, &node->public4))) ||
	       (node->has6 && (is_here(self, &node->local6) || is_here(self, &node->public6)));
}

static void print_addresses(const struct overlay_self *self, char *buf, size_t cap)
{
	struct text t;
	size_t shown = 0;

	text_init(&t, buf, cap);
	for (size_t i = 0; i < self->n; i++) {
		char text[IP_TEXT];

		if (ip_is_loopback(&self->addr[i]) || ip_is_link_local(&self->addr[i]))
			continue;
		ip_print(&self->addr[i], text);
		if (shown == 6) {
			text_add(&t, ", ...");
			break;
		}
		text_add(&t, "%s%s", shown++ == 0 ? "" : ", ", text);
	}
	if (shown == 0)
		text_add(&t, "none");
}

/* The key "node", or the host's name: *ret is list->n when no node has it. */
static void find_name(const struct overlay_nodes *list, const char *name, size_t *ret)
{
	*ret = list->n;
	for (size_t i = 0; i < list->n && *ret == list->n; i++) {
		if (text_equal_nocase(list->nodes[i].name, name))
			*ret = i;
	}
}

static int find_by_key(const struct overlay_nodes *list, const char *name, size_t *ret,
		       struct cni_error *err)
{
	find_name(list, name, ret);
	return *ret < list->n
		   ? 0
		   : cni_fail(err, CNI_INVALID_CONFIG,
			      "node: \"%s\" is none of the %zu nodes of the list; add it there, or "
			      "correct the key",
			      name, list->n);
}

static int fail_two(const struct overlay_nodes *list, size_t i, size_t j, struct cni_error *err)
{
	return cni_fail(err, CNI_INVALID_CONFIG,
			"nodes[%zu] \"%.100s\" and nodes[%zu] \"%.100s\" both have an address of "
			"this node, and neither has its host name; correct the list, or tell with "
			"\"node\" which it is",
			i, list->nodes[i].name, j, list->nodes[j].name);
}

/* *ret is list->n when there is none. */
static int find_by_address(const struct overlay_nodes *list, const struct overlay_self *self,
			   size_t *ret, struct cni_error *err)
{
	size_t first = list->n, second = list->n;

	for (size_t i = 0; i < list->n; i++) {
		if (!has_our_address(self, &list->nodes[i]))
			continue;
		if (text_equal_nocase(list->nodes[i].name, self->host)) {
			*ret = i;
			return 0;
		}
		if (first == list->n)
			first = i;
		else if (second == list->n)
			second = i;
	}
	if (second < list->n)
		return fail_two(list, first, second, err);
	*ret = first;
	return 0;
}

static int find(const struct overlay_nodes *list, const struct overlay_self *self, size_t *ret,
		struct cni_error *err)
{
	char here[8 * IP_TEXT];

	if (self->node != NULL)
		return find_by_key(list, self->node, ret, err);
	if (find_by_address(list, self, ret, err) < 0)
		return -1;
	if (*ret == list->n)
		find_name(list, self->host, ret);
	if (*ret < list->n)
		return 0;
	print_addresses(self, here, sizeof(here));
	return cni_fail(
	    err, CNI_INVALID_CONFIG,
	    "nodes: this node is none of the %zu in the list: no publicIP, publicIPv6, "
	    "localIP or localIPv6 is one of its addresses (%s), and no name is its host "
	    "name \"%.64s\"; add it, or name its entry with \"node\"",
	    list->n, here, self->host);
}

static int check_local(const struct overlay_self *self, const struct overlay_node *node, bool v4,
		       size_t i, struct cni_error *err)
{
	const struct ip *local = v4 ? &node->local4 : &node->local6;
	const bool given = !ip_equal(local, v4 ? &node->public4 : &node->public6);
	const char *version = v4 ? "" : "v6";
	char text[IP_TEXT], here[8 * IP_TEXT];

	if (is_here(self, local))
		return 0;
	ip_print(local, text);
	print_addresses(self, here, sizeof(here));
	return cni_fail(err, CNI_INVALID_CONFIG,
			"nodes[%zu].%s%s: %s is no address of this node (%s); %s%s", i,
			given ? "localIP" : "publicIP", version, text, here,
			given ? "correct it"
			      : "behind address translation, give the node's own "
				"one as localIP",
			given ? "" : version);
}

int overlay_nodes_self(const struct overlay_nodes *list, const struct overlay *o,
		       const struct overlay_self *self, size_t *ret_index, struct cni_error *err)
{
	const struct overlay_node *node;
	size_t i;

	if (find(list, self, &i, err) < 0)
		return -1;
	node = &list->nodes[i];
	if ((o->has4 && check_local(self, node, true, i, err) < 0) ||
	    (o->has6 && check_local(self, node, false, i, err) < 0))
		return -1;
	*ret_index = i;
	return 0;
}
