/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netlink/nexthop.h"

#include <errno.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/grow.h"
#include "netlink/attr.h"
#include "netlink/req.h"

bool hop_equal(const struct hop *a, const struct hop *b)
{
	return a->index == b->index && a->onlink == b->onlink && ip_equal(&a->gw, &b->gw);
}

void nexthop_put_set(struct nl_req *req, const struct nexthop *n, bool there)
{
	const struct nhmsg nhm = {
		.nh_family = (uint8_t)ip_family(&n->hop.gw),
		.nh_protocol = n->protocol,
		.nh_flags = n->hop.onlink ? RTNH_F_ONLINK : 0,
	};
	char text[IP_TEXT];

	ip_print(&n->hop.gw, text);
	nl_msg(req, RTM_NEWNEXTHOP, there ? NLM_F_REPLACE : NLM_F_CREATE | NLM_F_EXCL, &nhm,
	       sizeof(nhm));
	nl_what(req, "%s nexthop %u via %s", there ? "change" : "add", n->id, text);
	nl_put_u32(req, NHA_ID, n->id);
	nl_put_u32(req, NHA_OIF, (uint32_t)n->hop.index);
	nl_put_ip(req, NHA_GATEWAY, &n->hop.gw);
}

static void put_id(struct nl_req *req, uint16_t type, uint32_t id)
{
	nl_msg(req, type, 0, &(struct nhmsg){ .nh_family = AF_UNSPEC }, sizeof(struct nhmsg));
	nl_what(req, "%s nexthop %u", type == RTM_DELNEXTHOP ? "remove" : "read", id);
	nl_tolerate(req, ENOENT);
	nl_put_u32(req, NHA_ID, id);
}

void nexthop_put_delete(struct nl_req *req, uint32_t id)
{
	put_id(req, RTM_DELNEXTHOP, id);
}

void nexthop_put_get(struct nl_req *req, uint32_t id)
{
	put_id(req, RTM_GETNEXTHOP, id);
}

bool nexthop_parse(const struct nlmsghdr *nlh, struct nexthop *ret)
{
	const struct nhmsg *nhm = attr_header(nlh, sizeof(*nhm));
	const struct nlattr *tb[NHA_ENCAP + 1];

	if (nlh->nlmsg_type != RTM_NEWNEXTHOP || nhm == NULL)
		return false;
	attr_parse(nlh, sizeof(*nhm), tb, NHA_ENCAP);
	*ret = (struct nexthop){
		.id = attr_u32(tb[NHA_ID]),
		.protocol = nhm->nh_protocol,
		.plain = tb[NHA_GATEWAY] != NULL && tb[NHA_OIF] != NULL && tb[NHA_ENCAP] == NULL,
		.hop = { .index = (int)attr_u32(tb[NHA_OIF]),
			 .gw = attr_ip(tb[NHA_GATEWAY], nhm->nh_family),
			 .onlink = (nhm->nh_flags & RTNH_F_ONLINK) != 0 },
	};
	return true;
}

struct found {
	struct nexthop *list;
	size_t n, cap;
};

static int take(const struct nlmsghdr *nlh, void *arg, struct cni_error *err)
{
	struct found *f = arg;
	struct nexthop one;

	if (!nexthop_parse(nlh, &one))
		return 0;
	if (grow(&f->list, f->n, &f->cap, sizeof(*f->list), err) < 0)
		return -1;
	f->list[f->n++] = one;
	return 0;
}

static void forget(void *arg)
{
	struct found *f = arg;

	f->n = 0;
}

int nexthop_list(struct nl *nl, struct nexthop **ret, size_t *ret_n, struct cni_error *err)
{
	struct found f = { .n = 0 };
	const struct nl_dump dump = { .each = take, .restart = forget, .arg = &f };
	struct nl_req req;

	nl_begin(&req);
	nl_msg(&req, RTM_GETNEXTHOP, 0, &(struct nhmsg){ .nh_family = AF_UNSPEC },
	       sizeof(struct nhmsg));
	nl_what(&req, "list nexthops");
	if (nl_dump(nl, &req, &dump, err) < 0) {
		free(f.list);
		return -1;
	}
	*ret = f.list;
	*ret_n = f.n;
	return 0;
}
