/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/scoped.h"
#include "nft/overlay.h"
#include "nft/session.h"

/* The pieces of overlay.c: what the table should be, what it is, and the elements of its sets. */

/* "podwire-overlay-NETWORK"; a long name is cut, and ends in a hash of the whole one. */
void overlay_table_name(const char *network, char buf[NFT_NAME]);

#define OVERLAY_COMMENT "Podwire: " /* how the table's comment begins */

/* ---- what should be there (overlay_rules.c) */

enum overlay_set { NON_MASQ4, NON_MASQ6, SENDERS4, SENDERS6, OVERLAY_N_SETS };

const char *overlay_set_name(enum overlay_set set);
bool overlay_set_is4(enum overlay_set set);
/* Is it part of the table of `o`? */
bool overlay_has_set(const struct nft_overlay *o, enum overlay_set set);

/* Items of the rules that count strangers; all other messages have NFT_NO_ITEM. */
enum { OVERLAY_STRANGERS4 = 4, OVERLAY_STRANGERS6 = 6 };

/* Table, sets, chains and rules, from nothing; the origin of each says what it is, for people. */
void overlay_put_all(struct nft_tx *tx, const struct nft_overlay *o, const char *table);

/* ---- what is there (overlay_look.c) */

struct overlay_piece {
	const struct nlmsghdr *nlh; /* that would make it */
	const char *what;
	size_t item;
	bool stands;
};

struct overlay_look {
	char table[NFT_NAME];
	uint8_t *buf;
	struct overlay_piece *pieces;
	size_t n;
	bool nothing;	    /* is wanted: no table */
	bool there;	    /* the table is, and it is ours */
	bool foreign;	    /* somebody else's table has our name */
	bool unknown;	    /* this kernel has no nf_tables */
	bool comment, rule; /* the table has one of ours; a rule of ours stands in it */
	size_t others;	    /* rules that should not be there */
	size_t absent;	    /* senders looked for that are not there */
	struct nft_overlay_strangers strangers;
};

void overlay_look_free(struct overlay_look *look);
#define scoped_overlay_look SCOPED(overlay_look_free)

/* Learn what should be there, once for any number of looks. `ret` must be empty. */
int overlay_look_init(struct nft_tx *tx, const struct nft_overlay *o, struct overlay_look *ret,
		      struct cni_error *err);

/* Read the generation and all of the table but its elements, in one send; in the same, senders of
 * `senders_of` are looked for, if that is not NULL. EINTR in err->sys: ask again. */
int overlay_look(struct nft_tx *tx, const struct nft_overlay *senders_of, struct overlay_look *ret,
		 struct cni_error *err);

/* All pieces stand, and nothing else does; or nothing is wanted, and nothing is there. */
bool overlay_sound(const struct overlay_look *look);

/* ---- elements (overlay_elems.c) */

/* An element's key in 16 bytes, an IPv4 address in the first four; `end`: of an interval, the first
 * address behind it. */
struct overlay_elem {
	uint8_t key[16];
	bool end;
};

struct overlay_elems {
	struct overlay_elem *e; /* in order, each once */
	size_t n, cap;
	bool strange; /* one that is no address */
};
void overlay_elems_free(struct overlay_elems *list);
#define scoped_overlay_elems SCOPED(overlay_elems_free)

/* What `o` wants in a set; `ret` must be empty. */
int overlay_elems_wanted(const struct nft_overlay *o, enum overlay_set set,
			 struct overlay_elems *ret, struct cni_error *err);
/* What is in it. EINTR in err->sys: ask again. `ret` is emptied first. */
int overlay_elems_read(struct nft_tx *tx, const char *table, enum overlay_set set,
		       struct overlay_elems *ret, struct cni_error *err);

/* Of `a` what is not in `b`, into the empty `ret`. */
int overlay_elems_minus(const struct overlay_elems *a, const struct overlay_elems *b,
			struct overlay_elems *ret, struct cni_error *err);

/* Into a transaction, in messages of many each. `type` is NFT_MSG_NEWSETELEM or _DELSETELEM. */
void overlay_elems_put(struct nft_tx *tx, uint16_t type, const char *table, enum overlay_set set,
		       const struct overlay_elems *list);
/* A question for one element, a sender. */
void overlay_elems_ask(struct nft_tx *tx, const char *table, const struct ip *sender, size_t item);

/* ---- the body of nft_overlay_apply() in a session, which tests open themselves */

int overlay_apply_in(struct nft_session *s, const struct nft_overlay *o, bool *ret_changed,
		     struct cni_error *err);
