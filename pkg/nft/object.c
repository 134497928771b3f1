/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/object.h"

#include <string.h>

#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

static struct nftnl_udata_buf *comment_data(struct nft_tx *tx, uint8_t type, const char *comment)
{
	struct nftnl_udata_buf *buf = nftnl_udata_buf_alloc(256);

	if (buf == NULL || (comment != NULL && !nftnl_udata_put_strz(buf, type, comment)))
		tx->broken = true;
	return buf;
}

void object_put_table(struct nft_tx *tx, uint16_t family, const char *table, const char *comment)
{
	const struct nft_origin origin = { table, NULL, NFT_NO_ITEM, 0 };
	struct nftnl_table *t = nftnl_table_alloc();
	struct nftnl_udata_buf *data = comment_data(tx, NFTNL_UDATA_TABLE_COMMENT, comment);
	struct nlmsghdr *nlh =
	    nft_tx_msg(tx, NFT_MSG_NEWTABLE, family, NLM_F_CREATE | NLM_F_EXCL, &origin);

	if (t == NULL || data == NULL || nlh == NULL) {
		tx->broken = true;
	} else {
		(void)nftnl_table_set_str(t, NFTNL_TABLE_NAME, table);
		(void)nftnl_table_set_data(t, NFTNL_TABLE_USERDATA, nftnl_udata_buf_data(data),
					   nftnl_udata_buf_len(data));
		nftnl_table_nlmsg_build_payload(nlh, t);
		nft_tx_end(tx, nlh);
	}
	if (data != NULL)
		nftnl_udata_buf_free(data);
	if (t != NULL)
		nftnl_table_free(t);
}

void object_delete_table(struct nft_tx *tx, uint16_t family, const char *table)
{
	const struct nft_origin origin = { table, NULL, NFT_NO_ITEM, 0 };
	struct nlmsghdr *nlh = nft_tx_msg(tx, NFT_MSG_DELTABLE, family, 0, &origin);

	if (nlh == NULL)
		return;
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, table);
	nft_tx_end(tx, nlh);
}

static void fill_chain(struct nftnl_chain *c, const char *table, const struct chain_def *def,
		       const char *name)
{
	(void)nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, table);
	(void)nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, name);
	if (def->type == NULL)
		return;
	(void)nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, def->type);
	nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, def->hook);
	nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, def->priority);
	nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, NF_ACCEPT);
}

void object_put_chain(struct nft_tx *tx, uint16_t family, const char *table,
		      const struct chain_def *def, const char *name)
{
	const bool nat = def->type != NULL && strcmp(def->type, "nat") == 0;
	const struct nft_origin origin = { def->name, nat ? "nft_chain_nat" : NULL, NFT_NO_ITEM,
					   0 };
	struct nftnl_chain *c = nftnl_chain_alloc();
	struct nftnl_udata_buf *data = comment_data(tx, NFTNL_UDATA_CHAIN_COMMENT, def->comment);
	struct nlmsghdr *nlh = nft_tx_msg(tx, NFT_MSG_NEWCHAIN, family, NLM_F_CREATE, &origin);

	if (c == NULL || data == NULL || nlh == NULL) {
		tx->broken = true;
	} else {
		fill_chain(c, table, def, name);
		if (def->comment != NULL)
			(void)nftnl_chain_set_data(c, NFTNL_CHAIN_USERDATA,
						   nftnl_udata_buf_data(data),
						   nftnl_udata_buf_len(data));
		nftnl_chain_nlmsg_build_payload(nlh, c);
		nft_tx_end(tx, nlh);
	}
	if (data != NULL)
		nftnl_udata_buf_free(data);
	if (c != NULL)
		nftnl_chain_free(c);
}

static void fill_set(struct nftnl_set *s, const char *table, const struct set_def *def,
		     const char *name, uint32_t id)
{
	(void)nftnl_set_set_str(s, NFTNL_SET_TABLE, table);
	(void)nftnl_set_set_str(s, NFTNL_SET_NAME, name);
	nftnl_set_set_u32(s, NFTNL_SET_ID, id);
	nftnl_set_set_u32(s, NFTNL_SET_FLAGS, def->flags | (def->data_type != 0 ? NFT_SET_MAP : 0));
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, def->key_type);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, def->key_len);
	if (def->data_type != 0)
		nftnl_set_set_u32(s, NFTNL_SET_DATA_TYPE, def->data_type);
	if (def->data_len != 0)
		nftnl_set_set_u32(s, NFTNL_SET_DATA_LEN, def->data_len);
}

void object_put_set(struct nft_tx *tx, uint16_t family, const char *table,
		    const struct set_def *def, const char *name)
{
	const struct nft_origin origin = { def->name, NULL, NFT_NO_ITEM, 0 };
	struct nftnl_set *s = nftnl_set_alloc();
	struct nftnl_udata_buf *data = nftnl_udata_buf_alloc(256);
	struct nlmsghdr *nlh = nft_tx_msg(tx, NFT_MSG_NEWSET, family, NLM_F_CREATE, &origin);

	if (s == NULL || data == NULL || nlh == NULL) {
		tx->broken = true;
	} else {
		fill_set(s, table, def, name, nlh->nlmsg_seq);
		/* Without its byte orders nft prints keys the wrong way round. */
		if (!nftnl_udata_put_u32(data, NFTNL_UDATA_SET_KEYBYTEORDER, def->key_order) ||
		    (def->data_type != 0 &&
		     !nftnl_udata_put_u32(data, NFTNL_UDATA_SET_DATABYTEORDER, def->data_order)) ||
		    !nftnl_udata_put_strz(data, NFTNL_UDATA_SET_COMMENT, def->comment))
			tx->broken = true;
		(void)nftnl_set_set_data(s, NFTNL_SET_USERDATA, nftnl_udata_buf_data(data),
					 nftnl_udata_buf_len(data));
		nftnl_set_nlmsg_build_payload(nlh, s);
		nft_tx_end(tx, nlh);
	}
	if (data != NULL)
		nftnl_udata_buf_free(data);
	if (s != NULL)
		nftnl_set_free(s);
}
