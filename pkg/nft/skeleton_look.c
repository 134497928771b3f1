/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "base/grow.h"
#include "base/text.h"
#include "nft/skeleton.h"
#include "nft/skeleton_parts.h"
#include "nft/udata.h"

#define LAYOUT_TEXT "Podwire layout "

uint16_t skeleton_family(enum nft_user user)
{
	return user == NFT_SPOOF ? NFPROTO_BRIDGE : NFPROTO_INET;
}

/* ---- one look */

/* Items of the questions: chains of the skeleton come first, then the caller's. */
#define ITEM_TABLE 1000001

struct look {
	struct nft_tx *tx;
	enum nft_user user;
	struct skeleton *found;
	const struct chain_def *defs;
	size_t n_defs;
	struct subnet_chain *chains;
	size_t n;
};

/* Two texts of a message; what it lacks stays. */
static void read_names(const struct nlmsghdr *nlh, uint16_t a, const char **ret_a, uint16_t b,
		       const char **ret_b)
{
	const struct nlattr *at;

	mnl_attr_for_each(at, nlh, sizeof(struct nfgenmsg)) {
		uint16_t type = mnl_attr_get_type(at);

		if ((type != a && type != b) || mnl_attr_validate(at, MNL_TYPE_NUL_STRING) < 0)
			continue;
		*(type == a ? ret_a : ret_b) = mnl_attr_get_str(at);
	}
}

/* A kernel before 5.10 keeps no comment: the table's name must do then. */
static void read_table(struct look *look, const struct nlmsghdr *nlh)
{
	const char *comment = NULL;
	const struct nlattr *at;

	look->found->there = true;
	mnl_attr_for_each(at, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(at) == NFTA_TABLE_USERDATA)
			comment = udata_text(mnl_attr_get_payload(at), mnl_attr_get_payload_len(at),
					     NFTNL_UDATA_TABLE_COMMENT);
	}
	if (comment == NULL)
		return;
	look->found->foreign = strncmp(comment, LAYOUT_TEXT, strlen(LAYOUT_TEXT)) != 0;
	look->found->there = !look->found->foreign;
	for (const char *p = comment + strlen(LAYOUT_TEXT);
	     look->found->there && *p >= '0' && *p <= '9'; p++)
		look->found->layout = look->found->layout * 10 + (unsigned)(*p - '0');
}

/* Not by libnftnl, which ends the program for what it does not expect. */
static bool read_chain(const struct nlmsghdr *nlh, char name[NFT_NAME], uint32_t *use)
{
	const char *table = "", *chain = "";
	const struct nlattr *at;

	read_names(nlh, NFTA_CHAIN_TABLE, &table, NFTA_CHAIN_NAME, &chain);
	if (strcmp(table, NFT_TABLE) != 0 || chain[0] == '\0' ||
	    !text_format(name, NFT_NAME, "%s", chain))
		return false;
	*use = 0;
	mnl_attr_for_each(at, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(at) == NFTA_CHAIN_USE &&
		    mnl_attr_validate(at, MNL_TYPE_U32) >= 0)
			*use = ntohl(mnl_attr_get_u32(at));
	}
	return true;
}

static void judge_chain(struct look *look, const struct chain_def *def, uint32_t use)
{
	look->found->firewall |= def->firewall;
	if (use >= def->rules + def->refs)
		return;
	look->found->sound = false;
	look->found->base_sound &= def->firewall;
}

static void see_named(struct subnet_chain *chain, uint32_t use)
{
	chain->there = true;
	chain->use = use;
}

static int look_answer(const struct nlmsghdr *nlh, const struct nft_origin *origin, void *arg)
{
	struct look *look = arg;
	char name[NFT_NAME];
	uint32_t use;

	if (origin->item == ITEM_TABLE)
		read_table(look, nlh);
	else if (!read_chain(nlh, name, &use))
		return 0;
	else if (origin->item < look->n_defs)
		judge_chain(look, &look->defs[origin->item], use);
	else
		see_named(&look->chains[origin->item - look->n_defs], use);
	return 0;
}

static void ask(struct nft_tx *tx, uint16_t type, uint16_t family, const char *chain, size_t item)
{
	const struct nft_origin origin = { .what = chain != NULL ? chain : "table " NFT_TABLE,
					   .item = item };
	struct nlmsghdr *nlh = nft_tx_msg(tx, type, family, 0, &origin);

	if (nlh == NULL)
		return;
	if (type == NFT_MSG_GETTABLE)
		mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, NFT_TABLE);
	if (type == NFT_MSG_GETCHAIN) {
		mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, NFT_TABLE);
		mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, chain);
	}
	nft_tx_end(tx, nlh);
}

