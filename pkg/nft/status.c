/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/netfilter.h>

#include "nft/attach.h"
#include "nft/session.h"

/* A table that stands is proof enough; else the kernel checks the whole skeleton, and forgets it.
 */
int nft_status(struct cni_error *err)
{
	scoped_nft_tx struct nft_tx tx = { 0 };
	struct skeleton found;
	int r = nft_tx_open(&tx, err);

	if (r == 0)
		r = skeleton_look(&tx, NFT_MASQ, NULL, 0, &found, err);
	if (r == 0)
		r = skeleton_refuse(&found, err);
	if (r == 0 && !found.sound) {
		tx.has_genid = false;
		nft_tx_begin(&tx);
		skeleton_put(&tx, &found);
		r = nft_tx_commit(&tx, true, err);
	}
	if (r < 0)
		err->code = CNI_NOT_AVAILABLE;
	return r;
}
