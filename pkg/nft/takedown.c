/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/takedown.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "base/text.h"
#include "nft/elem.h"
#include "nft/rules.h"

static int see_element(const struct elem_found *found, void *empty)
{
	(void)found;
	*(bool *)empty = false;
	return 0;
}

int set_is_empty(struct nft_tx *tx, const char *set, bool *ret, struct cni_error *err)
{
	int r;

	*ret = true;
	do { /* somebody's change in the middle of the list: EINTR */
		r = elem_list(tx, NFPROTO_INET, set, see_element, ret, err);
	} while (r < 0 && err->sys == EINTR && !nft_tx_expired(tx));
	return r;
}

/* Six are made at most; after rules were flushed in one of several chains there may be more. */
#define WAYS_MAX 64

struct way {
	char in[NFT_NAME];
	uint64_t handle;
};

struct ways {
	const char *chain;
	bool leads; /* the rule just looked at goes to the chain */
	struct way way[WAYS_MAX];
	size_t n;
};

static int see_expr(struct nftnl_expr *e, void *arg)
{
	struct ways *ways = arg;
	const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_NAME);

	if (name != NULL && strcmp(name, "immediate") == 0 &&
	    nftnl_expr_is_set(e, NFTNL_EXPR_IMM_CHAIN) &&
	    strcmp(nftnl_expr_get_str(e, NFTNL_EXPR_IMM_CHAIN), ways->chain) == 0)
		ways->leads = true;
	return 0;
}

static int see_rule(const struct nftnl_rule *rule, void *arg)
{
	struct ways *ways = arg;

	ways->leads = false;
	(void)nftnl_expr_foreach((struct nftnl_rule *)(uintptr_t)rule, see_expr, ways);
	if (ways->leads && ways->n < WAYS_MAX &&
	    text_format(ways->way[ways->n].in, NFT_NAME, "%s",
			nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN)))
		ways->way[ways->n++].handle = nftnl_rule_get_u64(rule, NFTNL_RULE_HANDLE);
	return 0;
}

static int find_ways(struct nft_tx *tx, struct ways *ways, struct cni_error *err)
{
	const struct rules_of ours = { .family = NFPROTO_INET, .table = NFT_TABLE };
	int r;

	do { /* as above */
		ways->n = 0;
		r = rules_each(tx, &ours, see_rule, ways, err);
	} while (r < 0 && err->sys == EINTR && !nft_tx_expired(tx));
	return r;
}

static int find_chain(struct nft_tx *tx, const char *chain, bool *ret, struct cni_error *err)
{
	scoped_free struct chain_found *chains = NULL;
	size_t n = 0;

	if (skeleton_chains(tx, NFPROTO_INET, &chains, &n, err) < 0)
		return -1;
	*ret = false;
	for (size_t i = 0; i < n; i++)
		*ret |= strcmp(chains[i].name, chain) == 0;
	return 0;
}

static void put_delete(struct nft_tx *tx, uint16_t type, uint16_t attr, const char *name)
{
	const struct nft_origin origin = { .what = name, .item = NFT_NO_ITEM };
	struct nlmsghdr *nlh = nft_tx_msg(tx, type, NFPROTO_INET, 0, &origin);

	if (nlh == NULL)
		return;
	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, NFT_TABLE); /* 1 for sets, too */
	mnl_attr_put_strz(nlh, attr, name);
	nft_tx_end(tx, nlh);
}

static void put_delete_way(struct nft_tx *tx, const struct way *way)
{
	const struct nft_origin origin = { .what = way->in, .item = NFT_NO_ITEM };
	struct nlmsghdr *nlh = nft_tx_msg(tx, NFT_MSG_DELRULE, NFPROTO_INET, 0, &origin);

	if (nlh == NULL)
		return;
	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, NFT_TABLE);
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, way->in);
	mnl_attr_put_u64(nlh, NFTA_RULE_HANDLE, htobe64(way->handle));
	nft_tx_end(tx, nlh);
}

int take_down(struct nft_tx *tx, const char *chain, const struct set_name *sets, size_t n_sets,
	      struct cni_error *err)
{
	struct ways ways = { .chain = chain };
	bool there;

	if (find_chain(tx, chain, &there, err) < 0)
		return -1;
	if (!there)
		return 0;
	if (find_ways(tx, &ways, err) < 0)
		return -1;
	tx->has_genid = false;
	nft_tx_begin(tx);
	for (size_t i = 0; i < ways.n; i++)
		put_delete_way(tx, &ways.way[i]);
	put_delete(tx, NFT_MSG_DELCHAIN, NFTA_CHAIN_NAME, chain);
	for (size_t i = 0; i < n_sets; i++)
		put_delete(tx, NFT_MSG_DELSET, NFTA_SET_NAME, sets[i].name);
	return nft_tx_commit(tx, false, err);
}