static const char *family_text(const struct skeleton *found)
{
	return found->family == NFPROTO_INET ? "inet" : "bridge";
}

bool skeleton_is_older(const struct skeleton *found)
{
	return found->there && found->layout != 0 && found->layout < SKELETON_LAYOUT;
}

bool skeleton_is_newer(const struct skeleton *found)
{
	return found->there && found->layout > SKELETON_LAYOUT;
}

int skeleton_refuse(const struct skeleton *found, struct cni_error *err)
{
	if (found->unknown)
		return cni_fail(
		    err, CNI_KERNEL,
		    "this kernel has no nf_tables, which masquerade and host ports need: "
		    "load the module (modprobe nf_tables) or build it in");
	if (skeleton_is_newer(found))
		return cni_fail(err, CNI_KERNEL,
				"the nftables table %s " NFT_TABLE
				" has layout %u of a newer Podwire; this program knows layout %u: "
				"install the newer one's programs, all of them",
				family_text(found), found->layout, SKELETON_LAYOUT);
	if (!found->foreign)
		return 0;
	return cni_fail(err, CNI_KERNEL,
			"the nftables table %s " NFT_TABLE
			" is not Podwire's: its comment is another one; rename or delete it",
			family_text(found));
}

static void judge_missing(const struct look *look, const struct chain_def *def)
{
	if (!def->firewall)
		look->found->sound = look->found->base_sound = false;
	else if (look->user == NFT_FIREWALL)
		look->found->sound = false;
}

static int judge(const struct look *look, struct cni_error *err)
{
	if (nft_tx_unanswered(look->tx)) {
		look->found->unknown = true;
		look->found->sound = look->found->base_sound = false;
		return 0;
	}
	for (size_t i = 0; i < look->tx->n; i++) {
		const struct nft_origin *o = &look->tx->origins[i];

		if (o->error != 0 && o->error != ENOENT)
			return cni_fail_sys(err, o->error, "nftables: read %s", o->what);
		if (o->error == ENOENT && o->item < look->n_defs)
			judge_missing(look, &look->defs[o->item]);
	}
	for (size_t i = 0; i < look->n; i++) {
		const struct subnet_chain *c = &look->chains[i];

		if (c->there && c->use < skeleton_chain_use(c->name))
			look->found->sound = look->found->base_sound = false;
	}
	if (!look->found->there || skeleton_is_older(look->found) || skeleton_is_newer(look->found))
		look->found->sound = look->found->base_sound = false;
	look->found->firewall |= look->user == NFT_FIREWALL;
	return 0;
}

int skeleton_look(struct nft_tx *tx, enum nft_user user, struct subnet_chain *chains, size_t n,
		  struct skeleton *ret, struct cni_error *err)
{
	uint16_t family = skeleton_family(user);
	bool inet = family == NFPROTO_INET;
	struct look look = {
		.tx = tx,
		.user = user,
		.found = ret,
		.defs = inet ? inet_chains : bridge_chains,
		.n_defs = inet ? n_inet_chains : n_bridge_chains,
		.chains = chains,
		.n = n,
	};

	*ret = (struct skeleton){ .family = family, .sound = true, .base_sound = true };
	nft_tx_ask(tx);
	nft_tx_ask_generation(tx);
	ask(tx, NFT_MSG_GETTABLE, family, NULL, ITEM_TABLE);
	for (size_t i = 0; i < look.n_defs; i++)
		ask(tx, NFT_MSG_GETCHAIN, family, look.defs[i].name, i);
	for (size_t i = 0; i < n; i++) {
		chains[i].there = false;
		chains[i].use = 0;
		ask(tx, NFT_MSG_GETCHAIN, family, chains[i].name, look.n_defs + i);
	}
	if (nft_tx_query(tx, look_answer, &look, err) < 0)
		return -1;
	return judge(&look, err);
}

/* ---- all chains, all sets */

struct list {
	void *items;
	size_t n, cap;
};

/* All that the kernel has of `type` (GETCHAIN, GETSET) in the family; *ret malloc'd, the caller's.
 */
