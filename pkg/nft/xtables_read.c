/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/xtables_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>

#include "base/text.h"
#include "nft/rules.h"
#include "nft/udata.h"

/* What the register holds while the expressions are walked; iptables uses one at a time. */
enum loaded { LOADED_NOTHING, LOADED_MARK, LOADED_FROM, LOADED_TO, LOADED_PROTOCOL, LOADED_PORT };

struct reading {
	struct xtables_rule *rule;
	bool four;
	enum loaded loaded;
	uint32_t mask;
	bool has_address; /* an immediate one, which a NAT may lead to */
	struct ip address;
};

/* -m conntrack --ctstate RELATED,ESTABLISHED and nothing else. */
static bool is_answers(const struct nftnl_expr *e)
{
	const unsigned states = NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED);
	uint32_t len = 0;
	const struct xt_conntrack_mtinfo3 *info = nftnl_expr_get(e, NFTNL_EXPR_MT_INFO, &len);

	return info != NULL && len >= sizeof(*info) &&
	       nftnl_expr_get_u32(e, NFTNL_EXPR_MT_REV) == 3 && info->invert_flags == 0 &&
	       (info->match_flags & ~XT_CONNTRACK_STATE_ALIAS) == XT_CONNTRACK_STATE &&
	       info->state_mask == states;
}

static bool is_mark(const struct nftnl_expr *e, struct xtables_rule *rule)
{
	uint32_t len = 0;
	const struct xt_mark_mtinfo1 *info = nftnl_expr_get(e, NFTNL_EXPR_MT_INFO, &len);

	if (info == NULL || len < sizeof(*info) || info->invert != 0 ||
	    nftnl_expr_get_u32(e, NFTNL_EXPR_MT_REV) != 1)
		return false;
	rule->has_mark = true;
	rule->mark = info->mark;
	rule->mask = info->mask;
	return true;
}

/* -m multiport --dports, without ranges. */
static void read_multiport(const struct nftnl_expr *e, struct xtables_rule *rule)
{
	uint32_t len = 0;
	const struct xt_multiport_v1 *info = nftnl_expr_get(e, NFTNL_EXPR_MT_INFO, &len);

	if (info == NULL || len < sizeof(*info) || nftnl_expr_get_u32(e, NFTNL_EXPR_MT_REV) != 1 ||
	    info->flags == XT_MULTIPORT_SOURCE || info->invert != 0 || info->count > XTABLES_PORTS)
		return;
	for (size_t i = 0; i < info->count; i++) {
		if (info->pflags[i] != 0)
			return;
	}
	memcpy(rule->ports, info->ports, sizeof(rule->ports));
	rule->n_ports = info->count;
}

/* --dport of old programs. The match's structure begins with two ranges of ports: of sources and of
 * destinations, for sctp the other way round. */
static void read_dport(const struct nftnl_expr *e, bool sctp, struct xtables_rule *rule)
{
	uint32_t len = 0;
	const uint16_t *info = nftnl_expr_get(e, NFTNL_EXPR_MT_INFO, &len);
	size_t at = sctp ? 0 : 2;

	if (info == NULL || len < 4 * sizeof(*info) || info[at] != info[at + 1])
		return;
	rule->ports[0] = info[at];
	rule->n_ports = 1;
}

static void read_comment(const char *text, size_t len, struct xtables_rule *rule)
{
	(void)text_format(rule->comment, sizeof(rule->comment), "%.*s", (int)strnlen(text, len),
			  text);
}

static void read_match(struct reading *r, const struct nftnl_expr *e)
{
	const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_MT_NAME);
	uint32_t len = 0;
	const char *info = nftnl_expr_get(e, NFTNL_EXPR_MT_INFO, &len);

	if (name == NULL || info == NULL) {
		r->rule->other = true;
	} else if (strcmp(name, "comment") == 0) {
		read_comment(info, len, r->rule);
	} else if (strcmp(name, "conntrack") == 0 && is_answers(e)) {
		r->rule->answers = true;
	} else if (strcmp(name, "mark") != 0 || !is_mark(e, r->rule)) {
		r->rule->other = true;
		if (strcmp(name, "multiport") == 0)
			read_multiport(e, r->rule);
		else if (strcmp(name, "tcp") == 0 || strcmp(name, "udp") == 0 ||
			 strcmp(name, "sctp") == 0)
			read_dport(e, name[0] == 's', r->rule);
	}
}

