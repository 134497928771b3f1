/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netlink/addr.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "base/grow.h"
#include "netlink/attr.h"
#include "netlink/req.h"

struct found {
	int index, family;
	struct addr *list;
	size_t n, cap;
};

static int take_addr(const struct nlmsghdr *nlh, void *arg, struct cni_error *err)
{
	const struct ifaddrmsg *ifa = attr_header(nlh, sizeof(*ifa));
	const struct nlattr *tb[IFA_MAX + 1];
	struct found *f = arg;
	struct ip ip;

	if (nlh->nlmsg_type != RTM_NEWADDR || ifa == NULL ||
	    (f->index != 0 && (int)ifa->ifa_index != f->index))
		return 0;
	/* Without IPv6 in the kernel, a question for its addresses is answered with all there are.
	 */
	if ((ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6) ||
	    (f->family != AF_UNSPEC && f->family != ifa->ifa_family))
		return 0;
	attr_parse(nlh, sizeof(*ifa), tb, IFA_MAX);
	ip = attr_ip(tb[tb[IFA_LOCAL] != NULL ? IFA_LOCAL : IFA_ADDRESS], ifa->ifa_family);
	/* ::ffff:192.0.2.1 can be an interface's, and is no IPv4 address of ours. */
	if (ip_family(&ip) != ifa->ifa_family || ifa->ifa_prefixlen > (ip_is4(&ip) ? 32 : 128))
		return 0;
	if (grow(&f->list, f->n, &f->cap, sizeof(*f->list), err) < 0)
		return -1;
	f->list[f->n++] = (struct addr){
		.net = ipnet_make(&ip, ifa->ifa_prefixlen),
		.index = (int)ifa->ifa_index,
		.flags = tb[IFA_FLAGS] != NULL ? attr_u32(tb[IFA_FLAGS]) : ifa->ifa_flags,
		.scope = ifa->ifa_scope,
	};
	return 0;
}

static void forget(void *arg)
{
	struct found *f = arg;

	f->n = 0;
}

int addr_list(struct nl *nl, int index, int family, struct addr **ret, size_t *ret_n,
	      struct cni_error *err)
{
	struct found f = { .index = index, .family = family };
	const struct nl_dump dump = { .each = take_addr, .restart = forget, .arg = &f };
	struct nl_req req;

	nl_begin(&req);
	nl_msg(&req, RTM_GETADDR, 0,
	       &(struct ifaddrmsg){ .ifa_family = (uint8_t)family, .ifa_index = (uint32_t)index },
	       sizeof(struct ifaddrmsg));
	if (index == 0)
		nl_what(&req, "list addresses");
	else
		nl_what(&req, "list addresses of link number %d", index);
	if (nl_dump(nl, &req, &dump, err) < 0) {
		free(f.list);
		return -1;
	}
	*ret = f.list;
	*ret_n = f.n;
	return 0;
}

static void put_addr(struct nl_req *req, uint16_t type, uint16_t nl_flags, int index,
		     const struct ipnet *net)
{
	const struct ifaddrmsg ifa = { .ifa_family = (uint8_t)ip_family(&net->addr),
				       .ifa_prefixlen = (uint8_t)ipnet_plen(net),
				       .ifa_index = (uint32_t)index };

	nl_msg(req, type, nl_flags, &ifa, sizeof(ifa));
	nl_put_ip(req, IFA_LOCAL, &net->addr);
	nl_put_ip(req, IFA_ADDRESS, &net->addr);
}

/* The kernel sets none by itself, and ip(8) would show "brd 0.0.0.0"; a /31 and a /32 have none. */
static void put_broadcast(struct nl_req *req, const struct ipnet *net)
{
	struct ip last = ipnet_last(net);

	if (ip_is4(&net->addr) && ipnet_plen(net) < 31)
		nl_put_ip(req, IFA_BROADCAST, &last);
}

void addr_put_add(struct nl_req *req, int index, const char *link, const struct ipnet *net,
		  uint32_t flags)
{
	char text[IPNET_TEXT];

	ipnet_print(net, text);
	put_addr(req, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, index, net);
	nl_what(req, "add address %s to %s", text, link);
	put_broadcast(req, net);
	if (flags != 0)
		nl_put_u32(req, IFA_FLAGS, flags);
}

int addr_add(struct nl *nl, int index, const char *link, const struct ipnet *net, uint32_t flags,
	     struct cni_error *err)
{
	struct nl_req req;

	nl_begin(&req);
	addr_put_add(&req, index, link, net, flags);
	return nl_call(nl, &req, err);
}

void addr_put_delete(struct nl_req *req, int index, const char *link, const struct ipnet *net)
{
	char text[IPNET_TEXT];

	ipnet_print(net, text);
	put_addr(req, RTM_DELADDR, 0, index, net);
	nl_what(req, "remove address %s from %s", text, link);
	nl_tolerate(req, EADDRNOTAVAIL);
}

int addr_delete(struct nl *nl, int index, const char *link, const struct ipnet *net,
		struct cni_error *err)
{
	struct nl_req req;

	nl_begin(&req);
	addr_put_delete(&req, index, link, net);
	return nl_call(nl, &req, err);
}
