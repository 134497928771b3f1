/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netlink/route.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/grow.h"
#include "base/scoped.h"
#include "base/text.h"
#include "netlink/attr.h"
#include "netlink/link.h"
#include "netlink/req.h"

static uint8_t scope_of(const struct route *route)
{
	if (!ip_is4(&route->dst.addr))
		return RT_SCOPE_UNIVERSE; /* IPv6 has none */
	if (route->has_scope)
		return route->scope;
	return route->has_gw ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
}

static void say(struct nl_req *req, const char *link, const struct route *route)
{
	char dst[IPNET_TEXT], gw[IP_TEXT], line[128];
	struct text t;

	ipnet_print(&route->dst, dst);
	text_init(&t, line, sizeof(line));
	text_add(&t, "add route %s", dst);
	if (route->has_gw) {
		ip_print(&route->gw, gw);
		text_add(&t, " via %s", gw);
	}
	text_add(&t, " dev %s", link);
	if (route->priority != 0)
		text_add(&t, " metric %u", route->priority);
	if (route->has_table)
		text_add(&t, " table %u", route->table);
	nl_what(req, "%s", line);
}

void route_put_metrics(struct nl_req *req, const struct route *route)
{
	if (route->mtu == 0 && route->advmss == 0)
		return;
	nl_nest(req, RTA_METRICS);
	if (route->mtu != 0)
		nl_put_u32(req, RTAX_MTU, route->mtu);
	if (route->advmss != 0)
		nl_put_u32(req, RTAX_ADVMSS, route->advmss);
	nl_end(req);
}

void route_put_add(struct nl_req *req, int index, const char *link, const struct route *route)
{
	const struct ip dst = ipnet_network(&route->dst);
	const struct rtmsg rtm = {
		.rtm_family = (uint8_t)ip_family(&dst),
		.rtm_dst_len = (uint8_t)ipnet_plen(&route->dst),
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_BOOT,
		.rtm_scope = scope_of(route),
		.rtm_type = RTN_UNICAST,
	};

	nl_msg(req, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, &rtm, sizeof(rtm));
	say(req, link, route);
	nl_put_ip(req, RTA_DST, &dst);
	if (route->has_gw)
		nl_put_ip(req, RTA_GATEWAY, &route->gw);
	nl_put_u32(req, RTA_OIF, (uint32_t)index);
	if (route->priority != 0)
		nl_put_u32(req, RTA_PRIORITY, route->priority);
	if (route->has_table)
		nl_put_u32(req, RTA_TABLE, route->table);
	route_put_metrics(req, route);
}

struct found {
	int family, index;
	const struct route_pick *pick; /* NULL: all of them */
	struct route_found *list;
	size_t n, cap;
};

static void take_metrics(const struct nlattr *metrics, struct route *route)
{
	const struct nlattr *tb[RTAX_MAX + 1];

	attr_parse_nest(metrics, tb, RTAX_MAX);
	route->mtu = attr_u32(tb[RTAX_MTU]);
	route->advmss = attr_u32(tb[RTAX_ADVMSS]);
}

static struct route_found read_route(const struct rtmsg *rtm, const struct nlattr *const *tb)
{
	const struct ip dst = attr_ip(tb[RTA_DST], rtm->rtm_family);
	struct route_found r = {
		.index = (int)attr_u32(tb[RTA_OIF]),
		.nhid = attr_u32(tb[RTA_NH_ID]),
		.onlink = (rtm->rtm_flags & RTNH_F_ONLINK) != 0,
		.type = rtm->rtm_type,
		.protocol = rtm->rtm_protocol,
		.tos = rtm->rtm_tos,
		.route = {
			.dst = ipnet_make(&dst, rtm->rtm_dst_len),
			.has_gw = tb[RTA_GATEWAY] != NULL,
			.gw = attr_ip(tb[RTA_GATEWAY], rtm->rtm_family),
			.priority = attr_u32(tb[RTA_PRIORITY]),
			.has_table = true,
			.table = tb[RTA_TABLE] != NULL ? attr_u32(tb[RTA_TABLE]) : rtm->rtm_table,
			.has_scope = true,
			.scope = rtm->rtm_scope,
		},
	};

	take_metrics(tb[RTA_METRICS], &r.route);
	return r;
}

static int keep(struct found *f, const struct route_found *r, struct cni_error *err)
{
	if (f->index != 0 && r->index != f->index)
		return 0;
	if (f->pick != NULL &&
	    (r->route.table != f->pick->table || !f->pick->wanted(r, f->pick->arg)))
		return 0;
	if (grow(&f->list, f->n, &f->cap, sizeof(*f->list), err) < 0)
		return -1;
	f->list[f->n++] = *r;
	return 0;
}

