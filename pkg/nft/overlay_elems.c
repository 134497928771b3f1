/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation: what should be in a set and what is are both lists in order, so that their
 * differences are found in one walk. An interval is two elements, its first address and, marked as
 * an end, the first one behind it; overlapping and adjacent prefixes are joined beforehand, since
 * the kernel refuses the ones and nft's listing shows the others as one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "base/grow.h"
#include "nft/overlay_parts.h"

#define PUT_AT_ONCE 128 /* of IPv6, with their flags: 5 kB */

void overlay_elems_free(struct overlay_elems *list)
{
	free(list->e);
	*list = (struct overlay_elems){ 0 };
}

static int add(struct overlay_elems *list, const struct overlay_elem *e, struct cni_error *err)
{
	if (grow(&list->e, list->n, &list->cap, sizeof(*e), err) < 0)
		return -1;
	list->e[list->n++] = *e;
	return 0;
}

/* The family is said, since the last address of ::/80 alone looks like one of IPv4. */
static int add_ip(struct overlay_elems *list, bool four, const struct ip *ip, bool end,
		  struct cni_error *err)
{
	struct overlay_elem e = { .end = end };

	if (four)
		memcpy(e.key, ip->b + 12, 4);
	else
		memcpy(e.key, ip->b, 16);
	return add(list, &e, err);
}

static int compare(const void *a, const void *b)
{
	const struct overlay_elem *x = a, *y = b;
	int r = memcmp(x->key, y->key, sizeof(x->key));

	return r != 0 ? r : (int)x->end - (int)y->end;
}

static void sort(struct overlay_elems *list)
{
	size_t kept = 0;

	if (list->n == 0)
		return;
	qsort(list->e, list->n, sizeof(*list->e), compare);
	for (size_t i = 1; i < list->n; i++) {
		if (compare(&list->e[kept], &list->e[i]) != 0)
			list->e[++kept] = list->e[i];
	}
	list->n = kept + 1;
}

/* ---- wanted */

static int senders_wanted(const struct nft_overlay *o, bool four, struct overlay_elems *ret,
			  struct cni_error *err)
{
	for (size_t i = 0; i < o->n_senders; i++) {
		if (ip_is4(&o->senders[i]) == four &&
		    add_ip(ret, four, &o->senders[i], false, err) < 0)
			return -1;
	}
	sort(ret);
	return 0;
}

struct span {
	struct ip first, last;
};

static int compare_spans(const void *a, const void *b)
{
	return ip_cmp(&((const struct span *)a)->first, &((const struct span *)b)->first);
}

/* Behind the family's last address there is none. */
static bool next_of_family(const struct ip *last, bool four, struct ip *ret)
{
	*ret = ip_next(last);
	return four ? ip_is4(ret) : ip_cmp(ret, last) > 0;
}

static int add_span(struct overlay_elems *ret, bool four, const struct span *span,
		    struct cni_error *err)
{
	struct ip next;

	if (add_ip(ret, four, &span->first, false, err) < 0)
		return -1;
	return next_of_family(&span->last, four, &next) ? add_ip(ret, four, &next, true, err) : 0;
}

/* In order; they are joined on the way. */
static int add_spans(struct overlay_elems *ret, bool four, struct span *spans, size_t n,
		     struct cni_error *err)
{
	struct ip next;

	for (size_t i = 0; i + 1 < n; i++) {
		if (next_of_family(&spans[i].last, four, &next) &&
		    ip_cmp(&spans[i + 1].first, &next) > 0) {
			if (add_span(ret, four, &spans[i], err) < 0)
				return -1;
			continue;
		}
		spans[i + 1].first = spans[i].first;
		if (ip_cmp(&spans[i + 1].last, &spans[i].last) < 0)
			spans[i + 1].last = spans[i].last;
	}
	return n == 0 ? 0 : add_span(ret, four, &spans[n - 1], err);
}

static int prefixes_wanted(const struct nft_overlay *o, bool four, struct overlay_elems *ret,
			   struct cni_error *err)
{
	scoped_free struct span *spans = calloc(o->n_non_masq + 1, sizeof(*spans));
	size_t n = 0;

	if (spans == NULL)
		return cni_fail_sys_code(err, CNI_INTERNAL, ENOMEM, "list the overlay's prefixes");
	for (size_t i = 0; i < o->n_non_masq; i++) {
		const struct ipnet *net = &o->non_masq[i];

		if (ip_is4(&net->addr) == four)
			spans[n++] = (struct span){ ipnet_network(net), ipnet_last(net) };
	}
	qsort(spans, n, sizeof(*spans), compare_spans);
	return add_spans(ret, four, spans, n, err);
}

int overlay_elems_wanted(const struct nft_overlay *o, enum overlay_set set,
			 struct overlay_elems *ret, struct cni_error *err)
{
	bool four = overlay_set_is4(set);

	if (!overlay_has_set(o, set))
		return 0;
	if (set == SENDERS4 || set == SENDERS6)
		return senders_wanted(o, four, ret, err);
	return prefixes_wanted(o, four, ret, err);
}

int overlay_elems_minus(const struct overlay_elems *a, const struct overlay_elems *b,
			struct overlay_elems *ret, struct cni_error *err)
{
	size_t k = 0;

