/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation.
 *
 * Everything here is constant, and in skeleton_named.c a pure function of a chain's name, so that
 * two programs that build it at the same time want the same, and a flushed chain can be filled
 * again without asking anybody. The table is created with NLM_F_EXCL: of two builders one wins
 * whole, the other one looks again. Nothing is deleted as long as the rules are there, since a
 * deletion costs 15 to 20 ms of RCU with nft's commit mutex held; rules are put again only when the
 * use counts of the chains say that somebody flushed them.
 *
 * The rules say: a new connection to a local address is looked up by (address, protocol, port) and
 * then by (protocol, port); what leaves is masqueraded if it was redirected and comes from the
 * pod's own subnet or from loopback (the answer would not come back to us otherwise), or if the
 * source is a pod that asked for it. `guard` takes back what route_localnet opens (CVE-2020-8558).
 */
#include "nft/skeleton.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>

#include "base/text.h"
#include "nft/expr.h"
#include "nft/object.h"
#include "nft/skeleton_parts.h"

/* clang-format off */
static const struct set_def inet_sets[] = {
	{ "pod4", T_IFNAME, 16, ORDER_HOST, T_IP4, 4, ORDER_BIG, "host interface: the pod's address" },
	{ "pod6", T_IFNAME, 16, ORDER_HOST, T_IP6, 16, ORDER_BIG, "host interface: the pod's address" },
	{ "snat-all4", CONCAT3(T_IP4, T_PROTO, T_PORT), 12, ORDER_NONE, 0, 0, 0, "pod, protocol, host port: masquerade every client" },
	{ "snat-all6", CONCAT3(T_IP6, T_PROTO, T_PORT), 24, ORDER_NONE, 0, 0, 0, "pod, protocol, host port: masquerade every client" },
};

/* One family of maps for all, and one per list of conditions. */
static const struct set_def port_sets[] = {
	{ "hostip4", CONCAT3(T_IP4, T_PROTO, T_PORT), 12, ORDER_NONE, CONCAT2(T_IP4, T_PORT), 8, ORDER_NONE, "host address, protocol, port: pod" },
	{ "hostport4", CONCAT2(T_PROTO, T_PORT), 8, ORDER_NONE, CONCAT2(T_IP4, T_PORT), 8, ORDER_NONE, "protocol, port of any local address: pod" },
	{ "hostip6", CONCAT3(T_IP6, T_PROTO, T_PORT), 24, ORDER_NONE, CONCAT2(T_IP6, T_PORT), 20, ORDER_NONE, "host address, protocol, port: pod" },
	{ "hostport6", CONCAT2(T_PROTO, T_PORT), 8, ORDER_NONE, CONCAT2(T_IP6, T_PORT), 20, ORDER_NONE, "protocol, port of any local address: pod" },
};

static const struct set_def bridge_sets[] = {
	{ "allowed", CONCAT2(T_IFNAME, T_ETHER), 24, ORDER_NONE, 0, 0, 0, "host interface, MAC that the pod may send" },
	{ "checked", T_IFNAME, 16, ORDER_HOST, 0, 0, 0, "host interface whose pod may send nothing else" },
};

const struct chain_def inet_chains[] = {
	{ "hostports", NULL, 0, 0, 4, 2, NULL },
	{ "guard", "filter", NF_INET_PRE_ROUTING, -300, 2, 0, "route_localnet must not open 127.0.0.0/8 to pods and neighbours" },
	{ "prerouting", "nat", NF_INET_PRE_ROUTING, -95, 1, 0, NULL },
	{ "output", "nat", NF_INET_LOCAL_OUT, -95, 1, 0, NULL },
	{ "hostport-clients", NULL, 0, 0, 6, 1, NULL },
	{ "postrouting", "nat", NF_INET_POST_ROUTING, 105, 1, 0, NULL },
	{ "forward", "filter", NF_INET_FORWARD, -5, 2, 0, "marks what pods may forward; a rule in iptables' FORWARD accepts the mark", true },
};
const size_t n_inet_chains = ARRAY_SIZE(inet_chains);

const struct chain_def bridge_chains[] = {
	{ "prerouting", "filter", 0 /* NF_BR_PRE_ROUTING */, -300, 1, 0, NULL },
};
const size_t n_bridge_chains = ARRAY_SIZE(bridge_chains);
/* clang-format on */

const uint8_t port_protocols[N_PORT_PROTOCOLS] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };

/* ---- tables, chains, sets */

static void put_table(struct nft_tx *tx, uint16_t family)
{
	char comment[128];

	(void)text_format(comment, sizeof(comment),
			  family == NFPROTO_INET
			      ? "Podwire layout %u: host ports and masquerade of pods"
			      : "Podwire layout %u: MAC addresses that pods may send",
			  SKELETON_LAYOUT);
	object_put_table(tx, family, NFT_TABLE, comment);
}

