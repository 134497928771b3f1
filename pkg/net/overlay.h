/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/ipnet.h"
#include "net/mac.h"

/* What an overlay is to be, as pure values: the configuration makes them, pkg/overlay programs
 * them. */

enum overlay_backend {
	OVERLAY_VXLAN,
	OVERLAY_IPIP, /* IPv4 only */
	OVERLAY_HOST_GW,
};

/* vxlan's checksums when sending (overlay.md 7.3). IPv6 tunnels always carry the outer one. */
enum overlay_checksum {
	OVERLAY_CSUM_AUTO, /* the kernel's default: outer UDP checksum; offloads stay as they are */
	OVERLAY_CSUM_OUTER_OFF, /* no outer one: for cards that get it wrong; costs 10 % */
	OVERLAY_CSUM_OFF,	/* software fills in the inner ones: costs two thirds */
};

/* One node's lease. A family is there if has4 or has6 says so; all strings are the caller's. */
struct overlay_node {
	const char *name;
	bool has4, has6;
	struct ip public4, public6;    /* where the tunnel's packets go: what the others see */
	struct ip local4, local6;      /* own node: its address on a link; others: not read */
	struct ipnet subnet4, subnet6; /* masked */
	bool has_mac4, has_mac6;
	struct mac mac4, mac6; /* vxlan: the VTEP's, where the lease gives it */
};

struct overlay {
	enum overlay_backend backend;
	bool has4, has6;
	struct ipnet network4, network6;
	const char *device4,
	    *device6; /* "flannel.1", "flannel-v6.1"; "flannel.ipip"; host-gw: NULL */
	uint32_t vni;
	uint16_t port;
	bool learning, gbp;
	enum overlay_checksum checksum;
	uint32_t mtu; /* of the underlay; 0: that of the link with our local address */
	bool direct_routing;
	bool plain_routes; /* no nexthop objects: as flannel writes them, and as slow (IPv4) */
	const struct overlay_node *nodes;
	size_t n, self; /* nodes[self]: our own */
	/* Known links, for overlay_refuse(); each may be NULL. */
	const char *bridge;	      /* the node's pods' */
	const struct overlay *before; /* what an older configuration made, and what goes first */
};
