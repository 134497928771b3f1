/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/elem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libmnl/libmnl.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>
#include <linux/netfilter/nf_tables.h>

#include "base/text.h"
#include "nft/udata.h"

#define GET_AT_ONCE 64 /* their answers fit into any socket's buffer */

/* ---- into a transaction */

static struct nftnl_set *make_set(const struct nft_elem *e)
{
	struct nftnl_set *s = nftnl_set_alloc();

	if (s != NULL && (nftnl_set_set_str(s, NFTNL_SET_TABLE, NFT_TABLE) < 0 ||
			  nftnl_set_set_str(s, NFTNL_SET_NAME, e->set) < 0)) {
		nftnl_set_free(s);
		return NULL;
	}
	return s;
}

static bool fill_value(struct nftnl_set_elem *se, const struct nft_elem *e)
{
	return e->data_len == 0 ||
	       nftnl_set_elem_set(se, NFTNL_SET_ELEM_DATA, e->data, e->data_len) >= 0;
}

static bool fill_owner(struct nftnl_set_elem *se, const char *owner)
{
	struct nftnl_udata_buf *data = nftnl_udata_buf_alloc(OWNER_TEXT + 8);
	bool ok = data != NULL && nftnl_udata_put_strz(data, NFTNL_UDATA_SET_ELEM_COMMENT, owner) &&
		  nftnl_set_elem_set(se, NFTNL_SET_ELEM_USERDATA, nftnl_udata_buf_data(data),
				     nftnl_udata_buf_len(data)) >= 0;

	if (data != NULL)
		nftnl_udata_buf_free(data);
	return ok;
}

/* `owner` NULL: the key alone. */
static void put(struct nft_tx *tx, uint16_t type, uint16_t flags, const struct nft_elem *e,
		const char *owner, size_t item)
{
	const struct nft_origin origin = { .what = e->set, .item = item };
	struct nftnl_set_elem *se = nftnl_set_elem_alloc();
	struct nftnl_set *s = make_set(e);
	struct nlmsghdr *nlh = nft_tx_msg(tx, type, e->family, flags, &origin);
	bool ok = s != NULL && se != NULL && nlh != NULL &&
		  nftnl_set_elem_set(se, NFTNL_SET_ELEM_KEY, e->key, e->key_len) >= 0 &&
		  (owner == NULL || (fill_value(se, e) && (e->shared || fill_owner(se, owner))));

	if (ok) {
		nftnl_set_elem_add(s, se);
		se = NULL; /* the set's */
		nftnl_set_elems_nlmsg_build_payload(nlh, s);
		nft_tx_end(tx, nlh);
	} else {
		tx->broken = true;
	}
	if (se != NULL)
		nftnl_set_elem_free(se);
	if (s != NULL)
		nftnl_set_free(s);
}

void elem_put_add(struct nft_tx *tx, const struct nft_elem *e, const char *owner, size_t item)
{
	put(tx, NFT_MSG_NEWSETELEM, e->shared ? NLM_F_CREATE : NLM_F_CREATE | NLM_F_EXCL, e, owner,
	    item);
}

void elem_put_delete(struct nft_tx *tx, const struct nft_elem *e, size_t item)
{
	put(tx, NFT_MSG_DELSETELEM, 0, e, NULL, item);
}

/* ---- out of answers */

static bool take_bytes(struct nftnl_set_elem *se, uint16_t attr, uint8_t *buf, size_t cap,
		       uint8_t *ret_len)
{
	uint32_t len = 0;
	const void *data = nftnl_set_elem_get(se, attr, &len);

	if (data == NULL || len > cap)
		return false;
	memcpy(buf, data, len);
	*ret_len = (uint8_t)len;
	return true;
}

/* False for an element that none of our maps can have. */
static bool read_elem(struct nftnl_set_elem *se, struct elem_found *found)
{
	struct nft_elem *e = &found->elem;
	const char *comment;
	const void *data;
	uint32_t len = 0;

	if (!take_bytes(se, NFTNL_SET_ELEM_KEY, e->key, sizeof(e->key), &e->key_len))
		return false;
	if (nftnl_set_elem_is_set(se, NFTNL_SET_ELEM_DATA) &&
	    !take_bytes(se, NFTNL_SET_ELEM_DATA, e->data, sizeof(e->data), &e->data_len))
		return false;
	data = nftnl_set_elem_get(se, NFTNL_SET_ELEM_USERDATA, &len);
	comment = data == NULL ? NULL : udata_text(data, len, NFTNL_UDATA_SET_ELEM_COMMENT);
	if (comment != NULL)
		(void)text_format(found->owner, sizeof(found->owner), "%s", comment);
	return true;
}

