/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A new MAC makes the kernel empty the link's neighbour tables, permanent
 * entries included: they are read beforehand and put back in the sendmsg that changes the MAC. A
 * driver that refuses it while the link is up (EBUSY) costs the routes, too, which go when the link
 * goes down. They are put back as far as struct route describes them; the rest (onlink, a preferred
 * source, the protocol) and proxy neighbours are lost on this rare way. IPv6 addresses stay where
 * keep_addr_on_down is set, as every interface plugin does; elsewhere they are put back.
 *
 * The kernel handles the messages of a sendmsg one after the other, those behind a failed one too:
 * the link comes up again whatever was refused, and a route that is refused costs no other.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/ip.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>

#include "base/grow.h"
#include "base/scoped.h"
#include "netlink/addr.h"
#include "netlink/attr.h"
#include "netlink/linkmsg.h"
#include "netlink/linkset.h"
#include "netlink/req.h"
#include "netlink/route.h"

struct neighbour {
	struct ndmsg ndm;
	struct ip ip;
	struct mac mac;
};

struct neighbours {
	int index;
	struct neighbour *list;
	size_t n, cap;
};

static int keep(const struct nlmsghdr *nlh, void *arg, struct cni_error *err)
{
	const struct ndmsg *ndm = attr_header(nlh, sizeof(*ndm));
	const struct nlattr *tb[NDA_MAX + 1];
	struct neighbours *k = arg;

	if (nlh->nlmsg_type != RTM_NEWNEIGH || ndm == NULL || ndm->ndm_ifindex != k->index ||
	    (ndm->ndm_family != AF_INET && ndm->ndm_family != AF_INET6) ||
	    (ndm->ndm_state & NUD_PERMANENT) == 0)
		return 0;
	attr_parse(nlh, sizeof(*ndm), tb, NDA_MAX);
	if (grow(&k->list, k->n, &k->cap, sizeof(*k->list), err) < 0)
		return -1;
	k->list[k->n++] = (struct neighbour){ .ndm = *ndm,
					      .ip = attr_ip(tb[NDA_DST], ndm->ndm_family),
					      .mac = attr_mac(tb[NDA_LLADDR]) };
	return 0;
}

static void forget(void *arg)
{
	((struct neighbours *)arg)->n = 0;
}

static int read_neighbours(struct nl *nl, struct neighbours *k, struct cni_error *err)
{
	const struct nl_dump dump = { .each = keep, .restart = forget, .arg = k };
	struct nl_req req;

	nl_begin(&req);
	nl_msg(&req, RTM_GETNEIGH, 0, &(struct ndmsg){ .ndm_family = AF_UNSPEC },
	       sizeof(struct ndmsg));
	nl_what(&req, "list neighbours of link number %d", k->index);
	nl_put_u32(&req, NDA_IFINDEX, (uint32_t)k->index);
	return nl_dump(nl, &req, &dump, err);
}

struct change {
	struct nl *nl;
	struct link link;
	const struct mac *mac;
	struct nl_req req;
	struct cni_error first;
};

/* Send what has been put, once it is `enough` messages; the last call asks for one. */
static void send_if(struct change *c, size_t enough)
{
	struct cni_error step;

	if (c->req.n < enough)
		return;
	if (nl_call(c->nl, &c->req, &step) < 0)
		cni_keep_first(&c->first, &step);
	nl_begin(&c->req);
}

/* Before and after the change: arp_notify on, and the link down if it must be; then all back. */
static void put_frame(struct change *c, bool through_down, bool after)
{
	const unsigned mask = through_down ? IFF_UP : 0;

	link_put_set(&c->req, c->link.index, after ? mask : 0, mask);
	nl_what(&c->req, "%s link %s for a new MAC", after ? "resume" : "prepare", c->link.name);
	if (!c->link.arp_notify) /* else it is on for good */
		link_put_inet(&c->req, IPV4_DEVCONF_ARP_NOTIFY, after ? 0 : 1);
}

