/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/surroundings.h"

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "nft/tx.h"

static int read_policy(const struct nlmsghdr *nlh, const struct nft_origin *origin, void *arg)
{
	struct nftnl_chain *c = nftnl_chain_alloc();

	(void)origin;
	if (c != NULL && nftnl_chain_nlmsg_parse(nlh, c) >= 0 &&
	    nftnl_chain_is_set(c, NFTNL_CHAIN_POLICY))
		*(bool *)arg = nftnl_chain_get_u32(c, NFTNL_CHAIN_POLICY) == NF_DROP;
	if (c != NULL)
		nftnl_chain_free(c);
	return 0;
}

bool nft_forward_drops(bool four)
{
	const struct nft_origin origin = { .what = "chain FORWARD", .item = NFT_NO_ITEM };
	scoped_nft_tx struct nft_tx tx = { 0 };
	struct nlmsghdr *nlh;
	struct cni_error ignored;
	bool drops = false;

	if (nft_tx_open(&tx, &ignored) < 0)
		return false;
	nft_tx_ask(&tx);
	nlh = nft_tx_msg(&tx, NFT_MSG_GETCHAIN, four ? NFPROTO_IPV4 : NFPROTO_IPV6, 0, &origin);
	if (nlh == NULL)
		return false;
	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, "filter");
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, "FORWARD");
	nft_tx_end(&tx, nlh);
	if (nft_tx_query(&tx, read_policy, &drops, &ignored) < 0)
		return false;
	return drops;
}
