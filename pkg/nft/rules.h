/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "nft/tx.h"

struct nftnl_rule;

/* Reading the rules of a table, ours or anybody's. */
struct rules_of {
	uint16_t family;
	const char *table;
	const char *chain; /* NULL: of all its chains */
};

/* Each rule, in the order of its chain; an absent table or chain has none. `each` returns -1 to
 * stop (ENOMEM in err->sys then). EINTR in err->sys: the list was disturbed, ask again. */
int rules_each(struct nft_tx *tx, const struct rules_of *of,
	       int (*each)(const struct nftnl_rule *rule, void *arg), void *arg,
	       struct cni_error *err);
