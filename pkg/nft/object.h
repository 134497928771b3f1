/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "nft/skeleton_parts.h"
#include "nft/tx.h"

/*
 * Tables, chains and sets of any name, put into a transaction with the comments and byte orders
 * that nft's listing needs. No memory breaks the transaction, which then refuses to be sent.
 */

/* Exclusively: a table that is there is EEXIST. Its name is the origin's text in errors. */
void object_put_table(struct nft_tx *tx, uint16_t family, const char *table, const char *comment);
void object_delete_table(struct nft_tx *tx, uint16_t family, const char *table);

/* What is there already stays. */
void object_put_chain(struct nft_tx *tx, uint16_t family, const char *table,
		      const struct chain_def *def, const char *name);
void object_put_set(struct nft_tx *tx, uint16_t family, const char *table,
		    const struct set_def *def, const char *name);
