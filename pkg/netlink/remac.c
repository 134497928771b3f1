/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A new MAC makes the kernel empty the link's neighbour tables, permanent
 * entries included; a driver that refuses it on a link that is up also costs the routes and IPv6
 * addresses, which go when the link goes down. What would be lost is read beforehand, as the
 * messages that the kernel describes it with, and sent back as they came (as `ip route restore`
 * does): so nothing of them has to be understood, whatever attributes a later kernel adds.
 *
 *	arp_notify on, [down,] the MAC, [up, IPv6 addresses, routes on the wire, routes through
 *	gateways,] arp_notify as it was, neighbours
 *
 * all in one sendmsg, whose messages the kernel handles one after the other, those behind a failed
 * one too: so the link comes up again whatever was refused, and a killed program has done all or
 * nothing. What cannot be kept: proxy neighbours, routes on nexthop objects (which die with the
 * link's being up), and both only where the link has to go down.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/ip.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/scoped.h"
#include "netlink/attr.h"
#include "netlink/grow.h"
#include "netlink/linkmsg.h"
#include "netlink/linkset.h"
#include "netlink/req.h"

/* Messages of one kind that describe what hangs on a link. */
struct kept {
	int index;
	bool (*ours)(const struct nlmsghdr *nlh, int index);
	size_t header; /* bytes of the fixed header behind nlmsghdr */
	struct nlmsghdr **list;
	size_t n, cap;
};

static void forget(void *arg)
{
	struct kept *k = arg;

	while (k->n > 0)
		free(k->list[--k->n]);
}

static void free_kept(struct kept *k)
{
	forget(k);
	free(k->list);
}

static int keep(const struct nlmsghdr *nlh, void *arg, struct cni_error *err)
{
	struct kept *k = arg;
	struct nlmsghdr *copy;

	if (!k->ours(nlh, k->index))
		return 0;
	if (grow(&k->list, k->n, &k->cap, sizeof(struct nlmsghdr *), err) < 0)
		return -1;
	copy = malloc(nlh->nlmsg_len);
	if (copy == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	memcpy(copy, nlh, nlh->nlmsg_len);
	k->list[k->n++] = copy;
	return 0;
}

/* ---- what there is */

static bool is_neighbour(const struct nlmsghdr *nlh, int index)
{
	const struct ndmsg *ndm = attr_header(nlh, sizeof(*ndm));

	return nlh->nlmsg_type == RTM_NEWNEIGH && ndm != NULL && ndm->ndm_ifindex == index &&
	       (ndm->ndm_family == AF_INET || ndm->ndm_family == AF_INET6) &&
	       (ndm->ndm_state & NUD_PERMANENT) != 0;
}

static bool goes_through(const struct nlattr *hops, int index)
{
	const uint8_t *at = attr_data(hops, 0);
	size_t left = attr_len(hops);

	while (left >= sizeof(struct rtnexthop)) {
		const struct rtnexthop *hop = (const struct rtnexthop *)(const void *)at;
		size_t step = RTNH_ALIGN((size_t)hop->rtnh_len);

		if (hop->rtnh_len < sizeof(*hop) || step > left)
			return false;
		if (hop->rtnh_ifindex == index)
			return true;
		at += step;
		left -= step;
	}
	return false;
}

/* Those that the kernel made itself come back by themselves. */
static bool is_route(const struct nlmsghdr *nlh, int index)
{
	const struct rtmsg *rtm = attr_header(nlh, sizeof(*rtm));
	const struct nlattr *tb[RTA_MAX + 1];

	if (nlh->nlmsg_type != RTM_NEWROUTE || rtm == NULL ||
	    (rtm->rtm_flags & RTM_F_CLONED) != 0 ||
	    (rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6) ||
	    rtm->rtm_protocol == RTPROT_KERNEL || rtm->rtm_protocol == RTPROT_REDIRECT ||
	    rtm->rtm_protocol == RTPROT_RA)
		return false;
	attr_parse(nlh, sizeof(*rtm), tb, RTA_MAX);
	if (tb[RTA_NH_ID] != NULL)
		return false;
	if (tb[RTA_MULTIPATH] != NULL)
		return goes_through(tb[RTA_MULTIPATH], index);
	return (int)attr_u32(tb[RTA_OIF]) == index;
}

#define MADE_BY_KERNEL_LL 3 /* IFAPROT_KERNEL_LL, in Linux since 5.18 */

static bool is_address6(const struct nlmsghdr *nlh, int index)
{
	const struct ifaddrmsg *ifa = attr_header(nlh, sizeof(*ifa));
	const struct nlattr *tb[IFA_MAX + 2];

	if (nlh->nlmsg_type != RTM_NEWADDR || ifa == NULL || (int)ifa->ifa_index != index ||
	    ifa->ifa_family != AF_INET6)
		return false;
	attr_parse(nlh, sizeof(*ifa), tb, IFA_MAX + 1);
	/* 11: IFA_PROTO, which older headers do not have. */
	return ifa->ifa_scope != RT_SCOPE_LINK || attr_u8(tb[11]) != MADE_BY_KERNEL_LL;
}
_Static_assert(IFA_MAX + 1 >= 11, "the table has a place for IFA_PROTO");

static int read_kept(struct nl *nl, struct nl_req *req, struct kept *k, struct cni_error *err)
{
	const struct nl_dump dump = { .each = keep, .restart = forget, .arg = k };

	return nl_dump(nl, req, &dump, err);
}

static int read_neighbours(struct nl *nl, struct kept *k, struct cni_error *err)
{
	struct nl_req req;

	nl_begin(&req);
	nl_msg(&req, RTM_GETNEIGH, 0, &(struct ndmsg){ .ndm_family = AF_UNSPEC },
	       sizeof(struct ndmsg));
	nl_what(&req, "list neighbours of link number %d", k->index);
	nl_put_u32(&req, NDA_IFINDEX, (uint32_t)k->index);
	return read_kept(nl, &req, k, err);
}

static int read_routes(struct nl *nl, int family, struct kept *k, struct cni_error *err)
{
	struct nl_req req;

	nl_begin(&req);
	nl_msg(&req, RTM_GETROUTE, 0, &(struct rtmsg){ .rtm_family = (uint8_t)family },
	       sizeof(struct rtmsg));
	nl_what(&req, "list routes of link number %d", k->index);
	nl_put_u32(&req, RTA_OIF, (uint32_t)k->index);
	return read_kept(nl, &req, k, err);
}

static int read_addresses6(struct nl *nl, struct kept *k, struct cni_error *err)
{
	struct nl_req req;

	nl_begin(&req);
	nl_msg(&req, RTM_GETADDR, 0,
	       &(struct ifaddrmsg){ .ifa_family = AF_INET6, .ifa_index = (uint32_t)k->index },
	       sizeof(struct ifaddrmsg));
	nl_what(&req, "list addresses of link number %d", k->index);
	return read_kept(nl, &req, k, err);
}

/* ---- putting it back */

static bool needs_gateway(const struct nlmsghdr *nlh)
{
	const struct nlattr *tb[RTA_MAX + 1];

	attr_parse(nlh, sizeof(struct rtmsg), tb, RTA_MAX);
	return tb[RTA_GATEWAY] != NULL || tb[RTA_VIA] != NULL || tb[RTA_MULTIPATH] != NULL;
}

/* Make room for one more message of `len` bytes: what is in the batch is sent if there is none. */
static int make_room(struct nl *nl, struct nl_req *req, size_t len, struct cni_error *err)
{
	if (req->n < NL_REQ_MSGS && req->len + len + 64 <= NL_REQ_BYTES)
		return 0;
	if (nl_call(nl, req, err) < 0)
		return -1;
	nl_begin(req);
	return 0;
}

static void put_kept(struct nl_req *req, const struct kept *k, struct nlmsghdr *nlh, uint16_t flags)
{
	const uint8_t *body = (const uint8_t *)nlh + NLMSG_HDRLEN;

	nl_msg(req, nlh->nlmsg_type, flags, body, k->header);
	nl_tolerate(req, EEXIST);
	nl_raw(req, body + k->header, nlh->nlmsg_len - NLMSG_HDRLEN - k->header);
}

static int put_neighbours(struct nl *nl, struct nl_req *req, const struct kept *k,
			  struct cni_error *err)
{
	for (size_t i = 0; i < k->n; i++) {
		if (make_room(nl, req, k->list[i]->nlmsg_len, err) < 0)
			return -1;
		put_kept(req, k, k->list[i], NLM_F_CREATE | NLM_F_REPLACE);
		nl_what(req, "put back a permanent neighbour of link number %d", k->index);
	}
	return 0;
}

/* They were in use: nothing is to be detected. Of two flags the kernel takes the last. */
static int put_addresses6(struct nl *nl, struct nl_req *req, const struct kept *k,
			  struct cni_error *err)
{
	for (size_t i = 0; i < k->n; i++) {
		const struct nlattr *tb[IFA_MAX + 1];

		if (make_room(nl, req, k->list[i]->nlmsg_len, err) < 0)
			return -1;
		attr_parse(k->list[i], sizeof(struct ifaddrmsg), tb, IFA_MAX);
		put_kept(req, k, k->list[i], NLM_F_CREATE);
		nl_what(req, "put back an IPv6 address of link number %d", k->index);
		nl_put_u32(req, IFA_FLAGS, attr_u32(tb[IFA_FLAGS]) | IFA_F_NODAD);
	}
	return 0;
}

static int put_some_routes(struct nl *nl, struct nl_req *req, const struct kept *k, bool gateways,
			   struct cni_error *err)
{
	for (size_t i = 0; i < k->n; i++) {
		struct rtmsg *rtm = (struct rtmsg *)(void *)((uint8_t *)k->list[i] + NLMSG_HDRLEN);

		if (needs_gateway(k->list[i]) != gateways)
			continue;
		if (make_room(nl, req, k->list[i]->nlmsg_len, err) < 0)
			return -1;
		rtm->rtm_flags &= RTNH_F_ONLINK; /* the rest is the kernel's to say */
		put_kept(req, k, k->list[i], NLM_F_CREATE | NLM_F_APPEND);
		nl_what(req, "put back a route of link number %d", k->index);
	}
	return 0;
}

/* A gateway must be reachable before the kernel takes a route through it. */
static int put_routes(struct nl *nl, struct nl_req *req, const struct kept *k,
		      struct cni_error *err)
{
	if (put_some_routes(nl, req, k, false, err) < 0)
		return -1;
	return put_some_routes(nl, req, k, true, err);
}

/* ---- the change */

struct change {
	struct link link;
	const struct mac *mac;
	struct kept neighbours, addresses, routes4, routes6;
};

static void free_change(struct change *c)
{
	free_kept(&c->neighbours);
	free_kept(&c->routes4);
	free_kept(&c->routes6);
	free_kept(&c->addresses);
}

static void put_arp_notify(struct nl_req *req, const struct link *link, uint32_t on)
{
	if (link->arp_notify)
		return; /* on for good */
	link_put_set(req, link->index, 0, 0);
	nl_what(req, "switch arp_notify of %s", link->name);
	link_put_inet(req, IPV4_DEVCONF_ARP_NOTIFY, on);
}

static void put_up(struct nl_req *req, const struct link *link, bool up)
{
	link_put_set(req, link->index, up ? IFF_UP : 0, IFF_UP);
	nl_what(req, "set link %s %s for a new MAC", link->name, up ? "up" : "down");
}

static void put_mac(struct nl_req *req, const struct change *c)
{
	char text[MAC_TEXT];

	mac_print(c->mac, text);
	link_put_set(req, c->link.index, 0, 0);
	nl_what(req, "give link %s the MAC %s", c->link.name, text);
	nl_put(req, IFLA_ADDRESS, c->mac->b, sizeof(c->mac->b));
}

static int live(struct nl *nl, struct change *c, struct cni_error *err)
{
	struct nl_req req;

	nl_begin(&req);
	put_arp_notify(&req, &c->link, 1);
	put_mac(&req, c);
	put_arp_notify(&req, &c->link, 0);
	if (put_neighbours(nl, &req, &c->neighbours, err) < 0)
		return -1;
	return nl_call(nl, &req, err);
}

static int through_down(struct nl *nl, struct change *c, struct cni_error *err)
{
	struct nl_req req;

	if (read_addresses6(nl, &c->addresses, err) < 0 ||
	    read_routes(nl, AF_INET, &c->routes4, err) < 0 ||
	    read_routes(nl, AF_INET6, &c->routes6, err) < 0)
		return -1;
	nl_begin(&req);
	put_arp_notify(&req, &c->link, 1);
	put_up(&req, &c->link, false);
	put_mac(&req, c);
	put_up(&req, &c->link, true);
	put_arp_notify(&req, &c->link, 0);
	if (put_addresses6(nl, &req, &c->addresses, err) < 0 ||
	    put_routes(nl, &req, &c->routes4, err) < 0 ||
	    put_routes(nl, &req, &c->routes6, err) < 0 ||
	    put_neighbours(nl, &req, &c->neighbours, err) < 0)
		return -1;
	return nl_call(nl, &req, err);
}

int link_change_mac(struct nl *nl, int index, const char *name, const struct mac *mac,
		    struct cni_error *err)
{
	SCOPED(free_change)
	struct change c = {
		.mac = mac,
		.neighbours = { .index = index,
				.ours = is_neighbour,
				.header = sizeof(struct ndmsg) },
		.routes4 = { .index = index, .ours = is_route, .header = sizeof(struct rtmsg) },
		.routes6 = { .index = index, .ours = is_route, .header = sizeof(struct rtmsg) },
		.addresses = { .index = index,
			       .ours = is_address6,
			       .header = sizeof(struct ifaddrmsg) },
	};

	if (link_get_index(nl, index, &c.link, err) < 0)
		return cni_wrap(err, "change the MAC of %s", name);
	if (mac_equal(&c.link.mac, mac))
		return 0;
	if (read_neighbours(nl, &c.neighbours, err) < 0)
		return -1;
	if (live(nl, &c, err) == 0)
		return 0;
	if (err->sys != EBUSY || (c.link.flags & IFF_UP) == 0)
		return -1;
	cni_clear(err);
	return through_down(nl, &c, err);
}
