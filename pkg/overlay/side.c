/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. Each family of an overlay is a side of its own, with its own device, and the
 * two never meet. The underlay is not configured: it is the link that has the node's local address,
 * found by asking which route that address matches, which costs the same with any number of links.
 * Everything else follows: what the device is bound to, and its MTU.
 */
#include "overlay/side.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink/addr.h"
#include "netlink/req.h"

const char *family_name(int family)
{
	return family == AF_INET ? "IPv4" : "IPv6";
}

bool side_begin(const struct overlay *o, int family, struct side *ret)
{
	const bool four = family == AF_INET;
	const struct overlay_node *self = o->self < o->n ? &o->nodes[o->self] : NULL;

	*ret = (struct side){ .o = o, .family = family };
	if (four ? !o->has4 : !o->has6 || o->backend == OVERLAY_IPIP)
		return false;
	ret->network = four ? o->network4 : o->network6;
	if (o->backend != OVERLAY_HOST_GW)
		ret->device = four ? o->device4 : o->device6;
	if (self == NULL || !(four ? self->has4 : self->has6))
		return self == NULL; /* overlay_remove() needs none */
	ret->local = four ? self->local4 : self->local6;
	ret->address = ipnet_host(four ? &self->subnet4.addr : &self->subnet6.addr);
	if (o->backend == OVERLAY_VXLAN)
		ret->mac = overlay_vtep_mac(o, self, family);
	return true;
}

void side_free(struct side *s)
{
	free(s->want);
	s->want = NULL;
	found_free(&s->found);
}

int side_index(const struct side *s)
{
	return s->has_tunnel ? s->tunnel.link.index : 0;
}

const char *side_kind(const struct side *s)
{
	return s->o->backend == OVERLAY_IPIP ? "ipip" : "vxlan";
}

bool side_covers(const struct side *s, const struct ipnet *net)
{
	return net->len >= s->network.len && ipnet_contains(&s->network, &net->addr);
}

static int take_match(const struct nlmsghdr *nlh, size_t index, void *arg, struct cni_error *err)
{
	struct route_found r;

	(void)index;
	(void)err;
	if (route_parse(nlh, &r))
		*(int *)arg = r.index;
	return 0;
}

