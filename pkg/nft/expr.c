/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/expr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netlink.h>

void rule_begin(struct nft_rule *rule, struct nft_tx *tx, uint16_t family, const char *table,
		const char *chain)
{
	*rule = (struct nft_rule){ .tx = tx, .r = nftnl_rule_alloc(), .family = family };
	if (rule->r == NULL) {
		tx->broken = true;
		return;
	}
	if (nftnl_rule_set_str(rule->r, NFTNL_RULE_TABLE, table) < 0 ||
	    nftnl_rule_set_str(rule->r, NFTNL_RULE_CHAIN, chain) < 0)
		tx->broken = true;
	nftnl_rule_set_u32(rule->r, NFTNL_RULE_FAMILY, family);
}

static void end(struct nft_rule *rule, const struct nft_origin *origin, uint16_t flags)
{
	struct nlmsghdr *nlh;

	if (rule->r == NULL)
		return;
	nlh = nft_tx_msg(rule->tx, NFT_MSG_NEWRULE, rule->family, flags, origin);
	if (nlh != NULL) {
		nftnl_rule_nlmsg_build_payload(nlh, rule->r);
		nft_tx_end(rule->tx, nlh);
	}
	nftnl_rule_free(rule->r);
	rule->r = NULL;
}

void rule_end(struct nft_rule *rule, const struct nft_origin *origin)
{
	end(rule, origin, NLM_F_CREATE | NLM_F_APPEND);
}

/* Without NLM_F_APPEND a position would mean "before". */
void rule_insert(struct nft_rule *rule, const struct nft_origin *origin, uint64_t after)
{
	if (rule->r != NULL && after != 0)
		nftnl_rule_set_u64(rule->r, NFTNL_RULE_POSITION, after);
	end(rule, origin, after != 0 ? NLM_F_CREATE | NLM_F_APPEND : NLM_F_CREATE);
}

void rule_comment(struct nft_rule *rule, const char *text)
{
	struct nftnl_udata_buf *data = nftnl_udata_buf_alloc(256);
	bool ok = rule->r != NULL && data != NULL &&
		  nftnl_udata_put_strz(data, NFTNL_UDATA_RULE_COMMENT, text) &&
		  nftnl_rule_set_data(rule->r, NFTNL_RULE_USERDATA, nftnl_udata_buf_data(data),
				      nftnl_udata_buf_len(data)) >= 0;

	if (!ok)
		rule->tx->broken = true;
	if (data != NULL)
		nftnl_udata_buf_free(data);
}

/* NULL: the rule is broken; nothing is put into it any more. */
static struct nftnl_expr *expr(struct nft_rule *rule, const char *name)
{
	struct nftnl_expr *e = rule->r == NULL ? NULL : nftnl_expr_alloc(name);

	if (e == NULL)
		rule->tx->broken = true;
	else
		nftnl_rule_add_expr(rule->r, e);
	return e;
}

void rule_meta(struct nft_rule *rule, uint32_t key, enum nft_reg dreg)
{
	struct nftnl_expr *e = expr(rule, "meta");

	if (e == NULL)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, dreg);
}

void rule_cmp(struct nft_rule *rule, uint32_t op, const void *data, size_t len)
{
	struct nftnl_expr *e = expr(rule, "cmp");

	if (e == NULL)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
	if (nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, (uint32_t)len) < 0)
		rule->tx->broken = true;
}

void rule_cmp_u8(struct nft_rule *rule, uint32_t op, uint8_t v)
{
	rule_cmp(rule, op, &v, sizeof(v));
}

void rule_cmp_u32(struct nft_rule *rule, uint32_t op, uint32_t v)
{
	rule_cmp(rule, op, &v, sizeof(v));
}

void rule_payload(struct nft_rule *rule, uint32_t base, uint32_t offset, uint32_t len,
		  enum nft_reg dreg)
{
	struct nftnl_expr *e = expr(rule, "payload");

	if (e == NULL)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
	nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, dreg);
}

/* REG_1 = (REG_1 & mask) ^ flip */
static void bitwise(struct nft_rule *rule, const void *mask, const void *flip, size_t len)
{
	struct nftnl_expr *e = expr(rule, "bitwise");

	if (e == NULL)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, REG_1);
	nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, (uint32_t)len);
	if (nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, mask, (uint32_t)len) < 0 ||
	    nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, flip, (uint32_t)len) < 0)
		rule->tx->broken = true;
}

void rule_mask(struct nft_rule *rule, const void *mask, size_t len)
{
	static const uint8_t zero[16];

	bitwise(rule, mask, zero, len);
}

void rule_or_u32(struct nft_rule *rule, uint32_t bits)
{
	const uint32_t others = ~bits;

	bitwise(rule, &others, &bits, sizeof(bits));
}

void rule_set_mark(struct nft_rule *rule)
{
	struct nftnl_expr *e = expr(rule, "meta");

	if (e == NULL)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, NFT_META_MARK);
	nftnl_expr_set_u32(e, NFTNL_EXPR_META_SREG, REG_1);
}

void rule_counter(struct nft_rule *rule)
{
	(void)expr(rule, "counter");
}

