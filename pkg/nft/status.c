/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/netfilter.h>

#include "nft/attach.h"
#include "nft/session.h"

/* A table that stands is proof enough; else the kernel checks the whole skeleton, and forgets it.
 */
static int try(struct nft_tx *tx, struct cni_error *err)
{
	struct skeleton found;

	if (skeleton_look(tx, NFT_MASQ, NULL, 0, &found, err) < 0 ||
	    skeleton_refuse(&found, err) < 0)
		return -1;
	if (found.sound)
		return 0;
	tx->has_genid = false;
	nft_tx_begin(tx);
	skeleton_put(tx, &found);
	return nft_tx_commit(tx, true, err);
}

/* Without a lock: somebody may make the table between look and question. */
int nft_status(struct cni_error *err)
{
	scoped_nft_tx struct nft_tx tx = { 0 };
	int r = nft_tx_open(&tx, err);

	if (r == 0) {
		do {
			r = try(&tx, err);
		} while (r < 0 && skeleton_again(&tx, err));
	}
	if (r < 0)
		err->code = CNI_NOT_AVAILABLE;
	return r;
}
