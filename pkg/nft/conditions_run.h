/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

struct nft_session;

/* The least use count of a whole list's chain: its own rules, and a way in for each family and
 * hook. */
#define CONDITIONS_USE (4U + 4U)

/* After the table was built again: let every list of conditions in, as the files say. Best effort:
 * what fails is put right by the next ADD of that network. */
void conditions_restore(struct nft_session *s);
