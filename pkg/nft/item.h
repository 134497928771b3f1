/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nft/attach.h"

/* Items as the kernel stores them, and owners as comments: pure values, nothing is sent. */

#define NFT_TABLE "podwire" /* of both families, inet and bridge */
#define NFT_NAME  64	    /* longest name of ours with its NUL */

struct nft_elem {
	uint16_t family; /* NFPROTO_INET or NFPROTO_BRIDGE */
	char set[NFT_NAME];
	uint8_t key[40], key_len;
	uint8_t data[20], data_len; /* a map's value */
	char chain[NFT_NAME]; /* which the set belongs to, and is made with; "": is always there */
	bool shared;	      /* nobody's: made if missing, never deleted with an owner */
};

/* The elements of one item: one; two for NFT_ITEM_SPOOF, and for NFT_ITEM_SNAT of a pod that has no
 * subnet; two or three for NFT_ITEM_INGRESS; none for NFT_ITEM_SOURCE. */
#define NFT_ITEM_ELEMS 3
size_t item_elems(const struct nft_item *item, struct nft_elem out[NFT_ITEM_ELEMS]);

bool elem_same_place(const struct nft_elem *a, const struct nft_elem *b); /* set and key */
bool elem_same_value(const struct nft_elem *a, const struct nft_elem *b);

/* "host port tcp 8080", for messages. */
#define ITEM_TEXT 128
void item_text(const struct nft_item *item, char buf[ITEM_TEXT]);
const char *item_protocol(uint8_t protocol); /* "tcp" …, NULL if it is none of ours */

/* The HOSTPORT item behind an element; false if it is none. The pod's prefix is /32 or /128. */
bool item_from_elem(const struct nft_elem *elem, struct nft_item *ret);

/*
 * Chains that are pure functions of a subnet: "masq-10.88.0.0-24", "snat-fd88---64". All pods whose
 * prefix is /32 or /128, which are alone in their subnet, have one: "masq-hosts4"; it reads as
 * 0.0.0.0/32. Parsing is strict: a name that we would not make is refused.
 */
void chain_name(char buf[NFT_NAME], const char *prefix, const struct ipnet *pod);
bool chain_parse(const char *name, const char *prefix, struct ipnet *ret);

/* "mark-12": a function of the bit that it sets. */
bool chain_parse_mark(const char *name, uint8_t *ret_bit);

/*
 * An owner as a comment: "NETWORK CONTAINER IFNAME". nft takes at most 127 bytes and cannot quote
 * '"': such a text is cut and ends in " #" and owner_hash as 16 hex digits.
 */
#define OWNER_TEXT 128
void owner_text(const struct owner *owner, char buf[OWNER_TEXT]);
/* The hash of the owner whose comment this is. */
bool owner_text_hash(const char *text, uint64_t *ret);
/* Split a whole comment in place; false for a cut or foreign one. */
bool owner_text_split(char text[OWNER_TEXT], struct owner *ret);
/* Does the comment `text` name this container, be it on another network or interface? A cut comment
 * does not tell: false. */
bool owner_text_is_container(const char *text, const char *container);