static int list_all(struct nft_tx *tx, uint16_t type, uint16_t family,
		    int (*each)(const struct nlmsghdr *nlh, const struct nft_origin *origin,
				void *arg),
		    struct list *ret, struct cni_error *err)
{
	const bool sets = type == NFT_MSG_GETSET;
	const struct nft_origin origin = { .what = sets ? "sets" : "chains", .item = NFT_NO_ITEM };
	struct list list = { 0 };
	struct nlmsghdr *nlh;
	int r;

	do { /* somebody's change in the middle of the list: EINTR */
		list.n = 0;
		nft_tx_ask(tx);
		nlh = nft_tx_msg(tx, type, family, NLM_F_DUMP, &origin);
		if (nlh != NULL && sets) /* chains cannot be asked for by table */
			mnl_attr_put_strz(nlh, NFTA_SET_TABLE, NFT_TABLE);
		if (nlh != NULL)
			nft_tx_end(tx, nlh);
		r = nft_tx_query(tx, each, &list, err);
	} while (r < 0 && err->sys == EINTR && !nft_tx_expired(tx));
	if (r < 0)
		free(list.items);
	else
		*ret = list;
	return r;
}

static int list_chain(const struct nlmsghdr *nlh, const struct nft_origin *origin, void *arg)
{
	struct list *list = arg;
	struct chain_found chain;
	struct cni_error ignored;

	(void)origin;
	if (!read_chain(nlh, chain.name, &chain.use))
		return 0;
	if (grow(&list->items, list->n, &list->cap, sizeof(chain), &ignored) < 0)
		return -1;
	((struct chain_found *)list->items)[list->n++] = chain;
	return 0;
}

int skeleton_chains(struct nft_tx *tx, uint16_t family, struct chain_found **ret, size_t *ret_n,
		    struct cni_error *err)
{
	struct list list;

	if (list_all(tx, NFT_MSG_GETCHAIN, family, list_chain, &list, err) < 0)
		return -1;
	*ret = list.items;
	*ret_n = list.n;
	return 0;
}

static int list_set(const struct nlmsghdr *nlh, const struct nft_origin *origin, void *arg)
{
	struct list *list = arg;
	struct set_name set;
	const char *table = "", *name = "";
	struct cni_error ignored;

	(void)origin;
	read_names(nlh, NFTA_SET_TABLE, &table, NFTA_SET_NAME, &name);
	if (strcmp(table, NFT_TABLE) != 0 || !text_format(set.name, NFT_NAME, "%s", name))
		return 0;
	if (grow(&list->items, list->n, &list->cap, sizeof(set), &ignored) < 0)
		return -1;
	((struct set_name *)list->items)[list->n++] = set;
	return 0;
}

/* Whose a set is, by how its name begins. */
static bool belongs(const char *set, enum nft_user user)
{
	static const struct {
		const char *begin;
		enum nft_user user;
	} of[] = {
		{ "masq-", NFT_MASQ },	     { "pod", NFT_MASQ },
		{ "hostip", NFT_PORTMAP },   { "hostport", NFT_PORTMAP },
		{ "snat-", NFT_PORTMAP },    { "self", NFT_PORTMAP },
		{ "forward", NFT_FIREWALL }, { "bridges", NFT_FIREWALL },
		{ "own", NFT_FIREWALL },     { "isolated", NFT_FIREWALL },
		{ "allowed", NFT_SPOOF },    { "checked", NFT_SPOOF },
	};

	for (size_t i = 0; i < ARRAY_SIZE(of); i++) {
		if (of[i].user == user && strncmp(set, of[i].begin, strlen(of[i].begin)) == 0)
			return true;
	}
	return false;
}

int skeleton_sets(struct nft_tx *tx, enum nft_user user, struct set_name **ret, size_t *ret_n,
		  struct cni_error *err)
{
	struct skeleton found;
	struct set_name *sets;
	struct list list;
	size_t n = 0;

	if (skeleton_look(tx, user, NULL, 0, &found, err) < 0 ||
	    list_all(tx, NFT_MSG_GETSET, found.family, list_set, &list, err) < 0)
		return -1;
	sets = list.items;
	for (size_t i = 0; found.there && i < list.n; i++) {
		if (skeleton_is_older(&found) || skeleton_is_newer(&found) ||
		    belongs(sets[i].name, user))
			sets[n++] = sets[i];
	}
	*ret = sets;
	*ret_n = n;
	return 0;
}
