/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include <linux/netfilter.h>

#include "base/fs.h"
#include "base/text.h"
#include "nft/attach.h"
#include "nft/conditions_run.h"
#include "nft/session.h"

/* The port that one container has on two networks belongs to the first of them (attach.c), and an
 * address that two pods have to the first of those, as long as that one lives. */
static bool is_shared(const struct nft_item *item, const char *found, const char *owner)
{
	scoped_record struct nft_record r = { 0 };
	struct cni_error unknown;
	scoped_fd int run = -1;
	char copy[OWNER_TEXT];
	struct owner o;
	uint64_t hash;

	if (item->kind != NFT_ITEM_FORWARD &&
	    (item->kind != NFT_ITEM_HOSTPORT || !text_format(copy, sizeof(copy), "%s", owner) ||
	     !owner_text_split(copy, &o) || !owner_text_is_container(found, o.container)))
		return false;
	return fs_run_dir(false, &run, &unknown) < 0 || !owner_text_hash(found, &hash) ||
	       record_owner_alive(run, item->kind == NFT_ITEM_FORWARD ? NFT_FIREWALL : NFT_PORTMAP,
				  hash, &r);
}

static int compare(const struct nft_item *item, const struct nft_elem *want,
		   const struct elem_found *found, const char *owner, struct cni_error *err)
{
	char what[ITEM_TEXT];

	item_text(item, what);
	if (found->elem.set[0] == '\0')
		return cni_fail(err, CNI_CHECK_FAILED,
				"%s: its element is missing from nftables map %s", what, want->set);
	if (want->shared)
		return 0;
	if (strcmp(found->owner, owner) != 0 && is_shared(item, found->owner, owner))
		return 0;
	if (strcmp(found->owner, owner) != 0)
		return cni_fail(err, CNI_CHECK_FAILED,
				"%s: its element in nftables map %s belongs to \"%s\"", what,
				want->set, found->owner);
	if (!elem_same_value(&found->elem, want))
		return cni_fail(err, CNI_CHECK_FAILED,
				"%s: its element in nftables map %s points elsewhere", what,
				want->set);
	return 0;
}

static int check_items(struct nft_tx *tx, const char *owner, const struct nft_item *items, size_t n,
		       struct cni_error *err)
{
	scoped_elems struct elems want = { 0 };
	scoped_free size_t *item_of = calloc(n * NFT_ITEM_ELEMS + 1, sizeof(*item_of));
	scoped_free const struct nft_elem **wanted = NULL;
	scoped_free struct elem_found *found = NULL;

	for (size_t i = 0; item_of != NULL && i < n; i++) {
		size_t before = want.n;

		elems_add_items(&want, &items[i], 1);
		for (size_t k = before; k < want.n; k++)
			item_of[k] = i;
	}
	wanted = calloc(want.n + 1, sizeof(*wanted));
	found = calloc(want.n + 1, sizeof(*found));
	if (item_of == NULL || want.broken || wanted == NULL || found == NULL)
		return cni_fail_sys_code(err, CNI_INTERNAL, ENOMEM, "check nftables elements");
	for (size_t i = 0; i < want.n; i++)
		wanted[i] = &want.e[i];
	if (elem_get(tx, wanted, want.n, found, err) < 0)
		return -1;
	for (size_t i = 0; i < want.n; i++) {
		if (compare(&items[item_of[i]], &want.e[i], &found[i], owner, err) < 0)
			return -1;
	}
	return 0;
}

static int check_skeleton(struct nft_tx *tx, enum nft_user user, struct cni_error *err)
{
	const char *name = skeleton_family(user) == NFPROTO_INET ? "inet" : "bridge";
	struct skeleton found;

	if (skeleton_look(tx, user, NULL, 0, &found, err) < 0 || skeleton_refuse(&found, err) < 0)
		return -1;
	if (!found.there)
		return cni_fail(err, CNI_CHECK_FAILED,
				"the nftables table %s " NFT_TABLE
				" is missing; the next ADD on this node brings it back",
				name);
	if (!found.sound)
		return cni_fail(
		    err, CNI_CHECK_FAILED,
		    "the nftables table %s " NFT_TABLE
		    " lacks chains or rules; the next ADD on this node brings them back",
		    name);
	return 0;
}

static uint32_t use_of(const struct chain_found *chains, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(chains[i].name, name) == 0)
			return chains[i].use;
	}
	return 0;
}

static int raise_chain(const char *name, struct cni_error *err)
{
	return cni_fail(err, CNI_CHECK_FAILED,
			"the nftables chain %s of table inet " NFT_TABLE
			" lacks rules, or nothing leads to it",
			name);
}

/* The chains that the items lead through; those of one pod are few. */
static int check_chains(struct nft_tx *tx, const struct nft_item *items, size_t n,
			struct cni_error *err)
{
	scoped_free struct chain_found *chains = NULL;
	struct nft_elem elems[NFT_ITEM_ELEMS];
	size_t n_chains = 0;

	if (skeleton_chains(tx, NFPROTO_INET, &chains, &n_chains, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		char name[NFT_NAME];
		uint32_t use;

		if (item_elems(&items[i], elems) == 0)
			continue;
		(void)text_format(name, sizeof(name), "hostports-%s", items[i].conditions);
		if (items[i].conditions[0] != '\0')
			use = CONDITIONS_USE;
		else if (text_format(name, sizeof(name), "%s", elems[0].chain) && name[0] != '\0')
			use = skeleton_chain_use(name);
		else
			continue;
		if (use_of(chains, n_chains, name) < use)
			return raise_chain(name, err);
	}
	return 0;
}

int nft_check(enum nft_user user, const struct owner *owner, const struct nft_item *items, size_t n,
	      struct cni_error *err)
{
	scoped_nft_tx struct nft_tx tx = { 0 };
	char text[OWNER_TEXT];

	if (n == 0)
		return 0;
	owner_text(owner, text);
	if (nft_tx_open(&tx, err) < 0 || check_skeleton(&tx, user, err) < 0)
		return -1;
	if (check_items(&tx, text, items, n, err) < 0)
		return -1;
	return user == NFT_SPOOF ? 0 : check_chains(&tx, items, n, err);
}