static int keep_hops(struct found *f, struct route_found *r, const struct nlattr *hops,
		     struct cni_error *err)
{
	const struct nlattr *tb[RTA_MAX + 1];
	const uint8_t *at = attr_data(hops, 0);
	size_t left = attr_len(hops);

	while (left >= sizeof(struct rtnexthop)) {
		const struct rtnexthop *hop = (const struct rtnexthop *)(const void *)at;
		size_t step = RTNH_ALIGN((size_t)hop->rtnh_len);

		if (hop->rtnh_len < sizeof(*hop) || hop->rtnh_len > left)
			break;
		attr_parse_bytes(at + sizeof(*hop), at + hop->rtnh_len, tb, RTA_MAX);
		r->index = hop->rtnh_ifindex;
		r->route.has_gw = tb[RTA_GATEWAY] != NULL;
		r->route.gw = attr_ip(tb[RTA_GATEWAY], ip_family(&r->route.dst.addr));
		r->onlink = (hop->rtnh_flags & RTNH_F_ONLINK) != 0;
		if (keep(f, r, err) < 0)
			return -1;
		if (step > left)
			break;
		at += step;
		left -= step;
	}
	return 0;
}

/* The attributes come along for the hops. */
static bool parse(const struct nlmsghdr *nlh, const struct nlattr **tb, struct route_found *ret)
{
	const struct rtmsg *rtm = attr_header(nlh, sizeof(*rtm));

	if (nlh->nlmsg_type != RTM_NEWROUTE || rtm == NULL ||
	    (rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6) ||
	    (rtm->rtm_flags & RTM_F_CLONED) != 0)
		return false;
	attr_parse(nlh, sizeof(*rtm), tb, RTA_MAX);
	*ret = read_route(rtm, tb);
	/* ::ffff:0:0/96, which careful hosts make unreachable, is no IPv4 route of ours. */
	return ip_family(&ret->route.dst.addr) == rtm->rtm_family &&
	       rtm->rtm_dst_len <= (rtm->rtm_family == AF_INET ? 32 : 128);
}

static int take_route(const struct nlmsghdr *nlh, void *arg, struct cni_error *err)
{
	const struct nlattr *tb[RTA_MAX + 1];
	struct found *f = arg;
	struct route_found r;

	if (!parse(nlh, tb, &r) || ip_family(&r.route.dst.addr) != f->family)
		return 0;
	if (tb[RTA_MULTIPATH] != NULL)
		return keep_hops(f, &r, tb[RTA_MULTIPATH], err);
	return keep(f, &r, err);
}

bool route_parse(const struct nlmsghdr *nlh, struct route_found *ret)
{
	const struct nlattr *tb[RTA_MAX + 1];

	return parse(nlh, tb, ret);
}

static void forget(void *arg)
{
	struct found *f = arg;

	f->n = 0;
}

/* The kernel is asked for one link's or one table's, and an old one sends all. */
static int list(struct nl *nl, struct found *f, struct route_found **ret, size_t *ret_n,
		struct cni_error *err)
{
	const struct nl_dump dump = { .each = take_route, .restart = forget, .arg = f };
	const struct rtmsg rtm = { .rtm_family = (uint8_t)f->family };
	struct nl_req req;

	nl_begin(&req);
	nl_msg(&req, RTM_GETROUTE, 0, &rtm, sizeof(rtm));
	nl_what(&req, "list %s routes", f->family == AF_INET ? "IPv4" : "IPv6");
	/* A table that does not exist (no IPv6 here) has no routes. */
	nl_tolerate(&req, ENOENT);
	if (f->index != 0)
		nl_put_u32(&req, RTA_OIF, (uint32_t)f->index);
	if (f->pick != NULL)
		nl_put_u32(&req, RTA_TABLE, f->pick->table);
	if (nl_dump(nl, &req, &dump, err) < 0) {
		free(f->list);
		return -1;
	}
	*ret = f->list;
	*ret_n = f->n;
	return 0;
}

int route_list(struct nl *nl, int family, int index, struct route_found **ret, size_t *ret_n,
	       struct cni_error *err)
{
	struct found f = { .family = family, .index = index };

	return list(nl, &f, ret, ret_n, err);
}

int route_pick(struct nl *nl, const struct route_pick *pick, struct route_found **ret,
	       size_t *ret_n, struct cni_error *err)
{
	struct found f = { .family = pick->family, .pick = pick };

	return list(nl, &f, ret, ret_n, err);
}

