/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nft/expr.h"
#include "nft/skeleton.h"

/* What skeleton.c puts and skeleton_look.c compares. */
struct chain_def {
	const char *name;
	const char *type; /* of a base chain, else NULL */
	uint32_t hook;
	int32_t priority;
	unsigned rules; /* its own, and */
	unsigned refs; /* rules elsewhere that go to it: together the kernel's use count at least */
	const char *comment;
	bool firewall; /* of the part that only NFT_FIREWALL needs */
};

/* nft's numbers of its data types; a concatenation is six bits for each, first one on top. */
enum { T_IP4 = 7, T_IP6 = 8, T_ETHER = 9, T_PROTO = 12, T_PORT = 13, T_IFNAME = 41 };
#define CONCAT2(a, b)	    ((a) << 6 | (b))
#define CONCAT3(a, b, c)    (CONCAT2(a, b) << 6 | (c))
#define CONCAT4(a, b, c, d) (CONCAT3(a, b, c) << 6 | (d))

enum { ORDER_NONE, ORDER_HOST, ORDER_BIG }; /* nft's byte orders; concatenations have none */

struct set_def {
	const char *name;
	uint32_t key_type, key_len, key_order;
	uint32_t data_type, data_len, data_order; /* data_type 0: a set, no map */
	const char *comment;
	uint32_t flags; /* NFT_SET_INTERVAL */
};

/* Pieces of a transaction; what is there already stays. */
void put_set(struct nft_tx *tx, uint16_t family, const struct set_def *def, const char *name);
void put_chain_def(struct nft_tx *tx, uint16_t family, const struct chain_def *def,
		   const char *name);
void flush_chain(struct nft_tx *tx, uint16_t family, const char *name);

extern const struct chain_def inet_chains[];
extern const size_t n_inet_chains;
extern const struct chain_def bridge_chains[];
extern const size_t n_bridge_chains;

extern const struct set_def forward_sets[];
#define N_FORWARD_SETS 3

/* The rules of chain forward, but those that lead to marks. */
void put_forward_rules(struct nft_tx *tx);

/* [ip saddr FROM] masquerade */
void put_masquerade(struct nft_tx *tx, const char *chain, const struct ipnet *from);

/* Protocols that host ports are for. */
#define N_PORT_PROTOCOLS 3
extern const uint8_t port_protocols[N_PORT_PROTOCOLS];

/* meta l4proto P ip daddr . meta l4proto . ct original proto-dst …: in chain hostport-clients. */
void begin_clients(struct nft_rule *rule, struct nft_tx *tx, int family, uint8_t protocol);
