/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netlink/linkset.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include "netlink/attr.h"
#include "netlink/linkmsg.h"
#include "netlink/req.h"

void link_values_take(struct link_values *v, const struct link *link,
		      const struct link_values *want)
{
	if (want->has_mac && !v->has_mac)
		v->mac = link->mac;
	if (want->has_promisc && !v->has_promisc)
		v->promisc = (link->flags & IFF_PROMISC) != 0;
	if (want->has_mtu && !v->has_mtu)
		v->mtu = link->mtu;
	if (want->has_allmulti && !v->has_allmulti)
		v->allmulti = (link->flags & IFF_ALLMULTI) != 0;
	if (want->has_txqlen && !v->has_txqlen)
		v->txqlen = link->txqlen;
	v->has_mac |= want->has_mac;
	v->has_promisc |= want->has_promisc;
	v->has_mtu |= want->has_mtu;
	v->has_allmulti |= want->has_allmulti;
	v->has_txqlen |= want->has_txqlen;
}

static void put_flag(struct nl_req *req, const struct link *now, unsigned flag, bool on,
		     const char *what)
{
	if (((now->flags & flag) != 0) == on)
		return;
	link_put_set(req, now->index, on ? flag : 0, flag);
	nl_what(req, "turn the %s mode of link %s %s", what, now->name, on ? "on" : "off");
}

static void put_number(struct nl_req *req, const struct link *now, uint16_t type, uint32_t value,
		       const char *what)
{
	if (value == (type == IFLA_MTU ? now->mtu : now->txqlen))
		return;
	link_put_set(req, now->index, 0, 0);
	nl_what(req, "give link %s the %s %u", now->name, what, value);
	nl_put_u32(req, type, value);
}

int link_set_values(struct nl *nl, const struct link *now, const struct link_values *want,
		    struct cni_error *err)
{
	struct nl_req req;

	nl_begin(&req);
	if (want->has_promisc)
		put_flag(&req, now, IFF_PROMISC, want->promisc, "promiscuous");
	if (want->has_mtu)
		put_number(&req, now, IFLA_MTU, want->mtu, "MTU");
	if (want->has_allmulti)
		put_flag(&req, now, IFF_ALLMULTI, want->allmulti, "all-multicast");
	if (want->has_txqlen)
		put_number(&req, now, IFLA_TXQLEN, want->txqlen, "transmit queue length");
	return req.n == 0 ? 0 : nl_call(nl, &req, err);
}

static int take_nsid(const struct nlmsghdr *nlh, size_t index, void *arg, struct cni_error *err)
{
	const struct nlattr *tb[NETNSA_MAX + 1];
	int *nsid = arg;

	(void)index;
	(void)err;
	if (nlh->nlmsg_type != RTM_NEWNSID || attr_header(nlh, sizeof(struct rtgenmsg)) == NULL)
		return 0;
	attr_parse(nlh, sizeof(struct rtgenmsg), tb, NETNSA_MAX);
	if (tb[NETNSA_NSID] != NULL)
		*nsid = (int)attr_u32(tb[NETNSA_NSID]);
	return 0;
}

/* How the kernel names that namespace in answers on this socket; -1: it has no number, and so no
 * link here leads there. */
static int get_nsid(struct nl *nl, int netns_fd, int *ret, struct cni_error *err)
{
	int nsid = -1;
	struct nl_req req;

	nl_begin(&req);
	nl_msg(&req, RTM_GETNSID, 0, &(struct rtgenmsg){ .rtgen_family = AF_UNSPEC },
	       sizeof(struct rtgenmsg));
	nl_what(&req, "look up the number of the pod's namespace");
	nl_put_u32(&req, NETNSA_FD, (uint32_t)netns_fd);
	req.reply = take_nsid;
	req.reply_arg = &nsid;
	if (nl_call(nl, &req, err) < 0)
		return -1;
	*ret = nsid;
	return 0;
}

static bool is_far_end(const struct link *end, const struct link *inside, int nsid)
{
	return strcmp(end->kind, "veth") == 0 && end->peer == inside->index &&
	       end->peer_elsewhere && end->peer_nsid == nsid;
}

int link_host_end(struct nl *host, int netns_fd, const struct link *inside, struct link *ret,
		  struct cni_error *err)
{
	struct link end;
	int nsid = -1;

	if (strcmp(inside->kind, "veth") == 0 && inside->peer != 0 && inside->peer_elsewhere &&
	    get_nsid(host, netns_fd, &nsid, err) < 0)
		return -1;
	if (nsid >= 0 && link_get_index(host, inside->peer, &end, err) < 0) {
		if (err->sys != ENODEV)
			return -1;
		nsid = -1;
	}
	if (nsid < 0 || !is_far_end(&end, inside, nsid))
		return cni_fail_sys(err, ENODEV, "%s is no veth whose other end is on this host",
				    inside->name);
	*ret = end;
	return 0;
}
