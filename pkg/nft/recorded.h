/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "nft/attach.h"

/* What the records of attachments say, for what a program keeps elsewhere than in our tables. */

/* Does somebody else than `owner` have this address in the maps of forwarding? */
bool nft_forwarded_by_other(const struct owner *owner, const struct ip *ip);

/* What the record of `owner` says that it has, without asking the kernel; *ret is malloc'd. No
 * record: nothing. */
int nft_recorded(enum nft_user user, const struct owner *owner, struct nft_item **ret,
		 size_t *ret_n, struct cni_error *err);

/* The same for every owner, with the lock held: `each` should only collect. -1 stops. What the
 * pointers lead to is gone when it returns. */
struct nft_recorded {
	const struct owner *owner;
	bool alive; /* not proven dead */
	const struct nft_item *items;
	size_t n;
};
int nft_each_recorded(enum nft_user user,
		      int (*each)(const struct nft_recorded *recorded, void *arg,
				  struct cni_error *err),
		      void *arg, struct cni_error *err);
