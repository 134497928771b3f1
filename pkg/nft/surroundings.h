/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/*
 * Does an nftables chain FORWARD of iptables (table filter, ip or ip6) drop what no rule accepts?
 * Such a policy cannot be overruled from our table (kernel.md (b) 13). For CHECK to say; false
 * where it cannot be read (iptables-legacy keeps its rules elsewhere).
 */
bool nft_forward_drops(bool four);

/* The kernel's handle of somebody's table of family inet, 0 if there is none: another number is
 * another table of that name. */
int nft_table_handle(const char *table, uint64_t *ret, struct cni_error *err);