static void put_mac(struct change *c, bool through_down)
{
	char text[MAC_TEXT];

	mac_print(c->mac, text);
	put_frame(c, through_down, false);
	link_put_set(&c->req, c->link.index, 0, 0);
	nl_what(&c->req, "give link %s the MAC %s", c->link.name, text);
	nl_put(&c->req, IFLA_ADDRESS, c->mac->b, sizeof(c->mac->b));
	put_frame(c, through_down, true);
}

static void put_neighbours(struct change *c, const struct neighbours *k)
{
	for (size_t i = 0; i < k->n; i++) {
		const struct neighbour *n = &k->list[i];

		send_if(c, NL_REQ_MSGS);
		nl_msg(&c->req, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &n->ndm,
		       sizeof(n->ndm));
		nl_what(&c->req, "put back a permanent neighbour of %s", c->link.name);
		nl_put_ip(&c->req, NDA_DST, &n->ip);
		nl_put(&c->req, NDA_LLADDR, n->mac.b, sizeof(n->mac.b));
	}
}

/* They were in use: nothing is to be detected. The kernel makes link-local ones itself. */
static void put_addresses6(struct change *c, const struct addr *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i].scope == RT_SCOPE_LINK || (list[i].flags & IFA_F_PERMANENT) == 0)
			continue;
		send_if(c, NL_REQ_MSGS);
		addr_put_add(&c->req, c->link.index, c->link.name, &list[i].net,
			     list[i].flags | IFA_F_NODAD);
		nl_tolerate(&c->req, EEXIST);
	}
}

/* Those that the kernel made itself come back by themselves. */
static void put_routes(struct change *c, const struct route_found *list, size_t n, bool gateways)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i].type != RTN_UNICAST || list[i].protocol == RTPROT_KERNEL ||
		    list[i].protocol == RTPROT_REDIRECT || list[i].protocol == RTPROT_RA ||
		    list[i].route.has_gw != gateways)
			continue;
		send_if(c, NL_REQ_MSGS);
		route_put_add(&c->req, c->link.index, c->link.name, &list[i].route);
		nl_tolerate(&c->req, EEXIST);
	}
}

static int through_down(struct change *c, const struct neighbours *k, struct cni_error *err)
{
	scoped_free struct route_found *four = NULL, *six = NULL;
	scoped_free struct addr *addresses = NULL;
	size_t n4 = 0, n6 = 0, n_addresses = 0;

	if (route_list(c->nl, AF_INET, c->link.index, &four, &n4, err) < 0 ||
	    route_list(c->nl, AF_INET6, c->link.index, &six, &n6, err) < 0 ||
	    addr_list(c->nl, c->link.index, AF_INET6, &addresses, &n_addresses, err) < 0)
		return -1;
	put_mac(c, true);
	put_neighbours(c, k);
	put_addresses6(c, addresses, n_addresses);
	for (int gateways = 0; gateways < 2; gateways++) { /* which must be reachable by then */
		put_routes(c, four, n4, gateways == 1);
		put_routes(c, six, n6, gateways == 1);
	}
	send_if(c, 1);
	return 0;
}

int link_change_mac(struct nl *nl, int index, const char *name, const struct mac *mac,
		    struct cni_error *err)
{
	struct change c = { .nl = nl, .mac = mac };
	struct neighbours k = { .index = index };
	int r = 0;

	nl_begin(&c.req);
	if (link_get_index(nl, index, &c.link, err) < 0)
		return cni_wrap(err, "change the MAC of %s", name);
	if (mac_equal(&c.link.mac, mac))
		return 0;
	r = read_neighbours(nl, &k, err);
	if (r == 0) {
		put_mac(&c, false);
		put_neighbours(&c, &k);
		send_if(&c, 1);
	}
	if (c.first.sys == EBUSY && (c.link.flags & IFF_UP) != 0) {
		cni_clear(&c.first);
		r = through_down(&c, &k, err);
	}
	free(k.list);
	if (r < 0 || c.first.code == CNI_OK)
		return r;
	*err = c.first;
	return -1;
}
