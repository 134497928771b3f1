/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation: what NFT_FIREWALL adds to the skeleton.
 *
 * No accept in a table of ours can overrule a drop in another one; but a mark that the packet bears
 * can, if that other table has a rule that accepts it. So chain `forward` runs just before the
 * filter hook's usual priority and gives a bit to the packets that pods may forward: what a pod
 * sends, the answers to that, and what a DNAT of this node (a host port, a service) led to it.
 * The rule that accepts the bit is in xtables.c; each bit has a chain, rules here and two sets of
 * its own (skeleton_named.c).
 *
 * Before that, traffic between two bridges that both have an ingressPolicy is dropped; an isolated
 * bridge drops also what stays on it, as far as br_netfilter shows it to us. Our own drop is final,
 * so it needs no rule elsewhere.
 */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "nft/expr.h"
#include "nft/skeleton_parts.h"

/* clang-format off */
const struct set_def forward_sets[] = {
	{ "bridges", T_IFNAME, 16, ORDER_HOST, 0, 0, 0, "bridges with an ingressPolicy" },
	{ "own", CONCAT2(T_IFNAME, T_IFNAME), 32, ORDER_NONE, 0, 0, 0, "each of them, and itself" },
	{ "isolated", CONCAT2(T_IFNAME, T_IFNAME), 32, ORDER_NONE, 0, 0, 0, "those that are isolated, and themselves" },
};
_Static_assert(ARRAY_SIZE(forward_sets) == N_FORWARD_SETS, "as many as are put");
/* clang-format on */

static const struct nft_origin plain_rule = { "rule", NULL, NFT_NO_ITEM, 0 };

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
void put_forward_rules(struct nft_tx *tx)
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
