/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation.
 *
 * Who may see whose address: pods know each other by their own, on all nodes. What a pod sends to
 * anything else is masqueraded, since only this node knows the way back to it. What comes from
 * outside to a pod of this node keeps its source; but what this node sends on to a pod of another
 * node (a host port, a service) is masqueraded, or the other node would answer past us.
 *
 * "return" only leaves our chain: other tables decide as they like. kube-proxy's mark is looked at
 * by its bit, since the mark has others as well. Nothing here is for packets of the tunnel itself,
 * whose addresses are the nodes'.
 *
 * A drop in FORWARD of iptables cannot be overruled from a table of ours, but a rule there accepts
 * packets with our mark (xtables.c). So all that is forwarded from and to the network gets it, just
 * before: the network is the operator's word for who may, as it is flannel's.
 *
 * Senders are looked at where packets enter this machine for good (hook input): VXLAN that is only
 * passed on, a pod's say, is none of our business. Other tables' rules at priority 0 come after.
 */
#include <string.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "base/text.h"
#include "nft/expr.h"
#include "nft/object.h"
#include "nft/overlay_parts.h"

#define KUBE_PROXY_MARK UINT32_C(0x4000)

/* clang-format off */
static const struct set_def sets[] = {
	[NON_MASQ4] = { "nonmasq4", T_IP4, 4, ORDER_BIG, 0, 0, 0, "pods keep their address towards these", NFT_SET_INTERVAL },
	[NON_MASQ6] = { "nonmasq6", T_IP6, 16, ORDER_BIG, 0, 0, 0, "pods keep their address towards these", NFT_SET_INTERVAL },
	[SENDERS4] = { "senders4", T_IP4, 4, ORDER_BIG, 0, 0, 0, "nodes: they send VXLAN packets", 0 },
	[SENDERS6] = { "senders6", T_IP6, 16, ORDER_BIG, 0, 0, 0, "nodes: they send VXLAN packets", 0 },
};
_Static_assert(ARRAY_SIZE(sets) == OVERLAY_N_SETS, "a set has no definition");

static const struct chain_def postrouting = {
	"postrouting", "nat", NF_INET_POST_ROUTING, 105, 0, 0, "pods keep their address among each other", false
};
static const struct chain_def forward = {
	"forward", "filter", NF_INET_FORWARD, -5, 0, 0, "pods may pass where iptables' FORWARD drops", false
};
static const struct chain_def input = {
	"senders", "filter", NF_INET_LOCAL_IN, -5, 0, 0, "VXLAN packets from addresses that are no node's", false
};
/* clang-format on */

struct put {
	struct nft_tx *tx;
	const struct nft_overlay *o;
	const char *table;
};

static const char prefix[] = "podwire-overlay-";

void overlay_table_name(const char *network, char buf[NFT_NAME])
{
	const size_t room = NFT_NAME - sizeof(prefix);
	char hash[13];

	if (text_format(buf, NFT_NAME, "%s%s", prefix, network))
		return;
	text_base32(text_hash(&network, 1), 12, hash);
	(void)text_format(buf, NFT_NAME, "%s%.*s-%s", prefix, (int)(room - sizeof(hash)), network,
			  hash);
}

const char *overlay_set_name(enum overlay_set set)
{
	return sets[set].name;
}

bool overlay_set_is4(enum overlay_set set)
{
	return sets[set].key_type == T_IP4;
}

bool overlay_has_set(const struct nft_overlay *o, enum overlay_set set)
{
	bool senders = set == SENDERS4 || set == SENDERS6;

	return (overlay_set_is4(set) ? o->has4 : o->has6) &&
	       (senders ? o->vxlan_port != 0 : o->masquerade);
}

static void put_chain(const struct put *p, const struct chain_def *chain)
{
	object_put_chain(p->tx, NFPROTO_INET, p->table, chain, chain->name);
}

/* ---- rules: each has its purpose for comment, which is its name in messages, too */

static void begin(struct nft_rule *rule, const struct put *p, const struct chain_def *chain)
{
	rule_begin(rule, p->tx, NFPROTO_INET, p->table, chain->name);
}

static void end(struct nft_rule *rule, const char *what, const char *module, size_t item)
{
	const struct nft_origin origin = { what, module, item, 0 };

	rule_comment(rule, what);
	rule_end(rule, &origin);
}

static void end_return(struct nft_rule *rule, const char *what)
{
	rule_verdict(rule, NFT_RETURN, NULL);
	end(rule, what, NULL, NFT_NO_ITEM);
}

static void end_masquerade(struct nft_rule *rule, const struct put *p, const char *what)
{
	if (p->o->random_fully)
		rule_masquerade_random(rule);
	else
		rule_masquerade(rule);
	end(rule, what, "nft_masq", NFT_NO_ITEM);
}

static void put_mark(const struct put *p)
{
	const uint32_t mark = KUBE_PROXY_MARK;
	struct nft_rule rule;

	begin(&rule, p, &postrouting);
	rule_meta(&rule, NFT_META_MARK, REG_1);
	rule_mask(&rule, &mark, sizeof(mark));
	rule_cmp_u32(&rule, NFT_CMP_EQ, mark);
	end_return(&rule, "kube-proxy masquerades these");
}

