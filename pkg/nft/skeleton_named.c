/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation: what grows with subnets and marks, never with pods.
 *
 * A subnet has a chain that is a function of its name, sets of the pods that it concerns, and rules
 * in a chain of the skeleton that lead there who is in the sets. All of it is made together with
 * the first element and goes together when GC finds the sets empty. Rules and plain sets stand here
 * where one map of verdicts could, since the kernel walks every element of every such map at each
 * commit that adds a "goto": 1.1 ms of an ADD with 5,000 host ports (measured;
 * nft_table_validate()).
 *
 * A pod that is alone in its subnet (/32, /128) would have chain and rules of its own: all of those
 * share one chain, and a set of their own addresses in pairs says who talks to himself.
 */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>

#include "base/text.h"
#include "nft/expr.h"
#include "nft/skeleton_parts.h"

static const struct nft_origin plain_rule = { "rule", NULL, NFT_NO_ITEM, 0 };
static const struct nft_origin ct_rule = { "rule with ct", "nft_ct", NFT_NO_ITEM, 0 };

/* clang-format off */
static const struct set_def masq_sets[] = {
	{ "masq", T_IP4, 4, ORDER_BIG, 0, 0, 0, "pods: masquerade to all but their own subnet" },
	{ "masq", T_IP6, 16, ORDER_BIG, 0, 0, 0, "pods: masquerade to all but their own subnet" },
};
static const struct set_def snat_sets[] = {
	{ "snat", CONCAT3(T_IP4, T_PROTO, T_PORT), 12, ORDER_NONE, 0, 0, 0, "pod, protocol, host port: masquerade its own subnet" },
	{ "snat", CONCAT3(T_IP6, T_PROTO, T_PORT), 24, ORDER_NONE, 0, 0, 0, "pod, protocol, host port: masquerade its own subnet" },
};
static const struct set_def self_sets[] = {
	{ "self4", CONCAT4(T_IP4, T_IP4, T_PROTO, T_PORT), 16, ORDER_NONE, 0, 0, 0, "pod as its own client, protocol, host port" },
	{ "self6", CONCAT4(T_IP6, T_IP6, T_PROTO, T_PORT), 40, ORDER_NONE, 0, 0, 0, "pod as its own client, protocol, host port" },
};
static const struct set_def mark_sets[] = {
	{ "forward4", T_IP4, 4, ORDER_BIG, 0, 0, 0, "pods that may forward, with this mark" },
	{ "forward6", T_IP6, 16, ORDER_BIG, 0, 0, 0, "pods that may forward, with this mark" },
};
/* clang-format on */

enum kind { MASQ, SNAT, MARK };

/* A name, taken apart. */
struct named {
	const char *chain;
	enum kind kind;
	struct ipnet net; /* MASQ, SNAT */
	int family;	  /* of net */
	uint8_t bit;	  /* MARK */
};

static bool parse(const char *chain, struct named *ret)
{
	*ret = (struct named){ .chain = chain };
	if (chain_parse_mark(chain, &ret->bit)) {
		ret->kind = MARK;
		return true;
	}
	if (chain_parse(chain, "masq-", &ret->net))
		ret->kind = MASQ;
	else if (chain_parse(chain, "snat-", &ret->net))
		ret->kind = SNAT;
	else
		return false;
	ret->family = ip_family(&ret->net.addr);
	return true;
}

/* ---- how many */

/* Rules that lead to the chain of a mark. */
#define MARK_WAYS 6

unsigned skeleton_chain_use(const char *name)
{
	struct named n;

	if (!parse(name, &n))
		return 0;
	switch (n.kind) {
	case MASQ:
		return (ipnet_is_host(&n.net) ? 2 : 3) + 1;
	case SNAT:
		return (ipnet_is_host(&n.net) ? 1 + ARRAY_SIZE(port_protocols) : 2) +
		       ARRAY_SIZE(port_protocols);
	case MARK:
		return 1 + MARK_WAYS;
	}
	return 0;
}

