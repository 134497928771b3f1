/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation: the transaction that would make the table from nothing says what should be
 * there. Each of its messages is compared with the kernel's answer about the same object (same.c):
 * table, sets and chains by name, rules in their order within their chain. So whatever was changed
 * by hand is seen: a rule flushed, edited, moved or added, another priority, a policy, a set of
 * another type. All of it is a constant number of questions; elements are read elsewhere.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <endian.h>
#include <libmnl/libmnl.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "base/text.h"
#include "nft/overlay_parts.h"
#include "nft/same.h"
#include "nft/udata.h"

/* Items of questions; those of pieces are their numbers. */
#define ITEM_RULES  1000001
#define ITEM_SENDER 1000002

void overlay_look_free(struct overlay_look *look)
{
	free(look->buf);
	free(look->pieces);
	*look = (struct overlay_look){ 0 };
}

/* ---- what should be there */

/* The messages move into memory of ours: the transaction's is needed for what comes next. The name
 * of the table is what its own message is called by, too. */
int overlay_look_init(struct nft_tx *tx, const struct nft_overlay *o, struct overlay_look *ret,
		      struct cni_error *err)
{
	const struct nlmsghdr *nlh;

	overlay_table_name(o->network, ret->table);
	ret->nothing = !o->masquerade && o->forward_mark == 0 && o->vxlan_port == 0;
	nft_tx_ask(tx);
	overlay_put_all(tx, o, ret->table);
	ret->buf = malloc(tx->len + 1);
	ret->pieces = calloc(tx->n + 1, sizeof(*ret->pieces));
	if (tx->broken || ret->buf == NULL || ret->pieces == NULL) {
		overlay_look_free(ret);
		return cni_fail_sys_code(err, CNI_INTERNAL, ENOMEM, "build the overlay's rules");
	}
	memcpy(ret->buf, tx->buf, tx->len);
	nlh = (const struct nlmsghdr *)ret->buf;
	for (int left = (int)tx->len; ret->n < tx->n; nlh = mnl_nlmsg_next(nlh, &left)) {
		const struct nft_origin *origin = &tx->origins[ret->n];

		ret->pieces[ret->n++] = (struct overlay_piece){ .nlh = nlh,
								.what = origin->what,
								.item = origin->item };
	}
	return 0;
}

/* ---- answers */

static const struct nlattr *find(const struct nlmsghdr *nlh, uint16_t type)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == type)
			return attr;
	}
	return NULL;
}

/* A text of a message; "" if it has none. */
static const char *text_of(const struct nlmsghdr *nlh, uint16_t type)
{
	const struct nlattr *attr = find(nlh, type);

	return attr == NULL || mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0
		   ? ""
		   : mnl_attr_get_str(attr);
}

static uint16_t type_of(const struct overlay_piece *piece)
{
	return piece->nlh->nlmsg_type & 0xff;
}

/* A kernel before 5.10 keeps no comments of tables and chains: what it lacks is no difference. */
static bool same_but_comment(const struct nlmsghdr *wanted, const struct nlmsghdr *found,
			     const uint16_t *types, size_t n)
{
	if (find(found, types[n - 1]) == NULL)
		n--;
	return message_same(wanted, found, types, n);
}

static bool same_piece(const struct overlay_piece *piece, const struct nlmsghdr *found)
{
	static const uint16_t table[] = { NFTA_TABLE_NAME, NFTA_TABLE_FLAGS, NFTA_TABLE_USERDATA };
	static const uint16_t chain[] = { NFTA_CHAIN_TABLE,  NFTA_CHAIN_NAME, NFTA_CHAIN_HOOK,
					  NFTA_CHAIN_POLICY, NFTA_CHAIN_TYPE, NFTA_CHAIN_USERDATA };
	static const uint16_t set[] = {
		NFTA_SET_TABLE,	   NFTA_SET_NAME,      NFTA_SET_FLAGS,
		NFTA_SET_KEY_TYPE, NFTA_SET_KEY_LEN,   NFTA_SET_TIMEOUT,
		NFTA_SET_DESC,	   NFTA_SET_DATA_TYPE, NFTA_SET_USERDATA,
	};
	static const uint16_t rule[] = { NFTA_RULE_TABLE, NFTA_RULE_CHAIN, NFTA_RULE_EXPRESSIONS,
					 NFTA_RULE_USERDATA };

	switch (type_of(piece)) {
	case NFT_MSG_NEWTABLE:
		return same_but_comment(piece->nlh, found, table, ARRAY_SIZE(table));
	case NFT_MSG_NEWCHAIN:
		return same_but_comment(piece->nlh, found, chain, ARRAY_SIZE(chain));
	case NFT_MSG_NEWSET:
		return message_same(piece->nlh, found, set, ARRAY_SIZE(set));
	default:
		return message_same(piece->nlh, found, rule, ARRAY_SIZE(rule));
	}
}

