/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "items.h"
#include "net/ifname.h"
#include "netlink/link.h"
#include "netlink/sock.h"

/* What ADD makes and CHECK looks for. */
struct portmap_plan {
	struct owner owner;
	struct pod_addresses pod;
	char conditions[17]; /* hash, "" without */
	struct nft_item *items;
	size_t n;
	struct nl nl; /* on the host */
};

int portmap_plan_make(const struct cni_args *args, const struct portmap_conf *conf,
		      struct portmap_plan *ret, struct cni_error *err);
void portmap_plan_free(struct portmap_plan *p);
#define scoped_plan SCOPED(portmap_plan_free)

/* The host interface that leads to the pod's address of that family. err->sys is ENETUNREACH or
 * EHOSTUNREACH when there is none: no route, or one through a gateway (a pod of a bridge without
 * gateway address, a macvlan), whose interface is the node's uplink and not to be touched. */
int portmap_way(struct portmap_plan *p, bool four, struct link *ret, struct cni_error *err);
bool portmap_no_way(const struct cni_error *err);