/* ip saddr [!=] NET, after which more may be asked about the packet. */
static void begin_from(struct nft_rule *rule, const struct put *p, uint32_t op,
		       const struct ipnet *net)
{
	begin(rule, p, &postrouting);
	rule_nfproto(rule, ip_family(&net->addr));
	rule_addr_too(rule, ADDR_SRC, op, net);
}

static void put_family(const struct put *p, const struct ipnet *net, const struct ipnet *own)
{
	bool four = ip_is4(&net->addr);
	struct ipnet multicast;
	struct nft_rule rule;

	begin_from(&rule, p, NFT_CMP_EQ, net);
	rule_addr_too(&rule, ADDR_DST, NFT_CMP_EQ, net);
	end_return(&rule, "pod to pod");

	begin_from(&rule, p, NFT_CMP_NEQ, net);
	rule_addr_too(&rule, ADDR_DST, NFT_CMP_EQ, own);
	end_return(&rule, "outside to a pod of this node");

	begin_from(&rule, p, NFT_CMP_EQ, net);
	rule_load_addr_too(&rule, ip_family(&net->addr), ADDR_DST);
	rule_lookup(&rule, sets[four ? NON_MASQ4 : NON_MASQ6].name, 0);
	end_return(&rule, "pod to nonMasqueradeCIDRs");

	if (ipnet_parse(four ? "224.0.0.0/4" : "ff00::/8", &multicast)) {
		begin_from(&rule, p, NFT_CMP_EQ, net);
		rule_addr_too(&rule, ADDR_DST, NFT_CMP_NEQ, &multicast);
		end_masquerade(&rule, p, "pod to outside");
	}

	begin_from(&rule, p, NFT_CMP_NEQ, net);
	rule_addr_too(&rule, ADDR_DST, NFT_CMP_EQ, net);
	end_masquerade(&rule, p, "outside to a pod of another node");
}

/* ip saddr|daddr NET meta mark set meta mark | MARK */
static void put_forward(const struct put *p, const struct ipnet *net, enum nft_addr_side side)
{
	struct nft_rule rule;

	begin(&rule, p, &forward);
	rule_nfproto(&rule, ip_family(&net->addr));
	rule_addr_too(&rule, side, NFT_CMP_EQ, net);
	rule_meta(&rule, NFT_META_MARK, REG_1);
	rule_or_u32(&rule, p->o->forward_mark);
	rule_set_mark(&rule);
	end(&rule, side == ADDR_SRC ? "forward from a pod" : "forward to a pod", NULL, NFT_NO_ITEM);
}

static void put_forwards(const struct put *p)
{
	put_chain(p, &forward);
	for (enum nft_addr_side side = ADDR_SRC; side <= ADDR_DST; side++) {
		if (p->o->has4)
			put_forward(p, &p->o->net4, side);
		if (p->o->has6)
			put_forward(p, &p->o->net6, side);
	}
}

/* udp dport PORT ip saddr != @senders4 counter [drop] */
static void put_strangers(const struct put *p, bool four)
{
	const uint16_t port = htons(p->o->vxlan_port);
	struct nft_rule rule;

	begin(&rule, p, &input);
	rule_l4proto(&rule, IPPROTO_UDP);
	rule_payload(&rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2, REG_1);
	rule_cmp(&rule, NFT_CMP_EQ, &port, sizeof(port));
	rule_load_addr(&rule, four ? AF_INET : AF_INET6, ADDR_SRC);
	rule_lookup(&rule, sets[four ? SENDERS4 : SENDERS6].name, NFT_LOOKUP_F_INV);
	rule_counter(&rule);
	if (p->o->drop_strangers)
		rule_verdict(&rule, NF_DROP, NULL);
	end(&rule, "VXLAN from no node", NULL, four ? OVERLAY_STRANGERS4 : OVERLAY_STRANGERS6);
}

/* ---- all of it */

void overlay_put_all(struct nft_tx *tx, const struct nft_overlay *o, const char *table)
{
	const struct put p = { tx, o, table };
	char comment[128];

	(void)text_format(comment, sizeof(comment),
			  OVERLAY_COMMENT
			  "masquerade, forwarding and VXLAN senders of the overlay %s",
			  table + strlen(prefix));
	object_put_table(tx, NFPROTO_INET, table, comment);
	for (enum overlay_set i = 0; i < OVERLAY_N_SETS; i++) {
		if (overlay_has_set(o, i))
			object_put_set(tx, NFPROTO_INET, table, &sets[i], sets[i].name);
	}
	if (o->masquerade) {
		put_chain(&p, &postrouting);
		put_mark(&p);
		if (o->has4)
			put_family(&p, &o->net4, &o->own4);
		if (o->has6)
			put_family(&p, &o->net6, &o->own6);
	}
	if (o->forward_mark != 0)
		put_forwards(&p);
	if (o->vxlan_port != 0) {
		put_chain(&p, &input);
		if (o->has4)
			put_strangers(&p, true);
		if (o->has6)
			put_strangers(&p, false);
	}
}
