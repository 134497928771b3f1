/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation: what NFT_FIREWALL adds to the skeleton.
 *
 * No accept in a table of ours can overrule a drop in another one; but a mark that the packet bears
 * can, if that other table has a rule that accepts it. So chain `forward` runs just before the
 * filter hook's usual priority and gives a bit to the packets that pods may forward: what a pod
 * sends, the answers to that, and what a DNAT of this node (a host port, a service) led to it.
 * The rule that accepts the bit is in xtables.c. Which bit is said by the chain that a pod's
 * element goes to, so that the rules here are the same for all.
 *
 * Before that, traffic between two bridges that both have an ingressPolicy is dropped; an isolated
 * bridge drops also what stays on it, as far as br_netfilter shows it to us. Our own drop is final,
 * so it needs no rule elsewhere.
 */
#include <string.h>
#include <sys/socket.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>

#include "nft/expr.h"
#include "nft/skeleton_parts.h"

/* clang-format off */
const struct set_def forward_sets[] = {
	{ "forward4", T_IP4, 4, ORDER_BIG, NFT_DATA_VERDICT, 0, ORDER_NONE, "pod: may forward, with this mark" },
	{ "forward6", T_IP6, 16, ORDER_BIG, NFT_DATA_VERDICT, 0, ORDER_NONE, "pod: may forward, with this mark" },
	{ "bridges", T_IFNAME, 16, ORDER_HOST, 0, 0, 0, "bridges with an ingressPolicy" },
	{ "own", CONCAT2(T_IFNAME, T_IFNAME), 32, ORDER_NONE, 0, 0, 0, "each of them, and itself" },
	{ "isolated", CONCAT2(T_IFNAME, T_IFNAME), 32, ORDER_NONE, 0, 0, 0, "those that are isolated, and themselves" },
};
_Static_assert(ARRAY_SIZE(forward_sets) == N_FORWARD_SETS, "as many as are put");
/* clang-format on */

static const struct nft_origin plain_rule = { "rule", NULL, NFT_NO_ITEM, 0 };
static const struct nft_origin ct_rule = { "rule with ct", "nft_ct", NFT_NO_ITEM, 0 };

static void begin(struct nft_rule *rule, struct nft_tx *tx)
{
	rule_begin(rule, tx, NFPROTO_INET, NFT_TABLE, "forward");
}

static void load_pair(struct nft_rule *rule)
{
	rule_meta(rule, NFT_META_IIFNAME, REG_1);
	rule_meta(rule, NFT_META_OIFNAME, REG_2);
}

/* iifname . oifname @isolated drop
 * iifname @bridges oifname @bridges iifname . oifname != @own drop */
static void put_ingress(struct nft_tx *tx)
{
	struct nft_rule rule;

	begin(&rule, tx);
	load_pair(&rule);
	rule_lookup(&rule, "isolated", 0);
	rule_verdict(&rule, NF_DROP, NULL);
	rule_end(&rule, &plain_rule);

	begin(&rule, tx);
	rule_meta(&rule, NFT_META_IIFNAME, REG_1);
	rule_lookup(&rule, "bridges", 0);
	rule_meta(&rule, NFT_META_OIFNAME, REG_1);
	rule_lookup(&rule, "bridges", 0);
	load_pair(&rule);
	rule_lookup(&rule, "own", NFT_LOOKUP_F_INV);
	rule_verdict(&rule, NF_DROP, NULL);
	rule_end(&rule, &plain_rule);
}

/* ct KEY & BITS != 0 ip daddr vmap @forward4 */
static void put_to_pod(struct nft_tx *tx, int family, uint32_t key, uint32_t bits)
{
	struct nft_rule rule;

	begin(&rule, tx);
	rule_ct(&rule, key, false, REG_1);
	rule_mask(&rule, &bits, sizeof(bits));
	rule_cmp_u32(&rule, NFT_CMP_NEQ, 0);
	rule_load_addr(&rule, family, ADDR_DST);
	rule_map(&rule, family == AF_INET ? "forward4" : "forward6", REG_VERDICT);
	rule_end(&rule, &ct_rule);
}

static void put_from_pod(struct nft_tx *tx, int family)
{
	struct nft_rule rule;

	begin(&rule, tx);
	rule_load_addr(&rule, family, ADDR_SRC);
	rule_map(&rule, family == AF_INET ? "forward4" : "forward6", REG_VERDICT);
	rule_end(&rule, &plain_rule);
}

void put_forward_rules(struct nft_tx *tx)
{
	static const int families[] = { AF_INET, AF_INET6 };
	const uint32_t answers =
	    NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED);

	put_ingress(tx);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		put_to_pod(tx, families[i], NFT_CT_STATE, answers);
		put_to_pod(tx, families[i], NFT_CT_STATUS, IPS_DST_NAT);
		put_from_pod(tx, families[i]);
	}
}

/* meta mark set meta mark | BIT */
void put_mark_rule(struct nft_tx *tx, const char *chain, uint8_t bit)
{
	struct nft_rule rule;

	rule_begin(&rule, tx, NFPROTO_INET, NFT_TABLE, chain);
	rule_meta(&rule, NFT_META_MARK, REG_1);
	rule_or_u32(&rule, UINT32_C(1) << bit);
	rule_set_mark(&rule);
	rule_end(&rule, &plain_rule);
}
