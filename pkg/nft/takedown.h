/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "nft/skeleton.h"

/* Is there no element in this set of table inet podwire? An absent one is empty. */
int set_is_empty(struct nft_tx *tx, const char *set, bool *ret, struct cni_error *err);

/*
 * Delete a chain of table inet podwire, all rules that lead to it, and its sets, in one
 * transaction. Nobody may need them any more, and the caller holds the lock. An absent chain:
 * nothing is done.
 */
int take_down(struct nft_tx *tx, const char *chain, const struct set_name *sets, size_t n_sets,
	      struct cni_error *err);
