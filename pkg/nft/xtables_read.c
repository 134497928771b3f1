/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/xtables_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_mark.h>

#include "base/text.h"
#include "nft/rules.h"

/* What the register holds while the expressions are walked; iptables uses one at a time. */
enum loaded { LOADED_NOTHING, LOADED_MARK, LOADED_FROM, LOADED_TO };

struct reading {
	struct xtables_rule *rule;
	bool four;
	enum loaded loaded;
	uint32_t mask;
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

static void read_match(struct reading *r, const struct nftnl_expr *e)
{
	const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_MT_NAME);
	uint32_t len = 0;
	const struct xt_mark_mtinfo1 *info = nftnl_expr_get(e, NFTNL_EXPR_MT_INFO, &len);

	if (name != NULL && strcmp(name, "comment") == 0)
		return;
	if (name != NULL && strcmp(name, "conntrack") == 0 && is_answers(e)) {
		r->rule->answers = true;
	} else if (name != NULL && strcmp(name, "mark") == 0 && info != NULL &&
		   len >= sizeof(*info) && info->invert == 0 &&
		   nftnl_expr_get_u32(e, NFTNL_EXPR_MT_REV) == 1) {
		r->rule->has_mark = true;
		r->rule->mark = info->mark;
		r->rule->mask = info->mask;
	} else {
		r->rule->other = true;
	}
}

static void read_meta(struct reading *r, const struct nftnl_expr *e)
{
	bool mark = nftnl_expr_is_set(e, NFTNL_EXPR_META_DREG) &&
		    nftnl_expr_get_u32(e, NFTNL_EXPR_META_KEY) == NFT_META_MARK;

	r->loaded = mark ? LOADED_MARK : LOADED_NOTHING;
	r->mask = UINT32_MAX;
	r->rule->other |= !mark;
}

static void read_payload(struct reading *r, const struct nftnl_expr *e)
{
	uint32_t offset = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET);
	bool whole = nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_BASE) == NFT_PAYLOAD_NETWORK_HEADER &&
		     nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_LEN) == (r->four ? 4U : 16U);

	r->loaded = LOADED_NOTHING;
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
	}
	r->loaded = LOADED_NOTHING;
}

static void read_verdict(struct reading *r, const struct nftnl_expr *e)
{
	const char *chain = nftnl_expr_get_str(e, NFTNL_EXPR_IMM_CHAIN);
	uint32_t verdict = nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_VERDICT);

	if (verdict == NF_ACCEPT)
		r->rule->accepts = true;
	else if (verdict == (uint32_t)NFT_JUMP && chain != NULL)
		(void)text_format(r->rule->jump, sizeof(r->rule->jump), "%s", chain);
}

static int read_expr(struct nftnl_expr *e, void *arg)
{
	static const struct {
		const char *name;
		void (*read)(struct reading *r, const struct nftnl_expr *e);
	} kinds[] = {
		{ "match", read_match },     { "meta", read_meta }, { "payload", read_payload },
		{ "bitwise", read_bitwise }, { "cmp", read_cmp },   { "immediate", read_verdict },
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

	*ret = (struct xtables_rule){ .handle = nftnl_rule_get_u64(rule, NFTNL_RULE_HANDLE) };
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