size_t skeleton_chain_sets(const char *name, struct set_name out[2])
{
	struct named n;
	size_t i = 1;

	if (!parse(name, &n))
		return 0;
	if (n.kind == MARK) {
		(void)text_format(out[0].name, NFT_NAME, "forward4-%u", n.bit);
		(void)text_format(out[i++].name, NFT_NAME, "forward6-%u", n.bit);
		return i;
	}
	(void)text_format(out[0].name, NFT_NAME, "%s", name);
	if (n.kind == SNAT && ipnet_is_host(&n.net))
		(void)text_format(out[i++].name, NFT_NAME, "self%c",
				  n.family == AF_INET ? '4' : '6');
	return i;
}

/* ---- a mark */

/* Packets to or from a pod of the set, if they are answers or redirected where that is asked. */
struct forward_way {
	enum nft_addr_side side;
	uint32_t ct_key, ct_bits; /* 0: whatever they are */
};

static void lead_to_mark(struct nft_tx *tx, const struct named *n, int family,
			 const struct forward_way *way)
{
	struct nft_rule rule;
	char set[NFT_NAME];

	(void)text_format(set, sizeof(set), "forward%c-%u", family == AF_INET ? '4' : '6', n->bit);
	rule_begin(&rule, tx, NFPROTO_INET, NFT_TABLE, "forward");
	if (way->ct_bits != 0) {
		rule_ct(&rule, way->ct_key, false, REG_1);
		rule_mask(&rule, &way->ct_bits, sizeof(way->ct_bits));
		rule_cmp_u32(&rule, NFT_CMP_NEQ, 0);
	}
	rule_load_addr(&rule, family, way->side);
	rule_lookup(&rule, set, 0);
	rule_verdict(&rule, NFT_GOTO, n->chain);
	rule_end(&rule, &ct_rule);
}

/* meta mark set meta mark | BIT */
static void put_mark(struct nft_tx *tx, const struct named *n)
{
	static const struct forward_way ways[] = {
		{ ADDR_DST, NFT_CT_STATE,
		  NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED) },
		{ ADDR_DST, NFT_CT_STATUS, IPS_DST_NAT },
		{ ADDR_SRC, 0, 0 },
	};
	struct nft_rule rule;

	_Static_assert(2 * ARRAY_SIZE(ways) == MARK_WAYS, "as skeleton_chain_use() counts");
	rule_begin(&rule, tx, NFPROTO_INET, NFT_TABLE, n->chain);
	rule_meta(&rule, NFT_META_MARK, REG_1);
	rule_or_u32(&rule, UINT32_C(1) << n->bit);
	rule_set_mark(&rule);
	rule_end(&rule, &plain_rule);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		lead_to_mark(tx, n, AF_INET, &ways[i]);
		lead_to_mark(tx, n, AF_INET6, &ways[i]);
	}
}

/* ---- masquerade */

static void put_return(struct nft_tx *tx, const char *chain, const struct ipnet *to)
{
	struct nft_rule rule;

	rule_begin(&rule, tx, NFPROTO_INET, NFT_TABLE, chain);
	rule_addr_in(&rule, ADDR_DST, to);
	rule_verdict(&rule, NFT_RETURN, NULL);
	rule_end(&rule, &plain_rule);
}

static void put_masq(struct nft_tx *tx, const struct named *n)
{
	struct ipnet multicast;
	struct nft_rule rule;

	if (!ipnet_is_host(&n->net))
		put_return(tx, n->chain, &n->net);
	if (ipnet_parse(n->family == AF_INET ? "224.0.0.0/4" : "ff00::/8", &multicast))
		put_return(tx, n->chain, &multicast);
	put_masquerade(tx, n->chain, NULL);

	rule_begin(&rule, tx, NFPROTO_INET, NFT_TABLE, "postrouting");
	rule_load_addr(&rule, n->family, ADDR_SRC);
	rule_lookup(&rule, n->chain, 0);
	rule_verdict(&rule, NFT_GOTO, n->chain);
	rule_end(&rule, &plain_rule);
}

