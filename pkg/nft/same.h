/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nlmsghdr;

/*
 * Does the kernel's answer `found` say what our message `wanted` would have it made of, as far as
 * attributes of these `types` go (and those within them)? The order of unlike ones is free; what
 * one of both leaves out counts as zero; a rule's counters count as one, whatever they have
 * counted. `found` may be any bytes.
 */
bool message_same(const struct nlmsghdr *wanted, const struct nlmsghdr *found,
		  const uint16_t *types, size_t n);
