/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

/*
 * Does an nftables chain FORWARD of iptables (table filter, ip or ip6) drop what no rule accepts?
 * Such a policy cannot be overruled from our table (kernel.md (b) 13). For CHECK to say; false
 * where it cannot be read (iptables-legacy keeps its rules elsewhere).
 */
bool nft_forward_drops(bool four);
