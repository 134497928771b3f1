/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netlink/link.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include "netlink/attr.h"
#include "netlink/linkmsg.h"
#include "netlink/req.h"

static void parse_kind(const struct nlattr *info, struct link *link)
{
	const struct nlattr *tb[IFLA_INFO_MAX + 1], *bridge[IFLA_BR_MAX + 1],
	    *port[IFLA_BRPORT_MAX + 1];

	attr_parse_nest(info, tb, IFLA_INFO_MAX);
	attr_str(tb[IFLA_INFO_KIND], link->kind, sizeof(link->kind));
	attr_str(tb[IFLA_INFO_SLAVE_KIND], link->slave_kind, sizeof(link->slave_kind));
	if (strcmp(link->kind, "bridge") == 0) {
		attr_parse_nest(tb[IFLA_INFO_DATA], bridge, IFLA_BR_MAX);
		link->vlan_filtering = attr_u8(bridge[IFLA_BR_VLAN_FILTERING]) != 0;
	}
	if (strcmp(link->slave_kind, "bridge") == 0) {
		attr_parse_nest(tb[IFLA_INFO_SLAVE_DATA], port, IFLA_BRPORT_MAX);
		link->hairpin = attr_u8(port[IFLA_BRPORT_MODE]) != 0;
		link->port_state = attr_u8(port[IFLA_BRPORT_STATE]);
		link->isolated = attr_u8(port[IFLA_BRPORT_ISOLATED]) != 0;
	}
}

/* The kernel sends its IPv4 switches as an array that begins with number 1. */
static bool parse_arp_notify(const struct nlattr *spec)
{
	const struct nlattr *families[AF_INET + 1], *inet[IFLA_INET_MAX + 1];
	const uint32_t *switches;

	attr_parse_nest(spec, families, AF_INET);
	attr_parse_nest(families[AF_INET], inet, IFLA_INET_MAX);
	switches = attr_data(inet[IFLA_INET_CONF], IPV4_DEVCONF_ARP_NOTIFY * sizeof(*switches));
	return switches != NULL && switches[IPV4_DEVCONF_ARP_NOTIFY - 1] != 0;
}

bool link_parse(const struct nlmsghdr *nlh, struct link *ret)
{
	const struct ifinfomsg *ifi = attr_header(nlh, sizeof(*ifi));
	const struct nlattr *tb[IFLA_MAX + 1];

	if (nlh->nlmsg_type != RTM_NEWLINK || ifi == NULL)
		return false;
	attr_parse(nlh, sizeof(*ifi), tb, IFLA_MAX);
	*ret = (struct link){
		.index = ifi->ifi_index,
		.flags = ifi->ifi_flags,
		.mtu = attr_u32(tb[IFLA_MTU]),
		.txqlen = attr_u32(tb[IFLA_TXQLEN]),
		.mac = attr_mac(tb[IFLA_ADDRESS]),
		.master = (int)attr_u32(tb[IFLA_MASTER]),
		.peer = (int)attr_u32(tb[IFLA_LINK]),
		.peer_elsewhere = tb[IFLA_LINK_NETNSID] != NULL,
		.peer_nsid = (int)attr_u32(tb[IFLA_LINK_NETNSID]),
		.operstate = attr_u8(tb[IFLA_OPERSTATE]),
		.promiscuity = attr_u32(tb[IFLA_PROMISCUITY]),
		.arp_notify = parse_arp_notify(tb[IFLA_AF_SPEC]),
	};
	attr_str(tb[IFLA_IFNAME], ret->name, sizeof(ret->name));
	attr_str(tb[IFLA_IFALIAS], ret->alias, sizeof(ret->alias));
	parse_kind(tb[IFLA_LINKINFO], ret);
	return true;
}