static void read_meta(struct reading *r, const struct nftnl_expr *e)
{
	uint32_t key = nftnl_expr_is_set(e, NFTNL_EXPR_META_DREG)
			   ? nftnl_expr_get_u32(e, NFTNL_EXPR_META_KEY)
			   : UINT32_MAX;

	r->loaded = key == NFT_META_MARK      ? LOADED_MARK
		    : key == NFT_META_L4PROTO ? LOADED_PROTOCOL
					      : LOADED_NOTHING;
	r->mask = UINT32_MAX;
	r->rule->other |= r->loaded != LOADED_MARK;
}

static void read_payload(struct reading *r, const struct nftnl_expr *e)
{
	uint32_t base = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_BASE);
	uint32_t offset = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET);
	uint32_t len = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_LEN);
	bool whole = base == NFT_PAYLOAD_NETWORK_HEADER && len == (r->four ? 4U : 16U);

	r->loaded = base == NFT_PAYLOAD_TRANSPORT_HEADER && offset == 2 && len == 2
			? LOADED_PORT
			: LOADED_NOTHING;
	if (whole && offset == (r->four ? 12U : 8U))
		r->loaded = LOADED_FROM;
	else if (whole && offset == (r->four ? 16U : 24U))
		r->loaded = LOADED_TO;
	else
		r->rule->other = true;
}

static void read_bitwise(struct reading *r, const struct nftnl_expr *e)
{
	uint32_t len = 0, xor_len = 0;
	const uint32_t *mask = nftnl_expr_get(e, NFTNL_EXPR_BITWISE_MASK, &len);
	const uint32_t *flip = nftnl_expr_get(e, NFTNL_EXPR_BITWISE_XOR, &xor_len);

	if (r->loaded == LOADED_MARK && mask != NULL && len == sizeof(*mask) && flip != NULL &&
	    xor_len == sizeof(*flip) && *flip == 0)
		r->mask = *mask;
	else
		r->rule->other = true;
}

static void read_cmp(struct reading *r, const struct nftnl_expr *e)
{
	struct xtables_rule *rule = r->rule;
	uint32_t len = 0;
	const void *data = nftnl_expr_get(e, NFTNL_EXPR_CMP_DATA, &len);
	bool equal = data != NULL && nftnl_expr_get_u32(e, NFTNL_EXPR_CMP_OP) == NFT_CMP_EQ;

	if (equal && r->loaded == LOADED_MARK && len == sizeof(rule->mark)) {
		rule->has_mark = true;
		memcpy(&rule->mark, data, sizeof(rule->mark));
		rule->mask = r->mask;
	} else if (equal && r->loaded == LOADED_FROM && len == (r->four ? 4U : 16U)) {
		rule->has_from = true;
		rule->from = ip_from_bytes(data, len);
	} else if (equal && r->loaded == LOADED_TO && len == (r->four ? 4U : 16U)) {
		rule->has_to = true;
		rule->to = ip_from_bytes(data, len);
	} else {
		rule->other = true;
		if (equal && r->loaded == LOADED_PROTOCOL && len >= 1)
			rule->protocol = *(const uint8_t *)data;
		if (equal && r->loaded == LOADED_PORT && len == sizeof(uint16_t)) {
			memcpy(rule->ports, data, len);
			rule->ports[0] = ntohs(rule->ports[0]);
			rule->n_ports = 1;
		}
	}
	r->loaded = LOADED_NOTHING;
}

