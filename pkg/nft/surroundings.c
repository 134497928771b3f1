/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/surroundings.h"

#include <errno.h>

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/table.h>
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

static int read_handle(const struct nlmsghdr *nlh, const struct nft_origin *origin, void *arg)
{
	struct nftnl_table *t = nftnl_table_alloc();

	(void)origin;
	if (t != NULL && nftnl_table_nlmsg_parse(nlh, t) >= 0)
		*(uint64_t *)arg = nftnl_table_get_u64(t, NFTNL_TABLE_HANDLE);
	if (t != NULL)
		nftnl_table_free(t);
	return 0;
}

int nft_table_handle(const char *table, uint64_t *ret, struct cni_error *err)
{
	const struct nft_origin origin = { .what = table, .item = NFT_NO_ITEM };
	scoped_nft_tx struct nft_tx tx = { 0 };
	struct nlmsghdr *nlh;

	*ret = 0;
	if (nft_tx_open(&tx, err) < 0)
		return err->sys == EPROTONOSUPPORT ? 0 : -1;
	nft_tx_ask(&tx);
	nlh = nft_tx_msg(&tx, NFT_MSG_GETTABLE, NFPROTO_INET, 0, &origin);
	if (nlh != NULL) {
		mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, table);
		nft_tx_end(&tx, nlh);
	}
	return nft_tx_query(&tx, read_handle, ret, err);
}