struct answer {
	uint16_t family;
	int (*each)(const struct elem_found *found, void *arg);
	void *arg;
	const char *set;
};

static int one_elem(struct nftnl_set_elem *se, void *arg)
{
	const struct answer *answer = arg;
	struct elem_found found = { .elem.family = answer->family };

	if (!text_format(found.elem.set, NFT_NAME, "%s", answer->set) || !read_elem(se, &found))
		return 0;
	return answer->each(&found, answer->arg);
}

static int each_elem(const struct nlmsghdr *nlh, struct answer *answer)
{
	struct nftnl_set *s = nftnl_set_alloc();
	int r = -1;

	if (s != NULL && nftnl_set_elems_nlmsg_parse(nlh, s) >= 0) {
		answer->set = nftnl_set_get_str(s, NFTNL_SET_NAME);
		r = answer->set == NULL ? 0 : nftnl_set_elem_foreach(s, one_elem, answer);
	}
	if (s != NULL)
		nftnl_set_free(s);
	return r;
}

/* ---- questions */

struct get {
	const struct nft_elem *const *wanted;
	struct elem_found *found;
	size_t item;
};

static int got_one(const struct elem_found *found, void *arg)
{
	const struct get *get = arg;

	if (elem_same_place(&found->elem, get->wanted[get->item]))
		get->found[get->item] = *found;
	return 0;
}

static int get_answer(const struct nlmsghdr *nlh, const struct nft_origin *origin, void *arg)
{
	struct get *get = arg;
	struct answer answer = { .each = got_one, .arg = get };

	get->item = origin->item;
	answer.family = get->wanted[get->item]->family;
	return each_elem(nlh, &answer);
}

/* Anything but "there is no such thing" must not be taken for absence. */
static int only_absent(const struct nft_tx *tx, struct cni_error *err)
{
	for (size_t i = 0; i < tx->n; i++) {
		if (tx->origins[i].error != 0 && tx->origins[i].error != ENOENT)
			return cni_fail_sys(err, tx->origins[i].error, "nftables: read map %s",
					    tx->origins[i].what);
	}
	return 0;
}

int elem_get(struct nft_tx *tx, const struct nft_elem *const *wanted, size_t n,
	     struct elem_found *found, struct cni_error *err)
{
	struct get get = { .wanted = wanted, .found = found };

	for (size_t i = 0; i < n; i++)
		found[i].elem.set[0] = '\0';
	for (size_t from = 0; from < n; from += GET_AT_ONCE) {
		nft_tx_ask(tx);
		for (size_t i = from; i < n && i < from + GET_AT_ONCE; i++)
			put(tx, NFT_MSG_GETSETELEM, 0, wanted[i], NULL, i);
		if (nft_tx_query(tx, get_answer, &get, err) < 0 || only_absent(tx, err) < 0)
			return -1;
	}
	return 0;
}

static int list_answer(const struct nlmsghdr *nlh, const struct nft_origin *origin, void *arg)
{
	(void)origin;
	return each_elem(nlh, arg);
}

int elem_list(struct nft_tx *tx, uint16_t family, const char *set,
	      int (*each)(const struct elem_found *found, void *arg), void *arg,
	      struct cni_error *err)
{
	const struct nft_origin origin = { .what = set, .item = NFT_NO_ITEM };
	struct answer answer = { .family = family, .each = each, .arg = arg };
	struct nlmsghdr *nlh;

	nft_tx_ask(tx);
	nlh = nft_tx_msg(tx, NFT_MSG_GETSETELEM, family, NLM_F_DUMP, &origin);
	if (nlh != NULL) {
		mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, NFT_TABLE);
		mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, set);
		nft_tx_end(tx, nlh);
	}
	if (nft_tx_query(tx, list_answer, &answer, err) < 0)
		return -1;
	return only_absent(tx, err);
}