/* ---- clients of host ports */

void begin_clients(struct nft_rule *rule, struct nft_tx *tx, int family, uint8_t protocol)
{
	bool four = family == AF_INET;

	rule_begin(rule, tx, NFPROTO_INET, NFT_TABLE, "hostport-clients");
	rule_l4proto(rule, protocol);
	rule_load_addr(rule, family, ADDR_DST);
	rule_meta(rule, NFT_META_L4PROTO, four ? REG_WORD1 : REG_2);
	rule_ct(rule, NFT_CT_PROTO_DST, true, four ? REG_WORD2 : REG_WORD5);
}

/* ip saddr . ip daddr . meta l4proto . ct original proto-dst @self4 masquerade */
static void put_self(struct nft_tx *tx, const struct named *n, uint8_t protocol)
{
	bool four = n->family == AF_INET;
	struct nft_rule rule;

	rule_begin(&rule, tx, NFPROTO_INET, NFT_TABLE, n->chain);
	rule_l4proto(&rule, protocol);
	rule_load_addr(&rule, n->family, ADDR_SRC);
	rule_payload(&rule, NFT_PAYLOAD_NETWORK_HEADER, four ? 16 : 24, four ? 4 : 16,
		     four ? REG_WORD1 : REG_2);
	rule_meta(&rule, NFT_META_L4PROTO, four ? REG_WORD2 : REG_3);
	rule_ct(&rule, NFT_CT_PROTO_DST, true, four ? REG_WORD3 : REG_WORD9);
	rule_lookup(&rule, four ? "self4" : "self6", 0);
	rule_masquerade(&rule);
	rule_end(&rule, &ct_rule);
}

static void put_snat(struct nft_tx *tx, const struct named *n)
{
	bool hosts = ipnet_is_host(&n->net);
	struct ipnet loopback;
	struct nft_rule rule;

	if (!hosts)
		put_masquerade(tx, n->chain, &n->net);
	if (ipnet_parse(n->family == AF_INET ? "127.0.0.0/8" : "::1/128", &loopback))
		put_masquerade(tx, n->chain, &loopback);
	for (size_t i = 0; i < ARRAY_SIZE(port_protocols); i++) {
		if (hosts)
			put_self(tx, n, port_protocols[i]);
		begin_clients(&rule, tx, n->family, port_protocols[i]);
		rule_lookup(&rule, n->chain, 0);
		rule_verdict(&rule, NFT_GOTO, n->chain);
		rule_end(&rule, &ct_rule);
	}
}

/* ---- all of it */

static void put_sets(struct nft_tx *tx, const struct named *n)
{
	struct set_name names[2];
	size_t six = n->family == AF_INET6;

	(void)skeleton_chain_sets(n->chain, names);
	switch (n->kind) {
	case MASQ:
		put_set(tx, NFPROTO_INET, &masq_sets[six], names[0].name);
		return;
	case SNAT:
		put_set(tx, NFPROTO_INET, &snat_sets[six], names[0].name);
		if (ipnet_is_host(&n->net))
			put_set(tx, NFPROTO_INET, &self_sets[six], names[1].name);
		return;
	case MARK:
		put_set(tx, NFPROTO_INET, &mark_sets[0], names[0].name);
		put_set(tx, NFPROTO_INET, &mark_sets[1], names[1].name);
		return;
	}
}

void skeleton_put_chain(struct nft_tx *tx, const char *name, bool again)
{
	static const struct chain_def def = { .name = "chain of a subnet or bit" };
	struct named n;

	if (!parse(name, &n))
		return;
	put_sets(tx, &n);
	put_chain_def(tx, NFPROTO_INET, &def, name);
	if (again)
		flush_chain(tx, NFPROTO_INET, name);
	switch (n.kind) {
	case MASQ:
		put_masq(tx, &n);
		return;
	case SNAT:
		put_snat(tx, &n);
		return;
	case MARK:
		put_mark(tx, &n);
		return;
	}
}