void link_put_get(struct nl_req *req, int index, const char *name)
{
	nl_msg(req, RTM_GETLINK, 0,
	       &(struct ifinfomsg){ .ifi_family = AF_UNSPEC, .ifi_index = index },
	       sizeof(struct ifinfomsg));
	if (index == 0)
		nl_put_str(req, IFLA_IFNAME, name);
	/* Counters are most of the answer and nobody reads them here. */
	nl_put_u32(req, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	if (index == 0)
		nl_what(req, "read link %s", name);
	else
		nl_what(req, "read link number %d", index);
}

void link_put_list(struct nl_req *req, const char *kind)
{
	nl_msg(req, RTM_GETLINK, 0, &(struct ifinfomsg){ .ifi_family = AF_UNSPEC },
	       sizeof(struct ifinfomsg));
	nl_what(req, "list links of kind %s", kind);
	nl_put_u32(req, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	nl_nest(req, IFLA_LINKINFO);
	nl_put_str(req, IFLA_INFO_KIND, kind);
	nl_end(req);
}

static int take_link(const struct nlmsghdr *nlh, size_t index, void *arg, struct cni_error *err)
{
	(void)index;
	(void)err;
	(void)link_parse(nlh, arg);
	return 0;
}

static int get(struct nl *nl, int index, const char *name, struct link *ret, struct cni_error *err)
{
	struct link link = { .index = 0 };
	struct nl_req req;

	nl_begin(&req);
	link_put_get(&req, index, name);
	req.reply = take_link;
	req.reply_arg = &link;
	if (nl_call(nl, &req, err) < 0)
		return -1;
	/* The kernel also answers for alternative names, which nothing here means. */
	if (link.index == 0 || (index == 0 && strcmp(link.name, name) != 0))
		return cni_fail_sys(err, ENODEV, "%s", req.msgs[0].what);
	*ret = link;
	return 0;
}

int link_get(struct nl *nl, const char *name, struct link *ret, struct cni_error *err)
{
	return get(nl, 0, name, ret, err);
}

int link_get_index(struct nl *nl, int index, struct link *ret, struct cni_error *err)
{
	if (index <= 0)
		return cni_fail_sys(err, ENODEV, "read link number %d", index);
	return get(nl, index, "", ret, err);
}

struct walk {
	const char *kind;
	int (*each)(const struct link *link, void *arg, struct cni_error *err);
	void *arg;
};

static int walk_link(const struct nlmsghdr *nlh, void *arg, struct cni_error *err)
{
	const struct walk *w = arg;
	struct link link;

	/* A kernel that does not know the kind does not filter by it. */
	if (!link_parse(nlh, &link) || strcmp(link.kind, w->kind) != 0)
		return 0;
	return w->each(&link, w->arg, err);
}

int link_each(struct nl *nl, const char *kind,
	      int (*each)(const struct link *link, void *arg, struct cni_error *err), void *arg,
	      struct cni_error *err)
{
	struct walk walk = { .kind = kind, .each = each, .arg = arg };
	const struct nl_dump dump = { .each = walk_link, .arg = &walk };
	struct nl_req req;

	nl_begin(&req);
	link_put_list(&req, kind);
	return nl_dump(nl, &req, &dump, err);
}

static int delete_link(struct nl *nl, int index, const char *name, struct cni_error *err)
{
	struct nl_req req;

	nl_begin(&req);
	nl_msg(&req, RTM_DELLINK, 0,
	       &(struct ifinfomsg){ .ifi_family = AF_UNSPEC, .ifi_index = index },
	       sizeof(struct ifinfomsg));
	nl_what(&req, "delete link %s", name);
	nl_tolerate(&req, ENODEV);
	if (index == 0)
		nl_put_str(&req, IFLA_IFNAME, name);
	return nl_call(nl, &req, err);
}

int link_delete(struct nl *nl, const char *name, struct cni_error *err)
{
	return delete_link(nl, 0, name, err);
}

int link_delete_index(struct nl *nl, int index, const char *name, struct cni_error *err)
{
	return index <= 0 ? 0 : delete_link(nl, index, name, err);
}

void link_put_set(struct nl_req *req, int index, unsigned flags, unsigned mask)
{
	nl_msg(req, RTM_NEWLINK, 0,
	       &(struct ifinfomsg){ .ifi_family = AF_UNSPEC,
				    .ifi_index = index,
				    .ifi_flags = flags & mask,
				    .ifi_change = mask },
	       sizeof(struct ifinfomsg));
}

int link_set_flags(struct nl *nl, int index, unsigned flags, unsigned mask, const char *what,
		   struct cni_error *err)
{
	struct nl_req req;

	nl_begin(&req);
	link_put_set(&req, index, flags, mask);
	nl_what(&req, "change flags of %s", what);
	return nl_call(nl, &req, err);
}

static int set_up(struct nl *nl, int index, const char *name, bool up, struct cni_error *err)
{
	struct nl_req req;

	nl_begin(&req);
	link_put_set(&req, index, up ? IFF_UP : 0, IFF_UP);
	nl_what(&req, "set link %s %s", name, up ? "up" : "down");
	return nl_call(nl, &req, err);
}

int link_set_up(struct nl *nl, int index, const char *name, struct cni_error *err)
{
	return set_up(nl, index, name, true, err);
}

int link_set_down(struct nl *nl, int index, const char *name, struct cni_error *err)
{
	return set_up(nl, index, name, false, err);
}

int link_set_mac(struct nl *nl, int index, const char *name, const struct mac *mac,
		 struct cni_error *err)
{
	char text[MAC_TEXT];
	struct nl_req req;

	mac_print(mac, text);
	nl_begin(&req);
	link_put_set(&req, index, 0, 0);
	nl_what(&req, "give link %s the MAC %s", name, text);
	nl_put(&req, IFLA_ADDRESS, mac->b, sizeof(mac->b));
	return nl_call(nl, &req, err);
}

int link_set_master(struct nl *nl, int index, const char *name, int master, struct cni_error *err)
{
	struct nl_req req;

	nl_begin(&req);
	link_put_set(&req, index, 0, 0);
	nl_what(&req, "change the bridge of link %s", name);
	nl_put_u32(&req, IFLA_MASTER, (uint32_t)master);
	return nl_call(nl, &req, err);
}

void link_put_inet(struct nl_req *req, int devconf, uint32_t value)
{
	nl_nest(req, IFLA_AF_SPEC);
	nl_nest(req, AF_INET);
	nl_nest(req, IFLA_INET_CONF);
	nl_put_u32(req, (uint16_t)devconf, value);
	nl_end(req);
	nl_end(req);
	nl_end(req);
}

void link_put_no_link_local(struct nl_req *req, int index, const char *kind, const char *name)
{
	link_put_set(req, index, 0, 0);
	nl_what(req, "keep IPv6 link-local addresses off %s %s", kind, name);
	nl_tolerate(req, EAFNOSUPPORT);
	if (index == 0)
		nl_put_str(req, IFLA_IFNAME, name);
	nl_nest(req, IFLA_AF_SPEC);
	nl_nest(req, AF_INET6);
	nl_put_u8(req, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	nl_end(req);
	nl_end(req);
}

void link_put_up(struct nl_req *req, int index, const char *kind, const char *name)
{
	link_put_set(req, index, IFF_UP, IFF_UP);
	nl_what(req, "set %s %s up", kind, name);
	if (index == 0)
		nl_put_str(req, IFLA_IFNAME, name);
}

int link_set_inet(struct nl *nl, int index, const char *name, int devconf, uint32_t value,
		  struct cni_error *err)
{
	struct nl_req req;

	nl_begin(&req);
	link_put_set(&req, index, 0, 0);
	nl_what(&req, "set IPv4 switch %d of link %s to %u", devconf, name, value);
	link_put_inet(&req, devconf, value);
	return nl_call(nl, &req, err);
}
