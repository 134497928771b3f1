/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/conditions.h"
#include "nft/conditions_run.h"
#include "nft/session.h"

void conditions_restore(struct nft_session *s)
{
	(void)s;
}
