/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netlink/neigh.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/grow.h"
#include "netlink/attr.h"
#include "netlink/req.h"

static void put(struct nl_req *req, uint16_t type, uint16_t flags, int index, const struct ip *ip)
{
	const struct ndmsg ndm = {
		.ndm_family = (uint8_t)ip_family(ip),
		.ndm_ifindex = index,
		.ndm_state = type == RTM_NEWNEIGH ? NUD_PERMANENT : 0,
		.ndm_type = type == RTM_NEWNEIGH ? RTN_UNICAST : 0,
	};

	nl_msg(req, type, flags, &ndm, sizeof(ndm));
	nl_put_ip(req, NDA_DST, ip);
}

void neigh_put_set(struct nl_req *req, int index, const struct neigh *n)
{
	char text[IP_TEXT];

	ip_print(&n->ip, text);
	put(req, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, index, &n->ip);
	nl_what(req, "set neighbour %s of link number %d", text, index);
	nl_put(req, NDA_LLADDR, n->mac.b, sizeof(n->mac.b));
}

void neigh_put_delete(struct nl_req *req, int index, const struct ip *ip)
{
	char text[IP_TEXT];

	ip_print(ip, text);
	put(req, RTM_DELNEIGH, 0, index, ip);
	nl_what(req, "forget neighbour %s of link number %d", text, index);
	nl_tolerate(req, ENOENT);
}

void neigh_put_get(struct nl_req *req, int index, const struct ip *ip)
{
	char text[IP_TEXT];

	ip_print(ip, text);
	put(req, RTM_GETNEIGH, 0, index, ip);
	nl_what(req, "read neighbour %s of link number %d", text, index);
	nl_tolerate(req, ENOENT);
	nl_tolerate(req, EOPNOTSUPP); /* before Linux 5.0 */
}

int neigh_delete(struct nl *nl, int index, const struct ip *ip, struct cni_error *err)
{
	struct nl_req req;

	nl_begin(&req);
	neigh_put_delete(&req, index, ip);
	return nl_call(nl, &req, err);
}

bool neigh_parse(const struct nlmsghdr *nlh, int index, struct neigh *ret)
{
	const struct ndmsg *ndm = attr_header(nlh, sizeof(*ndm));
	const struct nlattr *tb[NDA_MAX + 1];
	struct neigh n;

	/* An old kernel does not filter. */
	if (nlh->nlmsg_type != RTM_NEWNEIGH || ndm == NULL || ndm->ndm_ifindex != index ||
	    (ndm->ndm_state & NUD_PERMANENT) == 0 || (ndm->ndm_flags & NTF_PROXY) != 0 ||
	    (ndm->ndm_family != AF_INET && ndm->ndm_family != AF_INET6))
		return false;
	attr_parse(nlh, sizeof(*ndm), tb, NDA_MAX);
	n = (struct neigh){ .ip = attr_ip(tb[NDA_DST], ndm->ndm_family),
			    .mac = attr_mac(tb[NDA_LLADDR]) };
	/* ::ffff:192.0.2.1 is no IPv4 neighbour. */
	if (ip_family(&n.ip) != ndm->ndm_family)
		return false;
	*ret = n;
	return true;
}

struct found {
	int family, index;
	struct neigh *list;
	size_t n, cap;
};

static int take(const struct nlmsghdr *nlh, void *arg, struct cni_error *err)
{
	struct found *f = arg;
	struct neigh n;

	if (!neigh_parse(nlh, f->index, &n) || ip_family(&n.ip) != f->family)
		return 0;
	if (grow(&f->list, f->n, &f->cap, sizeof(*f->list), err) < 0)
		return -1;
	f->list[f->n++] = n;
	return 0;
}

static void forget(void *arg)
{
	struct found *f = arg;

	f->n = 0;
}

int neigh_list(struct nl *nl, int family, int index, struct neigh **ret, size_t *ret_n,
	       struct cni_error *err)
{
	struct found f = { .family = family, .index = index };
	const struct nl_dump dump = { .each = take, .restart = forget, .arg = &f };
	struct nl_req req;

	nl_begin(&req);
	nl_msg(&req, RTM_GETNEIGH, 0, &(struct ndmsg){ .ndm_family = (uint8_t)family },
	       sizeof(struct ndmsg));
	nl_what(&req, "list neighbours of link number %d", index);
	nl_put_u32(&req, NDA_IFINDEX, (uint32_t)index);
	if (nl_dump(nl, &req, &dump, err) < 0) {
		free(f.list);
		return -1;
	}
	*ret = f.list;
	*ret_n = f.n;
	return 0;
}