static void read_table(struct overlay_look *look, const struct nlmsghdr *nlh)
{
	const struct nlattr *data = find(nlh, NFTA_TABLE_USERDATA);
	const char *comment = NULL;

	if (data != NULL)
		comment = udata_text(mnl_attr_get_payload(data), mnl_attr_get_payload_len(data),
				     NFTNL_UDATA_TABLE_COMMENT);
	look->there = true;
	look->comment = comment != NULL;
	look->foreign =
	    comment != NULL && strncmp(comment, OVERLAY_COMMENT, strlen(OVERLAY_COMMENT)) != 0;
}

static uint64_t counter_value(const struct nlattr *data, uint16_t type)
{
	const struct nlattr *attr;
	uint64_t v;

	mnl_attr_for_each_nested(attr, data) {
		if (mnl_attr_get_type(attr) != type || mnl_attr_get_payload_len(attr) != sizeof(v))
			continue;
		memcpy(&v, mnl_attr_get_payload(attr), sizeof(v));
		return be64toh(v);
	}
	return 0;
}

/* Only of a rule that is as it should be: it has one counter, whose data are all of this form. */
static void read_counter(struct nft_overlay_strangers *sum, const struct nlmsghdr *nlh)
{
	const struct nlattr *list = find(nlh, NFTA_RULE_EXPRESSIONS), *expr, *attr;
	bool counter;

	if (list == NULL)
		return;
	mnl_attr_for_each_nested(expr, list) {
		counter = false;
		mnl_attr_for_each_nested(attr, expr) {
			if (mnl_attr_get_type(attr) == NFTA_EXPR_NAME)
				counter = mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0 &&
					  strcmp(mnl_attr_get_str(attr), "counter") == 0;
			if (mnl_attr_get_type(attr) != NFTA_EXPR_DATA || !counter)
				continue;
			sum->packets += counter_value(attr, NFTA_COUNTER_PACKETS);
			sum->bytes += counter_value(attr, NFTA_COUNTER_BYTES);
		}
	}
}

/* The next one of its chain that should be there. */
static void read_rule(struct overlay_look *look, const struct nlmsghdr *nlh)
{
	const char *chain = text_of(nlh, NFTA_RULE_CHAIN);

	if (strcmp(text_of(nlh, NFTA_RULE_TABLE), look->table) != 0)
		return;
	for (size_t i = 0; i < look->n; i++) {
		struct overlay_piece *piece = &look->pieces[i];

		if (type_of(piece) != NFT_MSG_NEWRULE || piece->stands ||
		    strcmp(text_of(piece->nlh, NFTA_RULE_CHAIN), chain) != 0)
			continue;
		piece->stands = same_piece(piece, nlh);
		look->others += !piece->stands;
		look->rule |= piece->stands;
		if (piece->stands && piece->item != NFT_NO_ITEM)
			read_counter(&look->strangers, nlh);
		return;
	}
	look->others++;
}

static int look_answer(const struct nlmsghdr *nlh, const struct nft_origin *origin, void *arg)
{
	struct overlay_look *look = arg;
	struct overlay_piece *piece;

	if (origin->item == ITEM_RULES)
		read_rule(look, nlh);
	if (origin->item >= look->n)
		return 0;
	piece = &look->pieces[origin->item];
	if (type_of(piece) == NFT_MSG_NEWTABLE)
		read_table(look, nlh);
	piece->stands = same_piece(piece, nlh);
	return 0;
}

