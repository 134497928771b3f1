/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/rules.h"

#include <errno.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <libnftnl/rule.h>
#include <linux/netfilter/nf_tables.h>

struct walk {
	const struct rules_of *of;
	int (*each)(const struct nftnl_rule *rule, void *arg);
	void *arg;
};

static bool same(const char *have, const char *want)
{
	return want == NULL || (have != NULL && strcmp(have, want) == 0);
}

/* A kernel that does not filter the list sends other chains' rules too. */
static int take_rule(const struct nlmsghdr *nlh, const struct nft_origin *origin, void *arg)
{
	const struct walk *w = arg;
	struct nftnl_rule *rule = nftnl_rule_alloc();
	int r = -1;

	(void)origin;
	if (rule == NULL)
		return -1;
	if (nftnl_rule_nlmsg_parse(nlh, rule) < 0 ||
	    !same(nftnl_rule_get_str(rule, NFTNL_RULE_TABLE), w->of->table) ||
	    !same(nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN), w->of->chain))
		r = 0;
	else
		r = w->each(rule, w->arg);
	nftnl_rule_free(rule);
	return r;
}

int rules_each(struct nft_tx *tx, const struct rules_of *of,
	       int (*each)(const struct nftnl_rule *rule, void *arg), void *arg,
	       struct cni_error *err)
{
	const struct nft_origin origin = { .what = "rules", .item = NFT_NO_ITEM };
	struct walk walk = { .of = of, .each = each, .arg = arg };
	struct nlmsghdr *nlh;

	nft_tx_ask(tx);
	nlh = nft_tx_msg(tx, NFT_MSG_GETRULE, of->family, NLM_F_DUMP, &origin);
	if (nlh != NULL) {
		mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, of->table);
		if (of->chain != NULL)
			mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, of->chain);
		nft_tx_end(tx, nlh);
	}
	return nft_tx_query(tx, take_rule, &walk, err);
}
