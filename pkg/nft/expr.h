/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/ipnet.h"
#include "nft/tx.h"

struct nftnl_rule;
struct nftnl_expr;

/*
 * Rules, expression by expression, in the form that nft's own compiler gives them: then `nft list`
 * prints what a person would have written. The builder keeps the first error (no memory) and
 * drops the whole rule then, which makes the transaction refuse to be sent.
 */
struct nft_rule {
	struct nft_tx *tx;
	struct nftnl_rule *r; /* NULL: broken */
	uint16_t family;
};

/* Registers as the kernel numbers them: 16-byte ones, and the 4-byte pieces they consist of. */
enum nft_reg {
	REG_VERDICT = 0,
	REG_1 = 1,
	REG_2 = 2,	/* also the word after a 16-byte REG_1 */
	REG_WORD1 = 9,	/* the second word of REG_1 */
	REG_WORD2 = 10, /* its third */
	REG_WORD3 = 11, /* its fourth */
	REG_WORD5 = 13, /* the second word of REG_2 */
	REG_3 = 3,	/* the word after a 16-byte REG_2 */
	REG_WORD9 = 17, /* and the one behind it */
};

enum nft_addr_side { ADDR_SRC, ADDR_DST };

void rule_begin(struct nft_rule *rule, struct nft_tx *tx, uint16_t family, const char *table,
		const char *chain);
/* Appends the rule to its chain. */
void rule_end(struct nft_rule *rule, const struct nft_origin *origin);
/* Puts it first; or right behind the rule with the handle `after`, if that is not 0. */
void rule_insert(struct nft_rule *rule, const struct nft_origin *origin, uint64_t after);

void rule_meta(struct nft_rule *rule, uint32_t key, enum nft_reg dreg);
void rule_cmp(struct nft_rule *rule, uint32_t op, const void *data, size_t len); /* of REG_1 */
void rule_cmp_u8(struct nft_rule *rule, uint32_t op, uint8_t v);
void rule_cmp_u32(struct nft_rule *rule, uint32_t op, uint32_t v); /* host order */
void rule_payload(struct nft_rule *rule, uint32_t base, uint32_t offset, uint32_t len,
		  enum nft_reg dreg);
void rule_mask(struct nft_rule *rule, const void *mask, size_t len); /* REG_1 &= mask */
void rule_or_u32(struct nft_rule *rule, uint32_t bits);		     /* REG_1 |= bits */
void rule_set_mark(struct nft_rule *rule);			     /* the packet's mark = REG_1 */
void rule_counter(struct nft_rule *rule);
void rule_comment(struct nft_rule *rule, const char *text);
/* xtables' match "mark" through nft_compat, as programs iptables-nft of every version read it. */
void rule_match_mark(struct nft_rule *rule, uint32_t bits);
void rule_ct(struct nft_rule *rule, uint32_t key, bool original, enum nft_reg dreg);
void rule_fib_local(struct nft_rule *rule);				  /* fib daddr type local */
void rule_lookup(struct nft_rule *rule, const char *set, uint32_t flags); /* REG_1 in a set */
void rule_map(struct nft_rule *rule, const char *map, enum nft_reg dreg); /* REG_1 through a map */
void rule_dnat(struct nft_rule *rule, int family, enum nft_reg addr, enum nft_reg port);
void rule_masquerade(struct nft_rule *rule);
void rule_masquerade_random(struct nft_rule *rule); /* ports all at random */
void rule_verdict(struct nft_rule *rule, int32_t verdict, const char *chain); /* chain or NULL */

/* The pieces that rules are made of. */
void rule_nfproto(struct nft_rule *rule, int family);
void rule_l4proto(struct nft_rule *rule, uint8_t protocol);
void rule_load_addr(struct nft_rule *rule, int family, enum nft_addr_side side);
void rule_addr_in(struct nft_rule *rule, enum nft_addr_side side, const struct ipnet *net);
/* The same two for a rule that has asked for the family already. Of a /0 nothing is compared. */
void rule_load_addr_too(struct nft_rule *rule, int family, enum nft_addr_side side);
void rule_addr_too(struct nft_rule *rule, enum nft_addr_side side, uint32_t op,
		   const struct ipnet *net);