void put_chain_def(struct nft_tx *tx, uint16_t family, const struct chain_def *def,
		   const char *name)
{
	object_put_chain(tx, family, NFT_TABLE, def, name);
}

void flush_chain(struct nft_tx *tx, uint16_t family, const char *name)
{
	const struct nft_origin origin = { "flush of a chain", NULL, NFT_NO_ITEM, 0 };
	struct nlmsghdr *nlh = nft_tx_msg(tx, NFT_MSG_DELRULE, family, 0, &origin);

	if (nlh == NULL)
		return;
	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, NFT_TABLE);
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, name);
	nft_tx_end(tx, nlh);
}

void put_set(struct nft_tx *tx, uint16_t family, const struct set_def *def, const char *name)
{
	object_put_set(tx, family, NFT_TABLE, def, name);
}

/* ---- rules */

static const struct nft_origin plain_rule = { "rule", NULL, NFT_NO_ITEM, 0 };
static const struct nft_origin fib_rule = { "rule with fib", "nft_fib_inet", NFT_NO_ITEM, 0 };
static const struct nft_origin dnat_rule = { "rule with dnat", "nft_nat", NFT_NO_ITEM, 0 };
static const struct nft_origin masq_rule = { "rule with masquerade", "nft_masq", NFT_NO_ITEM, 0 };
static const struct nft_origin ct_rule = { "rule with ct", "nft_ct", NFT_NO_ITEM, 0 };

/* dnat ip to [ip daddr .] meta l4proto . th dport map @MAP */
static void put_dnat(struct nft_tx *tx, const char *chain, const char *suffix, int family,
		     bool with_addr)
{
	bool four = family == AF_INET;
	enum nft_reg proto = !with_addr ? REG_1 : four ? REG_WORD1 : REG_2;
	enum nft_reg port = !with_addr ? REG_WORD1 : four ? REG_WORD2 : REG_WORD5;
	struct nft_rule rule;
	char map[NFT_NAME];

	(void)text_format(map, sizeof(map), "%s%c%s", with_addr ? "hostip" : "hostport",
			  four ? '4' : '6', suffix);
	rule_begin(&rule, tx, NFPROTO_INET, NFT_TABLE, chain);
	if (with_addr)
		rule_load_addr(&rule, family, ADDR_DST);
	rule_meta(&rule, NFT_META_L4PROTO, proto);
	rule_payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, port);
	rule_map(&rule, map, REG_1);
	rule_dnat(&rule, family, REG_1, four ? REG_WORD1 : REG_2);
	rule_end(&rule, &dnat_rule);
}

static void put_hostports(struct nft_tx *tx, const char *chain, const char *suffix)
{
	put_dnat(tx, chain, suffix, AF_INET, true);
	put_dnat(tx, chain, suffix, AF_INET, false);
	put_dnat(tx, chain, suffix, AF_INET6, true);
	put_dnat(tx, chain, suffix, AF_INET6, false);
}

static void put_guard(struct nft_tx *tx, enum nft_addr_side side)
{
	const uint32_t lo = 1; /* the ifindex of lo in every network namespace */
	struct ipnet loopback;
	struct nft_rule rule;

	if (!ipnet_parse("127.0.0.0/8", &loopback))
		return;
	rule_begin(&rule, tx, NFPROTO_INET, NFT_TABLE, "guard");
	rule_meta(&rule, NFT_META_IIF, REG_1);
	rule_cmp_u32(&rule, NFT_CMP_NEQ, lo);
	rule_addr_in(&rule, side, &loopback);
	rule_verdict(&rule, NF_DROP, NULL);
	rule_end(&rule, &plain_rule);
}

static void put_to_local(struct nft_tx *tx, const char *chain)
{
	struct nft_rule rule;

	rule_begin(&rule, tx, NFPROTO_INET, NFT_TABLE, chain);
	rule_fib_local(&rule);
	rule_verdict(&rule, NFT_GOTO, "hostports");
	rule_end(&rule, &fib_rule);
}

void put_masquerade(struct nft_tx *tx, const char *chain, const struct ipnet *from)
{
	struct nft_rule rule;

	rule_begin(&rule, tx, NFPROTO_INET, NFT_TABLE, chain);
	if (from != NULL)
		rule_addr_in(&rule, ADDR_SRC, from);
	rule_masquerade(&rule);
	rule_end(&rule, &masq_rule);
}

/* meta l4proto P ip daddr . meta l4proto . ct original proto-dst @snat-all4 masquerade: nft gives
 * the ports of a ct expression a type only if it knows the protocol. */
static void put_clients(struct nft_tx *tx, int family, uint8_t protocol)
{
	struct nft_rule rule;

	begin_clients(&rule, tx, family, protocol);
	rule_lookup(&rule, family == AF_INET ? "snat-all4" : "snat-all6", 0);
	rule_masquerade(&rule);
	rule_end(&rule, &masq_rule);
}

