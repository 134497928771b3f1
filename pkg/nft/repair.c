/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <unistd.h>

#include <linux/netfilter.h>

#include "base/fs.h"
#include "nft/attach.h"
#include "nft/session.h"

/* Without a lock, and nothing is made: usually all is well. */
static int needs_repair(bool *ret, struct cni_error *err)
{
	scoped_nft_tx struct nft_tx tx = { 0 };
	struct skeleton found;
	scoped_fd int run = -1;

	*ret = false;
	if (fs_run_dir(false, &run, err) < 0)
		return err->sys == ENOENT ? 0 : -1;
	if (!record_any(run, NFT_MASQ) && !record_any(run, NFT_PORTMAP) &&
	    !record_any(run, NFT_FIREWALL))
		return 0;
	if (nft_tx_open(&tx, err) < 0)
		return err->sys == EPROTONOSUPPORT ? 0 : -1;
	if (skeleton_look(&tx, NFT_MASQ, NULL, 0, &found, err) < 0)
		return -1;
	*ret = (!found.sound || faccessat(run, SESSION_UNDER_WAY, F_OK, 0) == 0) &&
	       !found.foreign && !found.unknown && !skeleton_is_newer(&found);
	return 0;
}

int nft_repair(struct cni_error *err)
{
	scoped_session struct nft_session s = { .run = -1, .lock = -1 };
	bool needed;

	if (needs_repair(&needed, err) < 0)
		return -1;
	if (!needed)
		return 0;
	if (session_open(&s, err) < 0)
		return -1;
	return session_build(&s, NFT_MASQ, 0, NULL, 0, err);
}
