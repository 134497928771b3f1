/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "net/ip.h"

struct mac {
	uint8_t b[6];
};

#define MAC_TEXT 18

/* Six hex pairs with ':' or '-', or Cisco's aabb.ccdd.eeff (what Go's ParseMAC takes for 48 bits).
 */
bool mac_parse(const char *s, struct mac *ret);
void mac_print(const struct mac *mac, char buf[MAC_TEXT]); /* lower case, colons */
bool mac_equal(const struct mac *a, const struct mac *b);
bool mac_is_zero(const struct mac *mac);
bool mac_is_multicast(const struct mac *mac); /* no interface can have it */

/* A locally administered unicast MAC out of 46 bits of a hash: the same owner, the same MAC. */
struct mac mac_from_hash(uint64_t hash);