static int take_lookup(const struct nlmsghdr *nlh, size_t index, void *arg, struct cni_error *err)
{
	const struct rtmsg *rtm = attr_header(nlh, sizeof(*rtm));
	const struct nlattr *tb[RTA_MAX + 1];
	struct route_way *way = arg;

	(void)index;
	(void)err;
	if (nlh->nlmsg_type != RTM_NEWROUTE || rtm == NULL)
		return 0;
	attr_parse(nlh, sizeof(*rtm), tb, RTA_MAX);
	way->index = (int)attr_u32(tb[RTA_OIF]);
	way->local = rtm->rtm_type == RTN_LOCAL;
	/* VIA: a gateway of the other family. */
	way->gateway = tb[RTA_GATEWAY] != NULL || tb[RTA_VIA] != NULL;
	return 0;
}

static void put_lookup(struct nl_req *req, const struct ip *dst)
{
	const struct rtmsg rtm = { .rtm_family = (uint8_t)ip_family(dst),
				   .rtm_dst_len = ip_is4(dst) ? 32 : 128 };
	char text[IP_TEXT];

	ip_print(dst, text);
	nl_msg(req, RTM_GETROUTE, 0, &rtm, sizeof(rtm));
	nl_what(req, "look up the route to %s", text);
	nl_put_ip(req, RTA_DST, dst);
}

int route_lookup(struct nl *nl, const struct ip *dst, struct route_way *ret, struct cni_error *err)
{
	struct route_way way = { .index = 0 };
	struct nl_req req;

	nl_begin(&req);
	put_lookup(&req, dst);
	req.reply = take_lookup;
	req.reply_arg = &way;
	if (nl_call(nl, &req, err) < 0)
		return -1;
	*ret = way;
	return 0;
}

static int take_nth_lookup(const struct nlmsghdr *nlh, size_t index, void *arg,
			   struct cni_error *err)
{
	struct route_way *ways = arg;

	return take_lookup(nlh, index, &ways[index], err);
}

int route_lookups(struct nl *nl, const struct ip *dsts, size_t n, struct route_way *ret,
		  struct cni_error *err)
{
	static const int none[] = { ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL };
	struct nl_req req;

	for (size_t done = 0; done < n; done += req.n) {
		nl_begin(&req);
		while (req.n < NL_REQ_MSGS && done + req.n < n) {
			ret[done + req.n] = (struct route_way){ .index = 0 };
			put_lookup(&req, &dsts[done + req.n]);
			for (size_t k = 0; k < ARRAY_SIZE(none); k++)
				nl_tolerate(&req, none[k]);
		}
		req.reply = take_nth_lookup;
		req.reply_arg = ret + done;
		if (nl_call(nl, &req, err) < 0)
			return -1;
	}
	return 0;
}

/* The link of the best default route of the main table; 0: there is none. */
static int default_link(struct nl *nl, int family, int *ret, struct cni_error *err)
{
	scoped_free struct route_found *routes = NULL;
	const struct route_found *best = NULL;
	size_t n = 0;

	if (route_list(nl, family, 0, &routes, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct route_found *r = &routes[i];

		if (r->type == RTN_UNICAST && r->index != 0 && r->route.table == RT_TABLE_MAIN &&
		    ipnet_is_default(&r->route.dst) &&
		    (best == NULL || r->route.priority < best->route.priority))
			best = r;
	}
	*ret = best != NULL ? best->index : 0;
	return 0;
}

int route_default_mtu(struct nl *nl, uint32_t *ret, struct cni_error *err)
{
	struct link link;
	int index = 0;

	if (default_link(nl, AF_INET, &index, err) < 0 ||
	    (index == 0 && default_link(nl, AF_INET6, &index, err) < 0))
		return -1;
	if (index == 0)
		return cni_fail_sys(err, ENOENT, "the host has no default route");
	if (link_get_index(nl, index, &link, err) < 0)
		return cni_wrap(err, "the default route's link");
	*ret = link.mtu;
	return 0;
}

int route_add_local6(struct nl *nl, int index, const char *link, struct cni_error *err)
{
	static const uint8_t loopback[16] = { [15] = 1 };
	const struct ip one = ip_from_bytes(loopback, sizeof(loopback));
	const struct rtmsg rtm = { .rtm_family = AF_INET6,
				   .rtm_dst_len = 128,
				   .rtm_table = RT_TABLE_LOCAL,
				   .rtm_protocol = RTPROT_BOOT,
				   .rtm_type = RTN_LOCAL };
	struct nl_req req;

	nl_begin(&req);
	/* Not EXCL: that refuses a second bridge's route for the first one's. */
	nl_msg(&req, RTM_NEWROUTE, NLM_F_CREATE, &rtm, sizeof(rtm));
	nl_what(&req, "add route local ::1 dev %s", link);
	nl_tolerate(&req, EEXIST);
	nl_put_ip(&req, RTA_DST, &one);
	nl_put_u32(&req, RTA_OIF, (uint32_t)index);
	nl_put_u32(&req, RTA_PRIORITY, 1024);
	return nl_call(nl, &req, err);
}
