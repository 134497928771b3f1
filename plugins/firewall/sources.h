/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "plan.h"

/* The lock of who changes zone entries and records together; it goes with its descriptor. At most
 * FS_LOCK_SECONDS, then CNI_TRY_AGAIN. Taken before the lock of nftables. */
int sources_lock(int *ret_lock, struct cni_error *err);

/* A growing list of zone entries (NFT_ITEM_SOURCE). */
struct sources {
	struct nft_item *items;
	size_t n, cap;
};
void sources_free(struct sources *s);
#define scoped_sources SCOPED(sources_free)

/* Add to *ret those of `items` that `except` (NULL: nobody) does not name and whose address has not
 * become another owner's: a pod that lives must not lose what a dead one had. */
int sources_own(const struct owner *owner, const struct nft_item *items, size_t n,
		const struct firewall_plan *except, struct sources *ret, struct cni_error *err);

/* Take them out of their zones; `fw` NULL: firewalld is looked for. One that does not run any more
 * has none. CNI_TRY_AGAIN: it does not answer, and what was not reached is still there. */
int sources_forget(struct firewalld *fw, const struct sources *sources, struct cni_error *err);

/* After a reload or restart of firewalld: put back those of all living pods. At most 4 s; the next
 * ADD goes on. Not this pod's trouble if it fails: that is only traced. With the lock held. */
void sources_restore(struct firewalld *fw);
