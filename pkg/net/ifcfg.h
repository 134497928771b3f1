/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/ipnet.h"
#include "net/mac.h"

/*
 * What IPAM or the configuration decided for an interface: pure values, shared by the protocol
 * (which reads and prints them) and by rtnetlink (which applies them).
 */
struct ip_config {
	struct ipnet address; /* host bits kept */
	bool has_gateway;
	struct ip gateway;
	int interface; /* index into the result's interfaces, or -1: not said */
};

struct route {
	struct ipnet dst;
	bool has_gw;
	struct ip gw;
	uint32_t mtu;	   /* 0: not said */
	uint32_t advmss;   /* 0: not said */
	uint32_t priority; /* 0: not said */
	bool has_table;
	uint32_t table;
	bool has_scope;
	uint8_t scope; /* 0 global, 253 link, 254 host */
};

/* Properties of a link that may be chosen; each counts only with its has_. */
struct link_values {
	bool has_mac, has_promisc, has_mtu, has_allmulti, has_txqlen;
	struct mac mac;
	bool promisc, allmulti;
	uint32_t mtu, txqlen;
};

/* Is any of them chosen? */
static inline bool link_values_any(const struct link_values *v)
{
	return v->has_mac || v->has_promisc || v->has_mtu || v->has_allmulti || v->has_txqlen;
}
