/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "nft/item.h"
#include "nft/tx.h"

/* Elements of maps and sets: put into a transaction, and read. */

/* Exclusively: an element with this key is EEXIST; but a shared one, which may be there, and gets
 * no comment. */
void elem_put_add(struct nft_tx *tx, const struct nft_elem *e, const char *owner, size_t item);
/* By its key alone; absent is ENOENT. */
void elem_put_delete(struct nft_tx *tx, const struct nft_elem *e, size_t item);

struct elem_found {
	struct nft_elem elem;
	char owner[OWNER_TEXT]; /* "" if it has no comment */
};

/*
 * Ask for elements by key: found[i].elem.set is "" where wanted[i] is not there (nor its map, nor
 * the table). Any number; asked in pieces that fit into the socket's buffer.
 */
int elem_get(struct nft_tx *tx, const struct nft_elem *const *wanted, size_t n,
	     struct elem_found *found, struct cni_error *err);

/* Every element of one set; an absent set has none. EINTR in err->sys: ask again. */
int elem_list(struct nft_tx *tx, uint16_t family, const char *set,
	      int (*each)(const struct elem_found *found, void *arg), void *arg,
	      struct cni_error *err);
