/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "cni/skel.h"

enum firewall_backend {
	FIREWALL_IPTABLES, /* a rule in iptables' FORWARD, of either kind */
	FIREWALL_FIREWALLD,
	FIREWALL_NFTABLES, /* only a FORWARD of iptables-nft that exists already */
	FIREWALL_AUTO,	   /* not said: firewalld if it runs, else as iptables */
};

enum ingress_policy {
	INGRESS_OPEN,
	INGRESS_SAME_BRIDGE,
	INGRESS_ISOLATED,
};

struct firewall_conf {
	enum firewall_backend backend;
	enum ingress_policy ingress;
	const char *zone;  /* of firewalld */
	const char *admin; /* chain of iptables */
	uint32_t mark_bit; /* 0 to 31 */
};

/* Read and check everything (plugins.md §3.2); the kernel is not looked at. Strings are borrowed
 * from args. */
int firewall_conf_parse(const struct cni_args *args, struct firewall_conf *ret,
			struct cni_error *err);

/* DEL and GC: the zone alone; the default where the document says nothing usable. */
const char *firewall_conf_zone(const struct cni_args *args);

/* Does the document leave it to us to look for firewalld, or ask for it? For DEL of what the
 * reference's plugin made. */
bool firewall_conf_asks_firewalld(const struct cni_args *args);
