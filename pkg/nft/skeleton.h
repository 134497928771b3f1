/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nft/item.h"
#include "nft/tx.h"

/*
 * The constant part of our tables: maps, sets, chains and rules, as in podwire.nft. Chains of
 * subnets are functions of their names and part of it, too.
 */
#ifndef SKELETON_LAYOUT /* tests build the programs of the next one */
#define SKELETON_LAYOUT 2
#endif

/* A chain of a subnet or mark that somebody wants, whether it is there, and the kernel's use count:
 * its rules and those that lead to it. */
struct subnet_chain {
	char name[NFT_NAME];
	bool there;
	unsigned use;
};

struct skeleton {
	uint16_t family; /* NFPROTO_INET, NFPROTO_BRIDGE */
	bool there;	 /* the table exists, and is ours */
	bool foreign;	 /* somebody else's table has our name */
	bool unknown;	 /* this kernel has no nf_tables: nothing is there, nothing can be */
	bool sound;	 /* every chain has its rules and is referred to as it should be */
	bool base_sound; /* those that masquerade and host ports need, at least */
	bool firewall;	 /* the part for NFT_FIREWALL is there, or is wanted */
	unsigned layout; /* of the table; 0: it does not say, and is taken for ours */
};

/* A table of another layout (docs/decisions/021): an older one is replaced whole by the next ADD, a
 * newer one refused; DEL and GC find what they take away by the comments, in all its sets. */
bool skeleton_is_older(const struct skeleton *found);
bool skeleton_is_newer(const struct skeleton *found);

/*
 * Read, in one send: the ruleset's generation (into tx), the table of `user`, the use counts of its
 * chains, and of those among `chains` that exist. What only NFT_FIREWALL needs is made
 * with its first attachment: a table without it is sound for the others. One of another layout is
 * not sound.
 */
int skeleton_look(struct nft_tx *tx, enum nft_user user, struct subnet_chain *chains, size_t n,
		  struct skeleton *ret, struct cni_error *err);

/* Raise CNI_KERNEL for a foreign table or one of a newer layout, which nothing can be put into;
 * else 0. */
int skeleton_refuse(const struct skeleton *found, struct cni_error *err);

/* Put into the transaction what is missing, or all of it where rules were flushed; nothing if it
 * is sound. */
void skeleton_put(struct nft_tx *tx, const struct skeleton *found);

/* After a look or a transaction with skeleton_put() that failed with `err`: is it worth another
 * look? Somebody changed something meanwhile, or made the table first; not past the deadline. */
bool skeleton_again(const struct nft_tx *tx, const struct cni_error *err);

/* One chain that is a function of its name, its sets, and what leads there. `again`: it exists, its
 * rules are put again; the chains that lead there are put again, too. Names that are none of ours:
 * nothing. */
void skeleton_put_chain(struct nft_tx *tx, const char *name, bool again);

struct set_name {
	char name[NFT_NAME];
};
/* The sets whose elements lead to such a chain: their number, 0 for any other name. */
size_t skeleton_chain_sets(const char *name, struct set_name out[2]);

/* The maps and the chain of one list of conditions: "hostports-<hash>". */
void skeleton_put_conditions(struct nft_tx *tx, const char hash[17]);

/* "masq-…" and "snat-…" with a subnet, "mark-…" with a bit: its use count with all rules there; 0
 * for any other name. */
unsigned skeleton_chain_use(const char *name);

/* Names and use counts of all chains of our table `family`; *ret malloc'd, the caller's. */
struct chain_found {
	char name[NFT_NAME];
	uint32_t use;
};
int skeleton_chains(struct nft_tx *tx, uint16_t family, struct chain_found **ret, size_t *ret_n,
		    struct cni_error *err);

/* The names of all sets and maps that items of `user` may be in: all there are in a table of
 * another layout, none in somebody else's table. *ret malloc'd, the caller's. */
int skeleton_sets(struct nft_tx *tx, enum nft_user user, struct set_name **ret, size_t *ret_n,
		  struct cni_error *err);

uint16_t skeleton_family(enum nft_user user);
