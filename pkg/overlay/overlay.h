/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "net/overlay.h"
#include "netlink/sock.h"
#include "netlink/tunnel.h"

/*
 * A node's side of an overlay: device, address, and per peer an FDB entry, a neighbour, a nexthop
 * and a route. Where the leases come from is not known here. `nl` must be a socket of the namespace
 * that the caller is in (a few switches are files or ioctls). What is ours, and what is somebody
 * else's and left alone: docs/decisions/023-overlay-objects.md.
 */

/* The MAC of a node's VTEP: the lease's, else a pure function of family, VNI, public address and
 * subnet, so that nodes which share only the file agree. */
struct mac overlay_vtep_mac(const struct overlay *o, const struct overlay_node *node, int family);

struct overlay_report {
	size_t added, changed, removed; /* objects, the device's own included */
	bool device_made;		/* made, or made anew since it was not as it should be */
	uint32_t mtu4, mtu6;		/* for pods; 0: no such family */
	size_t direct;			/* peers reached without the tunnel (a family each) */
	size_t unreachable;		/* host-gw: peers behind a gateway, which have no route */
};

/*
 * Make everything as wanted. What is there is read first and only differences are written, in an
 * order that loses no packet; what is stale and ours goes. A failure leaves a part done: the next
 * call makes it right. CNI_CONFLICT, before anything is changed, when somebody else's link or route
 * is in the way. Nodes are programmed even where a peer of host-gw cannot be reached: *ret counts
 * them.
 */
int overlay_apply(struct nl *nl, const struct overlay *o, struct overlay_report *ret,
		  struct cni_error *err);

/* Take all of it away; absent is success. Reads neither nodes nor self. Goes on past failures. */
int overlay_remove(struct nl *nl, const struct overlay *o, struct cni_error *err);

/*
 * The same question at a constant cost, for ADD: `o->nodes` holds self and at most OVERLAY_SAMPLES
 * peers. *ret_stands: device, address, underlay and these peers' entries are as wanted; else
 * overlay_apply() with all nodes is due. ret: the MTUs and `direct`.
 */
#define OVERLAY_SAMPLES 8
int overlay_probe(struct nl *nl, const struct overlay *o, bool *ret_stands,
		  struct overlay_report *ret, struct cni_error *err);

/* Every difference as a line ("flannel.1: mtu 1400, wanted 1450"), nothing changed. */
int overlay_differ(struct nl *nl, const struct overlay *o,
		   void (*line)(void *arg, const char *text), void *arg, struct cni_error *err);

/* What `show` prints. */
enum overlay_reach {
	OVERLAY_SELF,	     /* our own subnet */
	OVERLAY_TUNNEL,	     /* through the device */
	OVERLAY_DIRECT,	     /* by its public address on our L2 */
	OVERLAY_UNREACHABLE, /* host-gw, and behind a gateway: no route is made */
};
struct overlay_peer {
	const struct overlay_node *node;
	int family;
	enum overlay_reach reach;
	bool stands; /* everything that this peer needs is there */
};
struct overlay_device {
	const char *name; /* NULL: this family has no device */
	bool exists, up;
	uint32_t mtu;
	struct mac mac;
	struct link_counters counters;
};
/* Each node of IPv4, then of IPv6, goes to `each`, in the file's order; dev[0] is IPv4's, dev[1]
 * IPv6's. */
int overlay_show(struct nl *nl, const struct overlay *o, struct overlay_device ret_dev[2],
		 void (*each)(void *arg, const struct overlay_peer *peer), void *arg,
		 struct cni_error *err);

/* STATUS: does this kernel have what the backend needs? CNI_NOT_AVAILABLE names the module. */
int overlay_status(struct nl *nl, const struct overlay *o, struct cni_error *err);

/*
 * What only the kernel can tell against a configuration; nothing changed. CNI_INVALID_CONFIG: the
 * network holds somebody's route, connected prefix or address (named), an MTU is too small or
 * larger than the link's, no link has the local address. CNI_CONFLICT: VNI or port is another
 * device's or program's, or our device's name is another kind's. o->bridge and the devices of
 * o->before do not speak against it.
 */
int overlay_refuse(struct nl *nl, const struct overlay *o, struct cni_error *err);
