/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/scoped.h"
#include "net/overlay.h"
#include "netlink/link.h"
#include "netlink/tunnel.h"
#include "overlay/found.h"
#include "overlay/overlay.h"

/*
 * One address family of an overlay, within this folder. The stations, each a file:
 *
 *	side.c      whose side: device, underlay, MTU            device.c   the device made right
 *	want.c      the leases → what each peer needs            found.c    what the kernel has
 *	nexthops.c  which nexthop object is whose                decide.c   wanted against found
 *	apply.c     the differences written                      remove.c   all of it taken away
 *	probe.c     the question of ADD                          show.c     the differences as text
 *	refuse.c    what speaks against it                       status.c   what the kernel lacks
 */

/* Whose our routes and nexthops are (rtm_protocol, nh_protocol): our mark. Nobody else's in
 * iproute2's, FRR's, BIRD's or Calico's lists. */
#define OVERLAY_PROTOCOL 112

enum need { NEED_NOTHING, NEED_ADD, NEED_CHANGE };

/* A peer, and what is to be done for it. */
struct want {
	const struct overlay_node *node;
	struct ipnet dst;		    /* its pods */
	struct ip far;			    /* its public address */
	struct mac mac;			    /* vxlan: its VTEP's */
	struct hop hop;			    /* of reach TUNNEL and DIRECT */
	uint32_t nhid;			    /* decided; 0: a plain route */
	uint8_t reach;			    /* enum overlay_reach */
	uint8_t fdb, neigh, nexthop, route; /* enum need */
	bool step;			    /* the route needs one: see apply.c */
};

struct side {
	const struct overlay *o;
	int family;
	const char *device; /* NULL: host-gw */
	struct ipnet network;
	struct ip local;      /* ours on the underlay */
	struct ipnet address; /* the device's */
	struct mac mac;	      /* the device's; zero: ipip */
	struct link underlay; /* the link that has `local` */
	int bind;     /* what a vxlan is bound to: underlay.index; 0: nothing (an address on lo) */
	uint32_t mtu; /* inside */
	bool has_tunnel; /* `tunnel` is there */
	struct tunnel tunnel;
	struct want *want;
	size_t n_want;
	struct found found;
	uint8_t cover;			    /* enum need: see decide.c */
	const struct route_found *conflict; /* in the way of want `conflict_of` */
	const struct want *conflict_of;
};

/* Does the overlay have this family, and whose side is it? What the kernel knows is not asked. */
bool side_begin(const struct overlay *o, int family, struct side *ret);
void side_free(struct side *s); /* begun or all zeros */
#define scoped_side SCOPED(side_free)

/* Read the underlay (link, MTU) and the device. CNI_CONFLICT: the device's name is taken by another
 * kind. CNI_INVALID_CONFIG: no link has the local address, or the MTU is impossible. */
int side_read(struct nl *nl, struct side *s, struct cni_error *err);

/* The device alone: has_tunnel is false where there is none, or one of another kind. */
int side_find_device(struct nl *nl, struct side *s, struct cni_error *err);

/* Our device's ifindex; 0: there is none. */
int side_index(const struct side *s);
/* The link kind of the device. */
const char *side_kind(const struct side *s);
/* Is `net` the pod network or in it? */
bool side_covers(const struct side *s, const struct ipnet *net);
/* "IPv4" or "IPv6". */
const char *family_name(int family);

/* want.c: the peers, and the way to each. Without IPv6 nexthops, which would gain nothing. */
int want_make(struct nl *nl, struct side *s, struct cni_error *err);
