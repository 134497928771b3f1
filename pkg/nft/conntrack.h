/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "nft/attach.h"

/*
 * Stale UDP conntrack entries (kernel.md, conntrack): exactly our address and port, never a full
 * flush, best effort: errors are traced, not raised. Only NFT_ITEM_HOSTPORT items with IPPROTO_UDP
 * are looked at; without any nothing is opened.
 */
void conntrack_forget_old(const struct nft_item *items,
			  size_t n); /* ADD: flows to a host port that went elsewhere before */
void conntrack_forget_pod(const struct nft_item *items,
			  size_t n); /* DEL: flows of this port to this pod */
