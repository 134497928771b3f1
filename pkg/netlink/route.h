/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "net/ifcfg.h"
#include "netlink/sock.h"

struct nl_req;

/*
 * Put RTM_NEWROUTE via `index` into a batch: gw, priority, table, scope (default: link without,
 * global with gw; IPv6 none), mtu and advmss as given. CREATE|APPEND as the reference: two defaults
 * stay two.
 */
void route_put_add(struct nl_req *req, int index, const char *link, const struct route *route);

/* A route as the kernel has it. */
struct route_found {
	struct route route;
	int index;    /* of the outgoing link, 0: none; a multipath route is one entry per hop */
	uint8_t type; /* RTN_UNICAST, RTN_LOCAL … */
	uint8_t protocol;
};
/* Routes of `family` in all tables; strict filter by outgoing link if index != 0. *ret malloc'd. */
int route_list(struct nl *nl, int family, int index, struct route_found **ret, size_t *ret_n,
	       struct cni_error *err);

/* How a packet to `dst` leaves (RTM_GETROUTE). err->sys == ENETUNREACH without a route. */
struct route_way {
	int index;    /* of the link */
	bool local;   /* dst is our own address */
	bool gateway; /* dst is behind another machine */
};
int route_lookup(struct nl *nl, const struct ip *dst, struct route_way *ret, struct cni_error *err);

/* The MTU of the default route's link (IPv4 first, then IPv6; lowest metric); err->sys == ENOENT
 * without default route. */
int route_default_mtu(struct nl *nl, uint32_t *ret, struct cni_error *err);

/* local ::1/128 dev LINK table local metric 1024: lets a pod's answer to [::1]:hostPort in
 * (kernel.md (b) 5). Idempotent. */
int route_add_local6(struct nl *nl, int index, const char *link, struct cni_error *err);