/* The bytes become the expression's, which frees them; iptables pads them to eight. */
void rule_match_mark(struct nft_rule *rule, uint32_t bits)
{
	struct xt_mark_mtinfo1 *info = calloc(1, XT_ALIGN(sizeof(*info)));
	struct nftnl_expr *e = expr(rule, "match");

	if (e == NULL || info == NULL) {
		free(info);
		rule->tx->broken = true;
		return;
	}
	info->mark = bits;
	info->mask = bits;
	if (nftnl_expr_set_str(e, NFTNL_EXPR_MT_NAME, "mark") < 0 ||
	    nftnl_expr_set(e, NFTNL_EXPR_MT_INFO, info, XT_ALIGN(sizeof(*info))) < 0)
		rule->tx->broken = true;
	nftnl_expr_set_u32(e, NFTNL_EXPR_MT_REV, 1);
}

void rule_ct(struct nft_rule *rule, uint32_t key, bool original, enum nft_reg dreg)
{
	struct nftnl_expr *e = expr(rule, "ct");

	if (e == NULL)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, key);
	nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, dreg);
	if (original)
		nftnl_expr_set_u8(e, NFTNL_EXPR_CT_DIR, 0); /* IP_CT_DIR_ORIGINAL */
}

void rule_fib_local(struct nft_rule *rule)
{
	struct nftnl_expr *e = expr(rule, "fib");
	const uint32_t rtn_local = 2;

	if (e == NULL)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR);
	nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_DREG, REG_1);
	rule_cmp_u32(rule, NFT_CMP_EQ, rtn_local);
}

static struct nftnl_expr *lookup(struct nft_rule *rule, const char *set)
{
	struct nftnl_expr *e = expr(rule, "lookup");

	if (e == NULL)
		return NULL;
	nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, REG_1);
	if (nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, set) < 0)
		rule->tx->broken = true;
	return e;
}

void rule_lookup(struct nft_rule *rule, const char *set, uint32_t flags)
{
	struct nftnl_expr *e = lookup(rule, set);

	if (e != NULL && flags != 0)
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_FLAGS, flags);
}

void rule_map(struct nft_rule *rule, const char *map, enum nft_reg dreg)
{
	struct nftnl_expr *e = lookup(rule, map);

	if (e != NULL)
		nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_DREG, dreg);
}

void rule_dnat(struct nft_rule *rule, int family, enum nft_reg addr, enum nft_reg port)
{
	struct nftnl_expr *e = expr(rule, "nat");

	if (e == NULL)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY, (uint32_t)family);
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, addr);
	nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_PROTO_MIN, port);
}

void rule_masquerade(struct nft_rule *rule)
{
	(void)expr(rule, "masq");
}

void rule_masquerade_random(struct nft_rule *rule)
{
	struct nftnl_expr *e = expr(rule, "masq");

	if (e != NULL)
		nftnl_expr_set_u32(e, NFTNL_EXPR_MASQ_FLAGS, NF_NAT_RANGE_PROTO_RANDOM_FULLY);
}

void rule_verdict(struct nft_rule *rule, int32_t verdict, const char *chain)
{
	struct nftnl_expr *e = expr(rule, "immediate");

	if (e == NULL)
		return;
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, REG_VERDICT);
	nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, (uint32_t)verdict);
	if (chain != NULL && nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, chain) < 0)
		rule->tx->broken = true;
}

void rule_nfproto(struct nft_rule *rule, int family)
{
	rule_meta(rule, NFT_META_NFPROTO, REG_1);
	rule_cmp_u8(rule, NFT_CMP_EQ, family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6);
}

void rule_l4proto(struct nft_rule *rule, uint8_t protocol)
{
	rule_meta(rule, NFT_META_L4PROTO, REG_1);
	rule_cmp_u8(rule, NFT_CMP_EQ, protocol);
}

/* Offsets in the IPv4 and IPv6 headers. */
static uint32_t addr_offset(int family, enum nft_addr_side side)
{
	if (family == AF_INET)
		return side == ADDR_SRC ? 12 : 16;
	return side == ADDR_SRC ? 8 : 24;
}

void rule_load_addr_too(struct nft_rule *rule, int family, enum nft_addr_side side)
{
	rule_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, addr_offset(family, side),
		     family == AF_INET ? 4 : 16, REG_1);
}

void rule_load_addr(struct nft_rule *rule, int family, enum nft_addr_side side)
{
	rule_nfproto(rule, family);
	rule_load_addr_too(rule, family, side);
}

/* Whole bytes of a prefix shorten the load; a rest of bits needs a mask. */
void rule_addr_too(struct nft_rule *rule, enum nft_addr_side side, uint32_t op,
		   const struct ipnet *net)
{
	struct ip first = ipnet_network(net);
	int family = ip_family(&net->addr);
	unsigned plen = ipnet_plen(net);
	uint8_t mask[16] = { 0 };
	size_t len;
	const void *bytes = ip_bytes(&first, &len);

	if (plen == 0)
		return; /* every address */
	if (plen % 8 == 0)
		len = plen / 8;
	rule_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, addr_offset(family, side), (uint32_t)len,
		     REG_1);
	if (plen % 8 != 0) {
		memset(mask, 0xff, plen / 8);
		mask[plen / 8] = (uint8_t)(0xff00 >> (plen % 8));
		rule_mask(rule, mask, len);
	}
	rule_cmp(rule, op, bytes, len);
}

void rule_addr_in(struct nft_rule *rule, enum nft_addr_side side, const struct ipnet *net)
{
	rule_nfproto(rule, ip_family(&net->addr));
	rule_addr_too(rule, side, NFT_CMP_EQ, net);
}