static void put_postrouting(struct nft_tx *tx)
{
	const uint32_t dnat = IPS_DST_NAT;
	struct nft_rule rule;

	rule_begin(&rule, tx, NFPROTO_INET, NFT_TABLE, "postrouting");
	rule_ct(&rule, NFT_CT_STATUS, false, REG_1);
	rule_mask(&rule, &dnat, sizeof(dnat));
	rule_cmp_u32(&rule, NFT_CMP_NEQ, 0);
	rule_verdict(&rule, NFT_JUMP, "hostport-clients");
	rule_end(&rule, &ct_rule);
}

static void put_inet_rules(struct nft_tx *tx)
{
	put_hostports(tx, "hostports", "");
	put_guard(tx, ADDR_DST);
	put_guard(tx, ADDR_SRC);
	put_to_local(tx, "prerouting");
	put_to_local(tx, "output");
	/* First, so that a kernel without ct is found by a rule that has no masquerade. */
	put_postrouting(tx);
	for (size_t i = 0; i < ARRAY_SIZE(port_protocols); i++) {
		put_clients(tx, AF_INET, port_protocols[i]);
		put_clients(tx, AF_INET6, port_protocols[i]);
	}
}

/* iifname @checked iifname . ether saddr != @allowed drop: the source is read from the frame's
 * start, where it stands in VLAN-tagged frames too. */
static void put_bridge_rules(struct nft_tx *tx)
{
	struct nft_rule rule;

	rule_begin(&rule, tx, NFPROTO_BRIDGE, NFT_TABLE, "prerouting");
	rule_meta(&rule, NFT_META_IIFNAME, REG_1);
	rule_lookup(&rule, "checked", 0);
	rule_meta(&rule, NFT_META_IIFNAME, REG_1);
	rule_payload(&rule, NFT_PAYLOAD_LL_HEADER, 6, 6, REG_2);
	rule_lookup(&rule, "allowed", NFT_LOOKUP_F_INV);
	rule_verdict(&rule, NF_DROP, NULL);
	rule_end(&rule, &plain_rule);
}

/* ---- all of it */

static void put_sets(struct nft_tx *tx, uint16_t family, const struct set_def *sets, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put_set(tx, family, &sets[i], sets[i].name);
}

/* Those of the firewall's part, or all others; empty. */
static void put_chains(struct nft_tx *tx, const struct skeleton *found, bool firewall)
{
	bool inet = found->family == NFPROTO_INET;
	const struct chain_def *chains = inet ? inet_chains : bridge_chains;
	size_t n_chains = inet ? n_inet_chains : n_bridge_chains;

	for (size_t i = 0; i < n_chains; i++) {
		if (chains[i].firewall != firewall)
			continue;
		put_chain_def(tx, found->family, &chains[i], chains[i].name);
		if (found->there)
			flush_chain(tx, found->family, chains[i].name);
	}
}

void skeleton_put(struct nft_tx *tx, const struct skeleton *found)
{
	if (found->sound)
		return;
	if (skeleton_is_older(found))
		object_delete_table(tx, found->family, NFT_TABLE);
	if (!found->there || skeleton_is_older(found))
		put_table(tx, found->family);
	if (found->family == NFPROTO_BRIDGE) {
		put_sets(tx, found->family, bridge_sets, ARRAY_SIZE(bridge_sets));
		put_chains(tx, found, false);
		put_bridge_rules(tx);
		return;
	}
	if (!found->base_sound) {
		put_sets(tx, found->family, port_sets, ARRAY_SIZE(port_sets));
		put_sets(tx, found->family, inet_sets, ARRAY_SIZE(inet_sets));
		put_chains(tx, found, false);
		put_inet_rules(tx);
	}
	if (found->firewall) {
		put_sets(tx, found->family, forward_sets, N_FORWARD_SETS);
		put_chains(tx, found, true);
		put_forward_rules(tx);
	}
}

bool skeleton_again(const struct nft_tx *tx, const struct cni_error *err)
{
	return nft_tx_again(tx, err) || (err->sys == EEXIST && !nft_tx_expired(tx));
}

void skeleton_put_conditions(struct nft_tx *tx, const char hash[17])
{
	static const struct chain_def conditions = { .name = "chain of conditions" };
	char name[NFT_NAME], suffix[20];

	(void)text_format(suffix, sizeof(suffix), "-%s", hash);
	for (size_t i = 0; i < ARRAY_SIZE(port_sets); i++) {
		(void)text_format(name, sizeof(name), "%s%s", port_sets[i].name, suffix);
		put_set(tx, NFPROTO_INET, &port_sets[i], name);
	}
	(void)text_format(name, sizeof(name), "hostports%s", suffix);
	put_chain_def(tx, NFPROTO_INET, &conditions, name);
	flush_chain(tx, NFPROTO_INET, name);
	put_hostports(tx, name, suffix);
}
