/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation.
 *
 * A list of conditions goes when nobody needs it: no record names it (a record outlives a flushed
 * table, and is what the next ADD fills it from) and its maps are empty. We hold the lock, so no
 * writer of ours changes that meanwhile. Rules that lead to the chain, chain and maps go in one
 * transaction; the file goes last, so that what was begun is found again.
 */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libmnl/libmnl.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "base/fs.h"
#include "base/text.h"
#include "nft/conditions_run.h"
#include "nft/rules.h"
#include "nft/session.h"

/* Four are made at once; after rules were flushed in one of two chains there may be more. */
#define WAYS_MAX 64

struct way {
	char in[NFT_NAME];
	uint64_t handle;
};

struct list {
	char chain[NFT_NAME];
	const char *hash;
	bool used;  /* a record or an element needs it */
	bool there; /* the chain exists */
	bool leads; /* the rule just looked at goes to the chain */
	struct way ways[WAYS_MAX];
	size_t n;
};

static const char *const map_names[] = { "hostip4", "hostport4", "hostip6", "hostport6" };

static const struct nft_origin asked = { .what = "conditions", .item = NFT_NO_ITEM };

bool conditions_is_hash(const char *name)
{
	return strspn(name, "0123456789abcdef") == 16 && name[16] == '\0';
}

/* ---- who needs it */

static int see_record(const struct nft_record *r, void *arg, struct cni_error *err)
{
	struct list *list = arg;

	(void)err; /* a damaged one speaks by its elements */
	for (size_t i = 0; r != NULL && i < r->n; i++)
		list->used = list->used || strcmp(r->items[i].conditions, list->hash) == 0;
	return 0;
}

static int see_element(const struct elem_found *found, void *arg)
{
	(void)found;
	((struct list *)arg)->used = true;
	return 0;
}

static int find_users(struct nft_session *s, struct list *list, struct cni_error *err)
{
	if (record_each(s->run, NFT_PORTMAP, see_record, list, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(map_names) && !list->used; i++) {
		char name[NFT_NAME];
		int r;

		(void)text_format(name, sizeof(name), "%s-%s", map_names[i], list->hash);
		do {
			r = elem_list(&s->tx, NFPROTO_INET, name, see_element, list, err);
		} while (r < 0 && err->sys == EINTR && !nft_tx_expired(&s->tx));
		if (r < 0)
			return -1;
	}
	return 0;
}

/* ---- the ways in */

static int see_expr(struct nftnl_expr *e, void *arg)
{
	struct list *list = arg;
	const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_NAME);

	if (name != NULL && strcmp(name, "immediate") == 0 &&
	    nftnl_expr_is_set(e, NFTNL_EXPR_IMM_CHAIN) &&
	    strcmp(nftnl_expr_get_str(e, NFTNL_EXPR_IMM_CHAIN), list->chain) == 0)
		list->leads = true;
	return 0;
}

static int see_rule(const struct nftnl_rule *rule, void *arg)
{
	struct list *list = arg;

	list->leads = false;
	(void)nftnl_expr_foreach((struct nftnl_rule *)(uintptr_t)rule, see_expr, list);
	if (list->leads && list->n < WAYS_MAX &&
	    text_format(list->ways[list->n].in, NFT_NAME, "%s",
			nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN)))
		list->ways[list->n++].handle = nftnl_rule_get_u64(rule, NFTNL_RULE_HANDLE);
	return 0;
}

static int find_ways(struct nft_tx *tx, struct list *list, struct cni_error *err)
{
	const struct rules_of ours = { .family = NFPROTO_INET, .table = NFT_TABLE };
	int r;

	do { /* somebody's change in the middle of the list: EINTR */
		list->n = 0;
		r = rules_each(tx, &ours, see_rule, list, err);
	} while (r < 0 && err->sys == EINTR && !nft_tx_expired(tx));
	return r;
}

