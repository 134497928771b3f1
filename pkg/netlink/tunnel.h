/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "net/ip.h"
#include "netlink/link.h"

/* vxlan and ipip links: made from, and read into, the same structs. */

struct vxlan {
	uint32_t vni;
	int link; /* ifindex of the underlay's link; 0: whichever the route takes */
	bool has_local;
	struct ip local; /* its family is the tunnel's */
	bool has_remote; /* a point-to-point one, or a multicast group; never made here */
	uint16_t port;
	uint8_t ttl; /* 0: the kernel's */
	bool learning, gbp;
	bool udp_csum; /* outer checksum over IPv4 */
	bool external; /* its VNI comes with each packet (collect_md); never made here */
};

struct ipip {
	int link;
	struct ip local, remote; /* remote 0.0.0.0: each route's gateway says */
	uint8_t ttl;		 /* 0: the inner packet's */
	bool pmtudisc;
};

struct link_counters {
	uint64_t rx_packets, rx_bytes, rx_errors, rx_dropped;
	uint64_t tx_packets, tx_bytes, tx_errors, tx_dropped;
};

/* A link; .link.kind tells which of the two is filled. */
struct tunnel {
	struct link link;
	struct vxlan vxlan;
	struct ipip ipip;
	struct link_counters counters;
};

/* err->sys == ENODEV when there is no such link. */
int tunnel_get(struct nl *nl, const char *name, struct tunnel *ret, struct cni_error *err);
/* Every link of `kind` ("vxlan", "ipip"), without counters; `each` returns -1 with err to stop. */
int tunnel_each(struct nl *nl, const char *kind,
		int (*each)(const struct tunnel *t, void *arg, struct cni_error *err), void *arg,
		struct cni_error *err);

/*
 * Make one, down. MAC and MTU go into the creating message: udev keeps off a MAC that was chosen.
 * EEXIST in err->sys: the name is taken, or another link has this VNI on this port. A kernel
 * without the kind is EOPNOTSUPP, and the message names the module.
 */
struct tunnel_spec {
	const char *name;
	uint32_t mtu;
	struct mac mac; /* vxlan's */
};
int link_add_vxlan(struct nl *nl, const struct tunnel_spec *spec, const struct vxlan *vxlan,
		   struct cni_error *err);
int link_add_ipip(struct nl *nl, const struct tunnel_spec *spec, const struct ipip *ipip,
		  struct cni_error *err);

/* Can this kernel make links of `kind` ("vxlan", "ipip")? Asks with a request that is refused for
 * its attributes once the kind is known; nothing is made, the module may get loaded. */
int tunnel_known(struct nl *nl, const char *kind, bool *ret, struct cni_error *err);
