/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/session.h"

#include <errno.h>
#include <string.h>

#include <linux/netfilter.h>

#include "base/fs.h"

/* When in doubt, they are. */
static bool tables_there(void *tx)
{
	struct skeleton inet = { .there = true }, bridge = { .there = true };
	struct cni_error unclear;

	if (skeleton_look(tx, NFT_MASQ, NULL, 0, &inet, &unclear) < 0 ||
	    skeleton_look(tx, NFT_SPOOF, NULL, 0, &bridge, &unclear) < 0)
		return true;
	return inet.there || bridge.there;
}

int session_lock(int run, int *ret_lock, struct cni_error *err)
{
	return fs_lock_at(run, "nft.lock", ret_lock, err);
}

int session_open(struct nft_session *s, struct cni_error *err)
{
	*s = (struct nft_session){ .run = -1, .lock = -1 };
	if (fs_run_dir(true, &s->run, err) < 0 || session_lock(s->run, &s->lock, err) < 0 ||
	    nft_tx_open(&s->tx, err) < 0)
		return -1;
	return record_folder_make(s->run, tables_there, &s->tx, err);
}

/* The lock first: closing the socket may wait (tx.c), and the next writer would wait with us. */
void session_close(struct nft_session *s)
{
	close_fdp(&s->lock);
	nft_tx_close(&s->tx);
	close_fdp(&s->run);
}

/* ---- lists of elements */

void elems_free(struct elems *list)
{
	free(list->e);
	*list = (struct elems){ 0 };
}

void elems_add(struct elems *list, const struct nft_elem *e)
{
	if (list->n == list->cap && !list->broken) {
		size_t cap = list->cap * 2 + 16;
		struct nft_elem *bigger = realloc(list->e, cap * sizeof(*bigger));

		list->broken = bigger == NULL;
		if (bigger != NULL) {
			list->e = bigger;
			list->cap = cap;
		}
	}
	if (!list->broken)
		list->e[list->n++] = *e;
}

void elems_add_items(struct elems *list, const struct nft_item *items, size_t n)
{
	struct nft_elem elems[NFT_ITEM_ELEMS];

	for (size_t i = 0; i < n; i++) {
		size_t count = item_elems(&items[i], elems);

		for (size_t k = 0; k < count; k++)
			elems_add(list, &elems[k]);
	}
}

/* ---- compare and delete */

/* Keep of `list` only what has this owner. */
static int keep_owned(struct nft_tx *tx, const char *owner, struct elems *list,
		      struct cni_error *err)
{
	scoped_free const struct nft_elem **wanted = calloc(list->n + 1, sizeof(*wanted));
	scoped_free struct elem_found *found = calloc(list->n + 1, sizeof(*found));
	size_t kept = 0;

	if (wanted == NULL || found == NULL)
		return cni_fail_sys_code(err, CNI_INTERNAL, ENOMEM, "look up nftables elements");
	for (size_t i = 0; i < list->n; i++)
		wanted[i] = &list->e[i];
	if (elem_get(tx, wanted, list->n, found, err) < 0)
		return -1;
	for (size_t i = 0; i < list->n; i++) {
		if (found[i].elem.set[0] != '\0' && strcmp(found[i].owner, owner) == 0)
			list->e[kept++] = found[i].elem;
	}
	list->n = kept;
	return 0;
}

/* A hand that was quicker than we: what it deleted needs no deleting. */
static bool drop_absent(const struct nft_tx *tx, struct elems *list)
{
	size_t kept = 0, i = 0;

	for (; i < tx->n && i < list->n; i++) {
		if (tx->origins[i].error != ENOENT)
			list->e[kept++] = list->e[i];
	}
	if (kept == list->n)
		return false;
	list->n = kept;
	return true;
}

static int send_deletes(struct nft_tx *tx, struct elems *list, struct cni_error *err)
{
	do {
		if (list->n == 0)
			return 0;
		nft_tx_begin(tx);
		for (size_t i = 0; i < list->n; i++)
			elem_put_delete(tx, &list->e[i], i);
		if (nft_tx_commit(tx, false, err) == 0)
			return 0;
	} while (err->sys == ENOENT && drop_absent(tx, list));
	return -1;
}

/* ---- everything in the maps */

struct find {
	bool (*pick)(const struct elem_found *found, void *arg);
	void *arg;
	struct elems *ret;
};

static int find_one(const struct elem_found *found, void *arg)
{
	struct find *find = arg;

	if (find->pick(found, find->arg))
		elems_add(find->ret, &found->elem);
	return find->ret->broken ? -1 : 0;
}

int session_find(struct nft_tx *tx, enum nft_user user,
		 bool (*pick)(const struct elem_found *found, void *arg), void *arg,
		 struct elems *ret, struct cni_error *err)
{
	struct find find = { .pick = pick, .arg = arg, .ret = ret };
	scoped_free struct set_name *sets = NULL;
	size_t n = 0;

	if (skeleton_sets(tx, user, &sets, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		size_t before = ret->n;

		/* A disturbed list is asked for again: twice the same element would not do. */
		while (elem_list(tx, skeleton_family(user), sets[i].name, find_one, &find, err) <
		       0) {
			ret->n = before;
			if (!nft_tx_again(tx, err))
				return -1;
		}
	}
	return 0;
}

static bool has_owner(const struct elem_found *found, void *owner)
{
	return strcmp(found->owner, owner) == 0;
}

int session_find_owned(struct nft_tx *tx, enum nft_user user, const char *owner, struct elems *ret,
		       struct cni_error *err)
{
	return session_find(tx, user, has_owner, (void *)(uintptr_t)owner, ret, err);
}

/* ---- release */

/* Of the list what has this owner; in a table of another layout it may be elsewhere. */
static int find_owned(struct nft_session *s, enum nft_user user, const char *owner,
		      const struct skeleton *found, struct elems *list, struct cni_error *err)
{
	if (!skeleton_is_older(found) && !skeleton_is_newer(found))
		return keep_owned(&s->tx, owner, list, err);
	list->n = 0;
	return session_find_owned(&s->tx, user, owner, list, err);
}

/* `owner` NULL: all of the list. */
static int release(struct nft_session *s, enum nft_user user, const char *owner, struct elems *list,
		   struct cni_error *err)
{
	struct skeleton found;

	if (list->broken)
		return cni_fail_sys_code(err, CNI_INTERNAL, ENOMEM, "list nftables elements");
	do {
		if (list->n == 0)
			return 0;
		if (skeleton_look(&s->tx, user, NULL, 0, &found, err) < 0)
			continue;
		if (!found.there) {
			list->n = 0;
			return 0;
		}
		if ((owner == NULL || find_owned(s, user, owner, &found, list, err) == 0) &&
		    send_deletes(&s->tx, list, err) == 0)
			return 0;
	} while (nft_tx_again(&s->tx, err));
	return -1;
}

int session_release(struct nft_session *s, enum nft_user user, const char *owner,
		    struct elems *list, struct cni_error *err)
{
	return release(s, user, owner, list, err);
}

int session_delete(struct nft_session *s, enum nft_user user, struct elems *list,
		   struct cni_error *err)
{
	return release(s, user, NULL, list, err);
}