static int find_chain(struct nft_tx *tx, struct list *list, struct cni_error *err)
{
	scoped_free struct chain_found *chains = NULL;
	size_t n = 0;

	if (skeleton_chains(tx, NFPROTO_INET, &chains, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		list->there = list->there || strcmp(chains[i].name, list->chain) == 0;
	return 0;
}

/* ---- away with it */

static void put_delete(struct nft_tx *tx, uint16_t type, uint16_t attr, const char *name)
{
	struct nlmsghdr *nlh = nft_tx_msg(tx, type, NFPROTO_INET, 0, &asked);

	if (nlh == NULL)
		return;
	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, NFT_TABLE); /* 1 for sets, too */
	mnl_attr_put_strz(nlh, attr, name);
	nft_tx_end(tx, nlh);
}

static void put_delete_way(struct nft_tx *tx, const struct way *way)
{
	struct nlmsghdr *nlh = nft_tx_msg(tx, NFT_MSG_DELRULE, NFPROTO_INET, 0, &asked);

	if (nlh == NULL)
		return;
	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, NFT_TABLE);
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, way->in);
	mnl_attr_put_u64(nlh, NFTA_RULE_HANDLE, htobe64(way->handle));
	nft_tx_end(tx, nlh);
}

static int take_down(struct nft_session *s, const struct list *list, struct cni_error *err)
{
	char name[NFT_NAME];

	s->tx.has_genid = false;
	nft_tx_begin(&s->tx);
	for (size_t i = 0; i < list->n; i++)
		put_delete_way(&s->tx, &list->ways[i]);
	put_delete(&s->tx, NFT_MSG_DELCHAIN, NFTA_CHAIN_NAME, list->chain);
	for (size_t i = 0; i < ARRAY_SIZE(map_names); i++) {
		(void)text_format(name, sizeof(name), "%s-%s", map_names[i], list->hash);
		put_delete(&s->tx, NFT_MSG_DELSET, NFTA_SET_NAME, name);
	}
	return nft_tx_commit(&s->tx, false, err);
}

static int remove_file(int run, const char *hash, struct cni_error *err)
{
	scoped_fd int folder = openat(run, CONDITIONS_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (folder < 0 && errno == ENOENT)
		return 0;
	if (folder < 0)
		return cni_fail_sys_code(err, CNI_IO, errno, "open the folder " CONDITIONS_FOLDER);
	return fs_remove_at(folder, hash, err);
}

int conditions_drop_unused(struct nft_session *s, const char *hash, struct cni_error *err)
{
	struct list list = { .hash = hash };

	(void)text_format(list.chain, sizeof(list.chain), CONDITIONS_CHAIN "%s", hash);
	if (find_users(s, &list, err) < 0)
		return -1;
	if (list.used)
		return 0;
	if (find_chain(&s->tx, &list, err) < 0)
		return -1;
	if (list.there && (find_ways(&s->tx, &list, err) < 0 || take_down(s, &list, err) < 0))
		return cni_wrap(err, "take away unused conditions");
	return remove_file(s->run, hash, err);
}

/* ---- all of them */

static int gc_chains(struct nft_session *s, struct cni_error *err)
{
	static const char prefix[] = CONDITIONS_CHAIN;
	scoped_free struct chain_found *chains = NULL;
	struct cni_error first = { 0 };
	size_t n = 0;

	if (skeleton_chains(&s->tx, NFPROTO_INET, &chains, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const char *hash = chains[i].name + strlen(prefix);

		if (strncmp(chains[i].name, prefix, strlen(prefix)) == 0 &&
		    conditions_is_hash(hash) && conditions_drop_unused(s, hash, err) < 0)
			cni_keep_first(&first, err);
	}
	*err = first;
	return first.code == CNI_OK ? 0 : -1;
}

static void close_dir(DIR **dir)
{
	if (*dir != NULL)
		(void)closedir(*dir);
}

/* Files of lists whose chain is gone. */
static int gc_files(struct nft_session *s, struct cni_error *err)
{
	scoped_fd int folder =
	    openat(s->run, CONDITIONS_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	SCOPED(close_dir) DIR *dir = folder < 0 ? NULL : fdopendir(folder);
	const struct dirent *d;

	if (dir == NULL)
		return 0;
	(void)take_fd(&folder); /* closed with dir */
	while ((d = readdir(dir)) != NULL) {
		if (strncmp(d->d_name, ".tmp-", 5) == 0) /* of a program killed while it wrote */
			(void)unlinkat(dirfd(dir), d->d_name, 0);
		else if (conditions_is_hash(d->d_name) &&
			 conditions_drop_unused(s, d->d_name, err) < 0)
			return -1;
	}
	return 0;
}

int conditions_gc(struct nft_session *s, struct cni_error *err)
{
	return gc_chains(s, err) < 0 ? -1 : gc_files(s, err);
}
