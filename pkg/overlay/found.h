/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netlink/fdb.h"
#include "netlink/neigh.h"
#include "netlink/nexthop.h"
#include "netlink/route.h"

struct side;

/* Our nexthop ids: 0x70000000 | tag << 20 | slot. The tag is a hash of the pod network, so that two
 * overlays on a node keep apart; new slots begin below OVERLAY_ID_SLOTS and may grow beyond. */
#define OVERLAY_ID_BASE	 0x70000000U
#define OVERLAY_ID_SHIFT 20
#define OVERLAY_ID_SLOTS 0xE0000U

/* What is there, each list sorted by its key; kept: not stale. */
struct found {
	struct neigh *neigh;	   /* by address */
	struct fdb *fdb;	   /* by MAC */
	struct nexthop *nexthop;   /* by id; all there are */
	struct route_found *route; /* by prefix, metric; those that could concern us */
	size_t n_neigh, n_fdb, n_nexthop, n_route;
	bool *kept_neigh, *kept_fdb, *kept_nexthop, *kept_route;
	bool nexthops; /* the kernel has such objects, and we are to use them */
};

/* Read everything, or (ADD) only what the wants name. */
int found_all(struct nl *nl, struct side *s, struct cni_error *err);
int found_some(struct nl *nl, struct side *s, struct cni_error *err);
void found_free(struct found *f);
/* The nexthop of this id, or NULL. */
struct nexthop *found_nexthop(const struct found *f, uint32_t id);
/* The first route with this prefix, or n_route. */
size_t found_route(const struct found *f, const struct ipnet *dst);
/* Does it hold the whole pod network and more, but not everything? */
bool found_is_wider(const struct side *s, const struct route_found *r);
/* Is it ours to remove when nobody wants it? */
bool found_is_ours(const struct side *s, const struct route_found *r);
bool nexthop_is_ours(const struct side *s, const struct nexthop *n);
uint32_t overlay_tag(const struct ipnet *network); /* the first id of a network */