/* Where the local table does not name the link: the first that has the address. */
static int search(struct nl *nl, const struct ip *ip, int *ret, struct cni_error *err)
{
	scoped_free struct addr *list = NULL;
	size_t n = 0;

	if (addr_list(nl, 0, ip_family(ip), &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (ip_equal(&list[i].net.addr, ip)) {
			*ret = list[i].index;
			return 0;
		}
	}
	return 0;
}

static int no_such_address(const struct side *s, struct cni_error *err)
{
	char text[IP_TEXT];

	ip_print(&s->local, text);
	return cni_fail(
	    err, CNI_INVALID_CONFIG,
	    "node \"%s\": no interface has the address %s: bring the interface up, or name "
	    "the address that this node does have (publicIP or localIP)",
	    s->o->nodes[s->o->self].name, text);
}

/* The link with the local address. */
static int read_underlay(struct nl *nl, struct side *s, struct cni_error *err)
{
	int index = 0;
	struct nl_req req;

	nl_begin(&req);
	route_put_match(&req, &s->local);
	req.reply = take_match;
	req.reply_arg = &index;
	if (nl_call(nl, &req, err) < 0)
		return -1;
	return index == 0 ? 0 : link_get_index(nl, index, &s->underlay, err);
}

/* That a route leads there does not make the address ours. */
static int check_underlay(struct nl *nl, struct side *s, struct cni_error *err)
{
	scoped_free struct addr *list = NULL;
	size_t n = 0;

	if (s->underlay.index != 0 &&
	    addr_list(nl, s->underlay.index, s->family, &list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (ip_equal(&list[i].net.addr, &s->local))
			return 0;
	}
	s->underlay.index = 0;
	if (search(nl, &s->local, &s->underlay.index, err) < 0)
		return -1;
	if (s->underlay.index == 0)
		return no_such_address(s, err);
	return link_get_index(nl, s->underlay.index, &s->underlay, err);
}

static uint32_t overhead(const struct side *s)
{
	switch (s->o->backend) {
	case OVERLAY_VXLAN:
		return s->family == AF_INET ? 50 : 70;
	case OVERLAY_IPIP:
		return 20;
	case OVERLAY_HOST_GW:
		return 0;
	}
	return 0;
}

/* What the underlay must carry: pods have one MTU for both families, so what either tunnel adds and
 * IPv6's 1280 count for both. */
static int check_mtu(const struct side *s, uint32_t outer, struct cni_error *err)
{
	const struct overlay *o = s->o;
	const uint32_t least = o->has6 ? 1280 : 576;
	const uint32_t added = o->backend == OVERLAY_VXLAN && o->has6 ? 70 : overhead(s);
	const uint32_t left = outer > added ? outer - added : 0;
	const char *version = o->has6 ? "IPv6" : "IPv4";

	if (left >= least)
		return 0;
	if (o->mtu != 0)
		return cni_fail(err, CNI_INVALID_CONFIG,
				"backend.mtu: %u leaves pods %u bytes, and %s needs %u: set at "
				"least %u, or leave it out",
				outer, left, version, least, least + added);
	return cni_fail(err, CNI_INVALID_CONFIG,
			"%s: its MTU of %u leaves pods %u bytes, and %s needs %u: raise the "
			"MTU of the interface, or use a backend.type that adds less",
			s->underlay.name, outer, left, version, least);
}

static int decide_mtu(struct nl *nl, struct side *s, struct cni_error *err)
{
	uint32_t link = s->underlay.mtu, outer = s->o->mtu;

	/* An address on lo: the packets leave by the default route. */
	if ((s->underlay.flags & IFF_LOOPBACK) != 0 && route_default_mtu(nl, &link, err) < 0) {
		if (err->sys != ENOENT || outer == 0)
			return cni_wrap(err, "find the underlay's MTU (or set backend.mtu)");
		cni_clear(err);
		link = outer;
	}
	if (outer == 0)
		outer = link;
	if (outer > link)
		return cni_fail(err, CNI_INVALID_CONFIG,
				"backend.mtu: %u is more than the %u of interface %s; it is the "
				"underlay's MTU: set at most that, or leave it out",
				outer, link, s->underlay.name);
	if (check_mtu(s, outer, err) < 0)
		return -1;
	s->mtu = outer - overhead(s);
	return 0;
}

int side_find_device(struct nl *nl, struct side *s, struct cni_error *err)
{
	s->has_tunnel = false;
	s->tunnel = (struct tunnel){ .link.index = 0 };
	if (s->device == NULL)
		return 0;
	if (tunnel_get(nl, s->device, &s->tunnel, err) < 0) {
		if (err->sys != ENODEV)
			return -1;
		cni_clear(err);
		return 0;
	}
	s->has_tunnel = strcmp(s->tunnel.link.kind, side_kind(s)) == 0;
	return 0;
}

static int read_device(struct nl *nl, struct side *s, struct cni_error *err)
{
	if (side_find_device(nl, s, err) < 0)
		return -1;
	if (s->tunnel.link.index != 0 && !s->has_tunnel)
		return cni_fail(
		    err, CNI_CONFLICT,
		    "interface %s is a %s, not the overlay's %s: rename or remove it, or give "
		    "the overlay another backend.device%s",
		    s->device,
		    s->tunnel.link.kind[0] != '\0' ? s->tunnel.link.kind : "physical interface",
		    side_kind(s), s->family == AF_INET6 ? "V6" : "");
	return 0;
}

int side_read(struct nl *nl, struct side *s, struct cni_error *err)
{
	s->underlay = (struct link){ .index = 0 };
	if (read_underlay(nl, s, err) < 0 || check_underlay(nl, s, err) < 0 ||
	    decide_mtu(nl, s, err) < 0)
		return -1;
	s->bind = (s->underlay.flags & IFF_LOOPBACK) != 0 ? 0 : s->underlay.index;
	return read_device(nl, s, err);
}