	for (size_t i = 0; i < a->n; i++) {
		while (k < b->n && compare(&b->e[k], &a->e[i]) < 0)
			k++;
		if ((k == b->n || compare(&b->e[k], &a->e[i]) != 0) && add(ret, &a->e[i], err) < 0)
			return -1;
	}
	return 0;
}

/* ---- found */

static bool read_value(const struct nlattr *key, struct overlay_elem *ret)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, key) {
		const uint16_t len = mnl_attr_get_payload_len(attr);

		if (mnl_attr_get_type(attr) != NFTA_DATA_VALUE || (len != 4 && len != 16))
			continue;
		memcpy(ret->key, mnl_attr_get_payload(attr), len);
		return true;
	}
	return false;
}

/* The end that nft itself puts before the first interval says nothing. */
static int read_elem(const struct nlattr *elem, struct overlay_elems *list, struct cni_error *err)
{
	static const struct overlay_elem nothing = { .end = true };
	struct overlay_elem e = { .end = false };
	const struct nlattr *attr;
	bool has_key = false;

	mnl_attr_for_each_nested(attr, elem) {
		if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_KEY)
			has_key = read_value(attr, &e);
		if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_FLAGS &&
		    mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			e.end = (ntohl(mnl_attr_get_u32(attr)) & NFT_SET_ELEM_INTERVAL_END) != 0;
	}
	list->strange |= !has_key;
	return !has_key || compare(&e, &nothing) == 0 ? 0 : add(list, &e, err);
}

static int read_answer(const struct nlmsghdr *nlh, const struct nft_origin *origin, void *arg)
{
	struct cni_error ignored;
	const struct nlattr *attr, *elem;

	(void)origin;
	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(elem, attr) {
			if (read_elem(elem, arg, &ignored) < 0)
				return -1;
		}
	}
	return 0;
}

static struct nlmsghdr *begin(struct nft_tx *tx, uint16_t type, uint16_t flags, const char *table,
			      enum overlay_set set, size_t item)
{
	const struct nft_origin origin = { .what = overlay_set_name(set), .item = item };
	struct nlmsghdr *nlh = nft_tx_msg(tx, type, NFPROTO_INET, flags, &origin);

	if (nlh == NULL)
		return NULL;
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, table);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, overlay_set_name(set));
	return nlh;
}

int overlay_elems_read(struct nft_tx *tx, const char *table, enum overlay_set set,
		       struct overlay_elems *ret, struct cni_error *err)
{
	struct nlmsghdr *nlh;

	overlay_elems_free(ret);
	nft_tx_ask(tx);
	nlh = begin(tx, NFT_MSG_GETSETELEM, NLM_F_DUMP, table, set, NFT_NO_ITEM);
	if (nlh != NULL)
		nft_tx_end(tx, nlh);
	if (nft_tx_query(tx, read_answer, ret, err) < 0)
		return -1;
	/* ENOENT: gone since the look, whose generation will tell. */
	if (tx->origins[0].error != 0 && tx->origins[0].error != ENOENT)
		return cni_fail_sys(err, tx->origins[0].error, "nftables: read set %s",
				    overlay_set_name(set));
	sort(ret);
	return 0;
}

/* ---- put */

static void put_elem(struct nlmsghdr *nlh, const struct overlay_elem *e, size_t len)
{
	struct nlattr *elem = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM), *key;

	if (e->end)
		mnl_attr_put_u32(nlh, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_INTERVAL_END));
	key = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_KEY);
	mnl_attr_put(nlh, NFTA_DATA_VALUE, len, e->key);
	mnl_attr_nest_end(nlh, key);
	mnl_attr_nest_end(nlh, elem);
}

static void put_some(struct nft_tx *tx, uint16_t type, const char *table, enum overlay_set set,
		     const struct overlay_elem *e, size_t n)
{
	const uint16_t flags = type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0;
	struct nlmsghdr *nlh = begin(tx, type, flags, table, set, NFT_NO_ITEM);
	struct nlattr *list;

	if (nlh == NULL)
		return;
	list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	for (size_t i = 0; i < n; i++)
		put_elem(nlh, &e[i], overlay_set_is4(set) ? 4 : 16);
	mnl_attr_nest_end(nlh, list);
	nft_tx_end(tx, nlh);
}

void overlay_elems_put(struct nft_tx *tx, uint16_t type, const char *table, enum overlay_set set,
		       const struct overlay_elems *list)
{
	for (size_t from = 0; from < list->n; from += PUT_AT_ONCE) {
		size_t left = list->n - from;

		put_some(tx, type, table, set, &list->e[from],
			 left < PUT_AT_ONCE ? left : PUT_AT_ONCE);
	}
}

void overlay_elems_ask(struct nft_tx *tx, const char *table, const struct ip *sender, size_t item)
{
	enum overlay_set set = ip_is4(sender) ? SENDERS4 : SENDERS6;
	struct nlmsghdr *nlh = begin(tx, NFT_MSG_GETSETELEM, 0, table, set, item);
	struct overlay_elem e = { .end = false };
	struct nlattr *list;
	size_t len;
	const void *bytes = ip_bytes(sender, &len);

	if (nlh == NULL)
		return;
	memcpy(e.key, bytes, len);
	list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	put_elem(nlh, &e, len);
	mnl_attr_nest_end(nlh, list);
	nft_tx_end(tx, nlh);
}
