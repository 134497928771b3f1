/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

#include "net/ip.h"

/* An address with a prefix length. `len` counts within 128 bits: IPv4's /24 is 120. */
struct ipnet {
	struct ip addr; /* host bits kept */
	uint8_t len;	/* 0..128; IPv4: 96..128 */
};

#define IPNET_TEXT (IP_TEXT + 4)

bool ipnet_parse(const char *s, struct ipnet *ret); /* "addr/len", the length required */
void ipnet_print(const struct ipnet *net, char buf[IPNET_TEXT]);

unsigned ipnet_plen(const struct ipnet *net); /* the length as people write it: 0..32 or 0..128 */
struct ipnet ipnet_make(const struct ip *addr, unsigned plen); /* plen as people write it */
struct ipnet ipnet_host(const struct ip *addr);		       /* /32 or /128 */

struct ip ipnet_network(const struct ipnet *net); /* host bits cleared */
struct ip ipnet_last(const struct ipnet *net);	  /* host bits set (IPv4: the broadcast address) */
struct ipnet ipnet_masked(const struct ipnet *net);

bool ipnet_equal(const struct ipnet *a, const struct ipnet *b); /* address and length */
bool ipnet_contains(const struct ipnet *net, const struct ip *a);
bool ipnet_overlaps(const struct ipnet *a, const struct ipnet *b);
bool ipnet_is_host(const struct ipnet *net);	/* /32 or /128 */
bool ipnet_is_default(const struct ipnet *net); /* 0.0.0.0/0 or ::/0 */
