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

int link_host_end(struct nl *host, int netns_fd, const struct link *inside, struct link *ret,
		  struct cni_error *err)
{
	struct link end;
	int nsid;

	if (strcmp(inside->kind, "veth") == 0 && inside->peer != 0 && inside->peer_elsewhere) {
		if (get_nsid(host, netns_fd, &nsid, err) < 0)
			return -1;
		if (link_get_index(host, inside->peer, &end, err) == 0) {
			if (strcmp(end.kind, "veth") == 0 && end.peer == inside->index &&
			    end.peer_elsewhere && end.peer_nsid == nsid) {
				*ret = end;
				return 0;
			}
		} else if (err->sys != ENODEV) {
			return -1;
		}
	}
	return cni_fail_sys(err, ENODEV, "%s is no veth whose other end is on this host",
			    inside->name);
}
