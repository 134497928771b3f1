/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. What a correct file can still get wrong on this very node, asked before
 * anything is changed. The classic mistake is a pod network that holds the hosts' own: the routes
 * to the pods would take the hosts away from each other. So nothing but this overlay may have
 * addresses or routes inside the pod network, the node's own subnet excepted, where its bridge and
 * pods are. A wider route of others (a VPN's 10.0.0.0/8) is fine: ours are more specific.
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/scoped.h"
#include "base/text.h"
#include "netlink/addr.h"
#include "overlay/device.h"

#define OTHERS_MAX 64

/* One family's question. */
struct question {
	struct side *s;
	struct ipnet own;      /* this node's subnet */
	struct ipnet *subnets; /* all nodes', sorted */
	size_t n;
	int others[OTHERS_MAX]; /* tunnel devices that are not ours */
	size_t n_others;
	int known[3]; /* links that are (o->bridge, o->before) */
	size_t n_known;
	bool port_held; /* by a vxlan that is up: vxlans share a port */
};

static const char *network_key(const struct side *s)
{
	return s->family == AF_INET ? "network" : "networkV6";
}

static int know(struct nl *nl, struct question *q, const char *name, struct cni_error *err)
{
	struct link link;

	if (name == NULL)
		return 0;
	if (link_get(nl, name, &link, err) < 0)
		return err->sys == ENODEV ? 0 : -1;
	q->known[q->n_known++] = link.index;
	return 0;
}

static int know_all(struct nl *nl, struct question *q, struct cni_error *err)
{
	const struct overlay *before = q->s->o->before;

	if (know(nl, q, q->s->o->bridge, err) < 0)
		return -1;
	if (before == NULL)
		return 0;
	if (know(nl, q, before->device4, err) < 0)
		return -1;
	return know(nl, q, before->device6, err);
}

static bool is_known(const struct question *q, int index)
{
	for (size_t i = 0; i < q->n_known; i++) {
		if (q->known[i] == index)
			return true;
	}
	return false;
}

static int by_net(const void *a, const void *b)
{
	const struct ipnet *x = a, *y = b;
	int r = ip_cmp(&x->addr, &y->addr);

	return r != 0 ? r : (int)x->len - (int)y->len;
}

static int same_family(const struct tunnel *t, int family)
{
	return t->vxlan.external ||
	       (t->vxlan.has_local ? ip_family(&t->vxlan.local) : AF_INET) == family;
}

static int check_vxlan(const struct side *s, const struct tunnel *t, struct cni_error *err)
{
	if (t->vxlan.port != s->o->port || !same_family(t, s->family))
		return 0;
	if (t->vxlan.vni == s->o->vni && !t->vxlan.external)
		return cni_fail(
		    err, CNI_CONFLICT,
		    "backend.vni: interface %s has VNI %u on port %u already: choose another "
		    "VNI or port, or remove that interface",
		    t->link.name, s->o->vni, s->o->port);
	if (t->vxlan.external || t->vxlan.gbp != s->o->gbp)
		return cni_fail(
		    err, CNI_CONFLICT,
		    "backend.port: interface %s is on port %u and cannot share it (%s): choose "
		    "another port",
		    t->link.name, s->o->port,
		    t->vxlan.external ? "it takes every VNI" : "only one of the two has GBP");
	return 0;
}

static int check_ipip(const struct side *s, const struct tunnel *t, struct cni_error *err)
{
	const struct ipip want = device_ipip(s);

	if (!ip_equal(&t->ipip.local, &want.local) || !ip_equal(&t->ipip.remote, &want.remote) ||
	    t->ipip.link != want.link)
		return 0;
	return cni_fail(
	    err, CNI_CONFLICT,
	    "interface %s is an ipip tunnel from the same address to any other: remove it",
	    t->link.name);
}

static int check_device(const struct tunnel *t, void *arg, struct cni_error *err)
{
	struct question *q = arg;
	const struct side *s = q->s;

	q->port_held |= strcmp(t->link.kind, "vxlan") == 0 && t->vxlan.port == s->o->port &&
			same_family(t, s->family) && (t->link.flags & IFF_UP) != 0;
	if ((s->device != NULL && strcmp(t->link.name, s->device) == 0) ||
	    is_known(q, t->link.index))
		return 0;
	if (q->n_others < OTHERS_MAX)
		q->others[q->n_others++] = t->link.index;
	if (s->device == NULL || strcmp(t->link.kind, side_kind(s)) != 0)
		return 0;
	return s->o->backend == OVERLAY_IPIP ? check_ipip(s, t, err) : check_vxlan(s, t, err);
}

/* The device could be made, and not be set up. */
static int check_port(const struct question *q, struct cni_error *err)
{
	const struct side *s = q->s;
	const struct sockaddr_in any4 = { .sin_family = AF_INET, .sin_port = htons(s->o->port) };
	const struct sockaddr_in6 any6 = { .sin6_family = AF_INET6,
					   .sin6_port = htons(s->o->port) };
	const bool four = s->family == AF_INET;
	scoped_fd int fd = -1;
	const int on = 1;

	if (s->o->backend != OVERLAY_VXLAN || q->port_held)
		return 0;
	fd = socket(s->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || (!four && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
	    bind(fd, four ? (const struct sockaddr *)&any4 : (const struct sockaddr *)&any6,
		 four ? sizeof(any4) : sizeof(any6)) == 0 ||
	    errno != EADDRINUSE)
		return 0; /* whatever else is wrong, this cannot tell */
	return cni_fail(err, CNI_CONFLICT,
			"backend.port: UDP port %u is in use by another program: choose another "
			"port, or stop that program",
			s->o->port);
}

static int check_nodes(const struct side *s, struct cni_error *err)
{
	char net[IPNET_TEXT], text[IP_TEXT];

	for (size_t i = 0; i < s->o->n; i++) {
		const struct overlay_node *node = &s->o->nodes[i];
		const bool four = s->family == AF_INET;
		const struct ip *ip = four ? &node->public4 : &node->public6;

		if (!(four ? node->has4 : node->has6) || !ipnet_contains(&s->network, ip))
			continue;
		ipnet_print(&s->network, net);
		ip_print(ip, text);
		return cni_fail(err, CNI_INVALID_CONFIG,
				"%s %s holds node \"%s\"'s own address %s: choose a network that "
				"no host is in",
				network_key(s), net, node->name, text);
	}
	return 0;
}

static void name_of(struct nl *nl, int index, char buf[IFNAME_MAX])
{
	struct cni_error ignored;
	struct link link;

	buf[0] = '?';
	buf[1] = '\0';
	if (index != 0 && link_get_index(nl, index, &link, &ignored) == 0)
		memcpy(buf, link.name, IFNAME_MAX);
}

static int check_addresses(struct nl *nl, const struct question *q, struct cni_error *err)
{
	scoped_free struct addr *list = NULL;
	char net[IPNET_TEXT], text[IPNET_TEXT], name[IFNAME_MAX];
	size_t n = 0;

	if (addr_list(nl, 0, q->s->family, &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct ip *ip = &list[i].net.addr;

		if (list[i].index == side_index(q->s) || is_known(q, list[i].index) ||
		    !ipnet_contains(&q->s->network, ip) || ipnet_contains(&q->own, ip))
			continue;
		ipnet_print(&q->s->network, net);
		ipnet_print(&list[i].net, text);
		name_of(nl, list[i].index, name);
		return cni_fail(err, CNI_INVALID_CONFIG,
				"%s %s holds %s, an address of this host's interface %s outside "
				"of the node's own subnet: choose a network that no host is in",
				network_key(q->s), net, text, name);
	}
	return 0;
}

/* A node's subnet, where flannel's route gives way to ours. */
static bool is_lease(const struct question *q, const struct ipnet *dst)
{
	return q->n > 0 && bsearch(dst, q->subnets, q->n, sizeof(*dst), by_net) != NULL;
}

static bool through_another(const struct question *q, int index)
{
	for (size_t i = 0; i < q->n_others; i++) {
		if (q->others[i] == index)
			return true;
	}
	return false;
}

static bool is_foreign(const struct route_found *r, void *arg)
{
	const struct question *q = arg;
	const struct ipnet *dst = &r->route.dst;

	if (!side_covers(q->s, dst) ||
	    (dst->len >= q->own.len && ipnet_contains(&q->own, &dst->addr)))
		return false;
	if ((side_index(q->s) != 0 && r->index == side_index(q->s)) || is_known(q, r->index))
		return false;
	if (found_is_ours(q->s, r))
		return through_another(q, r->index);
	return r->protocol != RTPROT_BOOT || r->type != RTN_UNICAST || !is_lease(q, dst);
}

/* "via 192.0.2.1 dev eth0", "dev eth0", "blackhole" */
static void way_of(struct nl *nl, const struct route_found *r, char *buf, size_t cap)
{
	char gw[IP_TEXT], name[IFNAME_MAX];

	if (r->type == RTN_BLACKHOLE || r->type == RTN_UNREACHABLE || r->type == RTN_PROHIBIT) {
		(void)text_format(buf, cap, "%s",
				  r->type == RTN_BLACKHOLE     ? "blackhole"
				  : r->type == RTN_UNREACHABLE ? "unreachable"
							       : "prohibit");
		return;
	}
	name_of(nl, r->index, name);
	if (r->route.has_gw)
		ip_print(&r->route.gw, gw);
	(void)text_format(buf, cap, "%s%s%sdev %s", r->route.has_gw ? "via " : "",
			  r->route.has_gw ? gw : "", r->route.has_gw ? " " : "", name);
}

static int check_routes(struct nl *nl, struct question *q, struct cni_error *err)
{
	const struct route_pick pick = {
		.family = q->s->family, .table = RT_TABLE_MAIN, .wanted = is_foreign, .arg = q
	};
	scoped_free struct route_found *list = NULL;
	char net[IPNET_TEXT], dst[IPNET_TEXT], way[IP_TEXT + IFNAME_MAX + 16];
	size_t n = 0;

	if (route_pick(nl, &pick, &list, &n, err) < 0)
		return -1;
	if (n == 0)
		return 0;
	ipnet_print(&q->s->network, net);
	ipnet_print(&list[0].route.dst, dst);
	way_of(nl, &list[0], way, sizeof(way));
	/* The kernel's own is that of an address, and cannot be spared. */
	return cni_fail(err, CNI_INVALID_CONFIG,
			"%s %s holds %s, to which this host has a route (%s): choose %s",
			network_key(q->s), net, dst, way,
			list[0].protocol == RTPROT_KERNEL
			    ? "a network that no host is in"
			    : "another network, or remove that route");
}

static int list_subnets(struct question *q, struct cni_error *err)
{
	const struct overlay *o = q->s->o;
	const bool four = q->s->family == AF_INET;

	q->subnets = calloc(o->n + 1, sizeof(*q->subnets));
	if (q->subnets == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory for %zu nodes", o->n);
	for (size_t i = 0; i < o->n; i++) {
		if (four ? o->nodes[i].has4 : o->nodes[i].has6)
			q->subnets[q->n++] = four ? o->nodes[i].subnet4 : o->nodes[i].subnet6;
	}
	if (q->n > 1)
		qsort(q->subnets, q->n, sizeof(*q->subnets), by_net);
	return 0;
}

static int ask(struct nl *nl, struct question *q, struct cni_error *err)
{
	if (list_subnets(q, err) < 0 || side_read(nl, q->s, err) < 0 ||
	    tunnel_each(nl, "vxlan", check_device, q, err) < 0 ||
	    tunnel_each(nl, "ipip", check_device, q, err) < 0 || check_port(q, err) < 0 ||
	    check_routes(nl, q, err) < 0 || check_addresses(nl, q, err) < 0)
		return -1;
	return check_nodes(q->s, err); /* of peers, too, where no route leads */
}

static int refuse_side(struct nl *nl, const struct overlay *o, int family, struct cni_error *err)
{
	scoped_side struct side s = { .family = 0 };
	struct question q = { .s = &s };
	int r;

	if (!side_begin(o, family, &s))
		return 0;
	q.own = family == AF_INET ? o->nodes[o->self].subnet4 : o->nodes[o->self].subnet6;
	r = know_all(nl, &q, err) < 0 ? -1 : ask(nl, &q, err);
	free(q.subnets);
	return r;
}

int overlay_refuse(struct nl *nl, const struct overlay *o, struct cni_error *err)
{
	if (refuse_side(nl, o, AF_INET, err) < 0)
		return -1;
	return refuse_side(nl, o, AF_INET6, err);
}