/* ---- questions */

/* The table is named by the same attribute in all of them; `name_attr` 0: by it alone. */
static void ask(struct nft_tx *tx, uint16_t type, const struct nft_origin *origin,
		const char *table, uint16_t name_attr, const char *name)
{
	const uint16_t flags = type == NFT_MSG_GETRULE ? NLM_F_DUMP : 0;
	struct nlmsghdr *nlh = nft_tx_msg(tx, type, NFPROTO_INET, flags, origin);

	if (nlh == NULL)
		return;
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, table);
	if (name_attr != 0)
		mnl_attr_put_strz(nlh, name_attr, name);
	nft_tx_end(tx, nlh);
}

static void ask_piece(struct nft_tx *tx, const struct overlay_look *look, size_t i)
{
	const struct overlay_piece *piece = &look->pieces[i];
	const struct nft_origin origin = { .what = piece->what, .item = i };

	if (type_of(piece) == NFT_MSG_NEWTABLE)
		ask(tx, NFT_MSG_GETTABLE, &origin, look->table, 0, NULL);
	else if (type_of(piece) == NFT_MSG_NEWCHAIN)
		ask(tx, NFT_MSG_GETCHAIN, &origin, look->table, NFTA_CHAIN_NAME,
		    text_of(piece->nlh, NFTA_CHAIN_NAME));
	else if (type_of(piece) == NFT_MSG_NEWSET)
		ask(tx, NFT_MSG_GETSET, &origin, look->table, NFTA_SET_NAME,
		    text_of(piece->nlh, NFTA_SET_NAME));
}

static void forget(struct overlay_look *look)
{
	for (size_t i = 0; i < look->n; i++)
		look->pieces[i].stands = false;
	look->there = look->foreign = look->unknown = look->comment = look->rule = false;
	look->others = look->absent = 0;
	look->strangers = (struct nft_overlay_strangers){ 0 };
}

static int judge(const struct nft_tx *tx, struct overlay_look *look, struct cni_error *err)
{
	look->unknown = nft_tx_unanswered(tx);
	for (size_t i = 0; i < tx->n && !look->unknown; i++) {
		const struct nft_origin *o = &tx->origins[i];

		if (o->error != 0 && o->error != ENOENT)
			return cni_fail_sys(err, o->error, "nftables: read %s", o->what);
		look->absent += o->error != 0 && o->item == ITEM_SENDER;
	}
	/* No comment at all: an old kernel's, unless it is full of what is not ours. */
	if (look->there && !look->comment)
		look->foreign = look->others != 0 && !look->rule;
	look->there &= !look->foreign;
	return 0;
}

static void ask_senders(struct nft_tx *tx, const struct nft_overlay *o, const char *table)
{
	for (size_t i = 0; i < o->n_senders; i++) {
		const struct ip *sender = &o->senders[i];

		if (overlay_has_set(o, ip_is4(sender) ? SENDERS4 : SENDERS6))
			overlay_elems_ask(tx, table, sender, ITEM_SENDER);
	}
}

int overlay_look(struct nft_tx *tx, const struct nft_overlay *senders_of, struct overlay_look *ret,
		 struct cni_error *err)
{
	const struct nft_origin rules = { .what = "rules", .item = ITEM_RULES };

	forget(ret);
	nft_tx_ask(tx);
	nft_tx_ask_generation(tx);
	for (size_t i = 0; i < ret->n; i++)
		ask_piece(tx, ret, i);
	ask(tx, NFT_MSG_GETRULE, &rules, ret->table, 0, NULL);
	if (senders_of != NULL)
		ask_senders(tx, senders_of, ret->table);
	if (nft_tx_query(tx, look_answer, ret, err) < 0)
		return -1;
	return judge(tx, ret, err);
}

bool overlay_sound(const struct overlay_look *look)
{
	if (look->nothing)
		return !look->there;
	for (size_t i = 0; i < look->n; i++) {
		if (!look->pieces[i].stands)
			return false;
	}
	return look->there && look->others == 0;
}
