/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct nft_session;

#define CONDITIONS_FOLDER "conditions" /* below the scratch folder: a file for each list */
#define CONDITIONS_CHAIN  "hostports-" /* and the hash */

/* The least use count of a whole list's chain: its own rules, and a way in for each family and
 * hook. */
#define CONDITIONS_USE (4U + 4U)

/* After the table was built again: let every list of conditions in, as the files say. Best effort,
 * and at most CONDITIONS_RESTORE_MS, since the lock is held: what fails is put right by the next
 * ADD of that network. */
#define CONDITIONS_RESTORE_MS 5000
void conditions_restore(struct nft_session *s);

bool conditions_is_hash(const char *name);

/* If no record and no element needs this list any more: take away the rules that lead to its
 * chain, the chain, the maps, and its file. Else nothing. */
int conditions_drop_unused(struct nft_session *s, const char *hash, struct cni_error *err);

/* The same for every list. */
int conditions_gc(struct nft_session *s, struct cni_error *err);
