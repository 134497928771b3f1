/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include <linux/netfilter.h>

#include "nft/attach.h"
#include "nft/session.h"

/* A table that stands is proof enough; else the kernel checks the whole skeleton, and forgets it.
 */
static int try(struct nft_tx *tx, struct skeleton *found, struct cni_error *err)
{
	*found = (struct skeleton){ 0 };
	if (skeleton_look(tx, NFT_MASQ, NULL, 0, found, err) < 0 || skeleton_refuse(found, err) < 0)
		return -1;
	if (found->sound)
		return 0;
	tx->has_genid = false;
	nft_tx_begin(tx);
	skeleton_put(tx, found);
	return nft_tx_commit(tx, true, err);
}

/* Without a lock: somebody may make the table between look and question, or flush it. */
static bool again(const struct nft_tx *tx, const struct skeleton *found,
		  const struct cni_error *err)
{
	return skeleton_again(tx, err) ||
	       (found->there && err->sys == ENOENT && !nft_tx_expired(tx));
}

int nft_status(struct cni_error *err)
{
	scoped_nft_tx struct nft_tx tx = { 0 };
	struct skeleton found;
	int r = nft_tx_open(&tx, err);

	if (r == 0) {
		do {
			r = try(&tx, &found, err);
		} while (r < 0 && again(&tx, &found, err));
	}
	if (r < 0)
		err->code = CNI_NOT_AVAILABLE;
	return r;
}
