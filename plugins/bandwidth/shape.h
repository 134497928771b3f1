/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "conf.h"
#include "netlink/shaper.h"

/* What follows from a configuration and an attachment's names: pure values, nothing is asked. */

/*
 * The reference's numbers for one direction (plugins.md §3.4): a bucket that lasts burst / rate,
 * and room for 25 ms of waiting above it. Where its 32 bits would overflow, ours stay at their
 * largest. False: the burst is so small for the rate that the kernel's clock cannot tell it from
 * nothing; *ret_least is one, in bits, that will do.
 */
bool bandwidth_tbf(const struct bandwidth_rate *want, double ticks_per_us, struct tbf *ret,
		   uint64_t *ret_least);

/*
 * Where the attachment's ifb may be: [0] the reference's name, of network and container, and [1]
 * one that the interface is part of, for a container with two interfaces in one network.
 */
struct bandwidth_names {
	char text[SHAPER_NAMES][IFNAME_MAX];
	const char *list[SHAPER_NAMES]; /* the same */
};
void bandwidth_names(const struct owner *owner, struct bandwidth_names *ret);
