/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "net/ip.h"
#include "net/mac.h"

/* The longest frame: Ethernet, IPv6, neighbour advertisement with one option. */
#define ANNOUNCE_BYTES (14 + 40 + 32)

/*
 * Write the Ethernet frame that tells everybody on the link that `ip` is at `mac` now, and return
 * its length. IPv4: an ARP announcement (RFC 5227 section 3: a request whose sender and target
 * address are the same, to all). IPv6: an unsolicited neighbour advertisement with the override
 * flag to all nodes (RFC 4861 section 7.2.6).
 */
size_t announce_frame(const struct ip *ip, const struct mac *mac, uint8_t buf[ANNOUNCE_BYTES]);