static void read_verdict(struct reading *r, const struct nftnl_expr *e)
{
	const char *chain = nftnl_expr_get_str(e, NFTNL_EXPR_IMM_CHAIN);
	uint32_t verdict = nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_VERDICT);
	uint32_t len = 0;
	const void *data = nftnl_expr_is_set(e, NFTNL_EXPR_IMM_DATA)
			       ? nftnl_expr_get(e, NFTNL_EXPR_IMM_DATA, &len)
			       : NULL;

	if (data != NULL) {
		r->rule->other = true;
		r->has_address |= len == (r->four ? 4U : 16U);
		if (len == (r->four ? 4U : 16U) &&
		    nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_DREG) == NFT_REG_1)
			r->address = ip_from_bytes(data, len);
	} else if (verdict == NF_ACCEPT)
		r->rule->accepts = true;
	else if (verdict == (uint32_t)NFT_JUMP && chain != NULL &&
		 !text_format(r->rule->jump, sizeof(r->rule->jump), "%s", chain))
		r->rule->jump[0] = '\0'; /* no name that iptables would give */
}

static void read_target(struct reading *r, const struct nftnl_expr *e)
{
	const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_TG_NAME);

	r->rule->other = true;
	r->rule->dnat |= name != NULL && strcmp(name, "DNAT") == 0;
}

static void read_nat(struct reading *r, const struct nftnl_expr *e)
{
	r->rule->other = true;
	r->rule->dnat |= nftnl_expr_get_u32(e, NFTNL_EXPR_NAT_TYPE) == NFT_NAT_DNAT;
	r->rule->has_target = r->has_address;
	r->rule->target = r->address;
}

static int read_expr(struct nftnl_expr *e, void *arg)
{
	static const struct {
		const char *name;
		void (*read)(struct reading *r, const struct nftnl_expr *e);
	} kinds[] = {
		{ "match", read_match }, { "meta", read_meta },	      { "payload", read_payload },
		{ "cmp", read_cmp },	 { "bitwise", read_bitwise }, { "immediate", read_verdict },
		{ "nat", read_nat },	 { "target", read_target },
	};
	const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_NAME);
	struct reading *r = arg;

	if (name != NULL && strcmp(name, "counter") == 0)
		return 0;
	for (size_t i = 0; name != NULL && i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(name, kinds[i].name) == 0) {
			kinds[i].read(r, e);
			return 0;
		}
	}
	r->rule->other = true;
	return 0;
}

struct listing {
	bool four;
	struct xtables_rule *rules;
	size_t n, cap;
};

void xtables_rule_read(const struct nftnl_rule *rule, bool four, struct xtables_rule *ret)
{
	struct reading reading = { .rule = ret, .four = four };
	const char *chain = nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN);
	uint32_t len = 0;
	const void *data = nftnl_rule_get_data(rule, NFTNL_RULE_USERDATA, &len);
	const char *comment = NULL;

	*ret = (struct xtables_rule){ .handle = nftnl_rule_get_u64(rule, NFTNL_RULE_HANDLE) };
	if (chain == NULL || !text_format(ret->chain, sizeof(ret->chain), "%s", chain))
		ret->chain[0] = '\0';
	if (data != NULL)
		comment = udata_text(data, len, NFTNL_UDATA_RULE_COMMENT);
	if (comment != NULL)
		read_comment(comment, strlen(comment), ret);
	(void)nftnl_expr_foreach((struct nftnl_rule *)(uintptr_t)rule, read_expr, &reading);
}

static int take_rule(const struct nftnl_rule *rule, void *arg)
{
	struct listing *list = arg;

	if (list->n == list->cap) {
		size_t cap = list->cap * 2 + 16;
		struct xtables_rule *bigger = list->n < XTABLES_RULES_MAX
						  ? reallocarray(list->rules, cap, sizeof(*bigger))
						  : NULL;

		if (bigger == NULL)
			return -1;
		list->rules = bigger;
		list->cap = cap;
	}
	xtables_rule_read(rule, list->four, &list->rules[list->n++]);
	return 0;
}

int xtables_rules(struct nft_tx *tx, bool four, const char *chain, struct xtables_rule **ret,
		  size_t *ret_n, struct cni_error *err)
{
	const struct rules_of of = { .family = four ? NFPROTO_IPV4 : NFPROTO_IPV6,
				     .table = "filter",
				     .chain = chain };
	struct listing list = { .four = four };

	if (rules_each(tx, &of, take_rule, &list, err) < 0) {
		free(list.rules);
		return -1;
	}
	*ret = list.rules;
	*ret_n = list.n;
	return 0;
}
