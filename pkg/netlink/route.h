/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "net/ifcfg.h"
#include "netlink/nexthop.h"
#include "netlink/sock.h"

struct nl_req;
struct nlmsghdr;

/*
 * Put RTM_NEWROUTE via `index` into a batch: gw, priority, table, scope (default: link without,
 * global with gw; IPv6 none), mtu and advmss as given. CREATE|APPEND as the reference: two defaults
 * stay two.
 */
void route_put_add(struct nl_req *req, int index, const char *link, const struct route *route);

/* RTA_METRICS of mtu and advmss, where there are any. */
void route_put_metrics(struct nl_req *req, const struct route *route);

/* A route as the kernel has it. */
struct route_found {
	struct route route;
	int index;     /* of the outgoing link, 0: none; a multipath route is one entry per hop */
	uint32_t nhid; /* the nexthop object that it goes by; 0: none */
	bool onlink;
	uint8_t type; /* RTN_UNICAST, RTN_LOCAL … */
	uint8_t protocol;
	uint8_t tos;
};
/* Routes of `family` in all tables; strict filter by outgoing link if index != 0. *ret malloc'd. */
int route_list(struct nl *nl, int family, int index, struct route_found **ret, size_t *ret_n,
	       struct cni_error *err);

/* The routes of `family` in one table that `wanted` picks: what nobody wants takes no memory. */
struct route_pick {
	int family;
	uint32_t table;
	bool (*wanted)(const struct route_found *r, void *arg);
	void *arg;
};
int route_pick(struct nl *nl, const struct route_pick *pick, struct route_found **ret,
	       size_t *ret_n, struct cni_error *err);

/* A route to a prefix by one hop, as an overlay has one per peer: in the main table, of no metric
 * of its own. With an nhid that nexthop object says where, and `hop` is not looked at; without
 * gateway (::, only IPv6) everything there is on the link. */
struct hop_route {
	struct ipnet dst;
	uint8_t protocol;
	uint32_t nhid;
	struct hop hop;
};
/* Into a batch: make it, or replace in place what has its prefix and metric, whoever made that. */
void route_put_hop(struct nl_req *req, const struct hop_route *r);
/* Remove exactly this one; absent is no failure. */
void route_put_delete(struct nl_req *req, const struct route_found *r);
/* Ask which route a packet to `dst` would match; the answer goes through route_parse(), none is no
 * failure. */
void route_put_match(struct nl_req *req, const struct ip *dst);
/* One route (of several hops: the first). False if the message is none of one of our families. */
bool route_parse(const struct nlmsghdr *nlh, struct route_found *ret);
#define ROUTE_METRIC6 1024 /* what the kernel gives an IPv6 route that asks for none */

/* How a packet to `dst` leaves (RTM_GETROUTE). err->sys == ENETUNREACH without a route. */
struct route_way {
	int index;    /* of the link */
	bool local;   /* dst is our own address */
	bool gateway; /* dst is behind another machine */
};
int route_lookup(struct nl *nl, const struct ip *dst, struct route_way *ret, struct cni_error *err);

/* The same for `n` of them in few sends; .index is 0 where there is no route. */
int route_lookups(struct nl *nl, const struct ip *dsts, size_t n, struct route_way *ret,
		  struct cni_error *err);

/* The MTU of the default route's link (IPv4 first, then IPv6; lowest metric); err->sys == ENOENT
 * without default route. */
int route_default_mtu(struct nl *nl, uint32_t *ret, struct cni_error *err);

/* local ::1/128 dev LINK table local metric 1024: lets a pod's answer to [::1]:hostPort in
 * (kernel.md (b) 5). Idempotent. */
int route_add_local6(struct nl *nl, int index, const char *link, struct cni_error *err);
