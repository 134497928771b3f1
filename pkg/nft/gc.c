/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netfilter.h>

#include "base/fs.h"
#include "base/grow.h"
#include "base/trace.h"
#include "nft/attach.h"
#include "nft/conditions_run.h"
#include "nft/session.h"
#include "nft/takedown.h"

struct gc {
	const struct nft_gc_call *call;
	uint64_t *doomed; /* owners with a record; sorted before the elements are looked at */
	size_t n, cap;
};

static void gc_free(struct gc *gc)
{
	free(gc->doomed);
}

static bool is_doomed(const struct gc *gc, const struct owner *o)
{
	return strcmp(o->network, gc->call->network) == 0 &&
	       !gc->call->valid(gc->call->arg, o->container, o->ifname);
}

static int judge_record(const struct nft_record *r, void *arg, struct cni_error *err)
{
	struct gc *gc = arg;

	if (r == NULL) {
		trace("%s", err->msg); /* its elements' comments will tell */
		return 0;
	}
	if (!is_doomed(gc, &r->owner))
		return 0;
	if (grow(&gc->doomed, gc->n, &gc->cap, sizeof(*gc->doomed), err) < 0)
		return -1;
	gc->doomed[gc->n++] = owner_hash(&r->owner);
	return 0;
}

static int compare_hash(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* A cut comment says its owner only by the hash, so without a record it is left alone. */
static bool pick_doomed(const struct elem_found *found, void *arg)
{
	const struct gc *gc = arg;
	char copy[OWNER_TEXT];
	struct owner o;
	uint64_t hash;

	memcpy(copy, found->owner, sizeof(copy));
	if (owner_text_split(copy, &o))
		return is_doomed(gc, &o);
	return owner_text_hash(found->owner, &hash) && gc->n != 0 &&
	       bsearch(&hash, gc->doomed, gc->n, sizeof(hash), compare_hash) != NULL;
}

/* One of a subnet or mark in whose sets nobody is. */
static int drop_unused_chain(struct nft_session *s, const char *name, struct cni_error *err)
{
	struct set_name sets[2];
	size_t n = skeleton_chain_sets(name, sets);
	bool empty = n != 0;

	for (size_t i = 0; i < n && empty; i++) {
		if (set_is_empty(&s->tx, sets[i].name, &empty, err) < 0)
			return -1;
	}
	return empty ? take_down(&s->tx, name, sets, n, err) : 0;
}

static int delete_unused_chains(struct nft_session *s, struct cni_error *err)
{
	scoped_free struct chain_found *chains = NULL;
	struct cni_error first = { 0 };
	size_t n = 0;

	if (skeleton_chains(&s->tx, NFPROTO_INET, &chains, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (drop_unused_chain(s, chains[i].name, err) < 0)
			cni_keep_first(&first, err);
	}
	*err = first;
	return first.code == CNI_OK ? 0 : -1;
}

static int remove_records(int run, enum nft_user user, const struct gc *gc, struct cni_error *err)
{
	struct cni_error first = { 0 };

	for (size_t i = 0; i < gc->n; i++) {
		if (record_remove(run, user, gc->doomed[i], err) < 0)
			cni_keep_first(&first, err);
	}
	*err = first;
	return first.code == CNI_OK ? 0 : -1;
}

/* What no attachment has: only who knows the layout can tell that nobody needs it. */
static int gc_shared(struct nft_session *s, enum nft_user user, struct cni_error *err)
{
	struct cni_error first = { 0 };
	struct skeleton found;

	if (skeleton_look(&s->tx, user, NULL, 0, &found, err) < 0)
		return -1;
	if (skeleton_is_older(&found) || skeleton_is_newer(&found))
		return 0;
	if (user != NFT_SPOOF && delete_unused_chains(s, err) < 0)
		cni_keep_first(&first, err);
	if (user == NFT_PORTMAP && conditions_gc(s, err) < 0)
		cni_keep_first(&first, err);
	if (user == NFT_FIREWALL && ingress_gc(s, err) < 0)
		cni_keep_first(&first, err);
	*err = first;
	return first.code == CNI_OK ? 0 : -1;
}

static int gc_in_session(struct nft_session *s, enum nft_user user, struct gc *gc,
			 struct cni_error *err)
{
	scoped_elems struct elems list = { 0 };
	struct cni_error first = { 0 };

	if (record_each(s->run, user, judge_record, gc, err) < 0)
		return -1;
	if (gc->n != 0)
		qsort(gc->doomed, gc->n, sizeof(*gc->doomed), compare_hash);
	if (session_find(&s->tx, user, pick_doomed, gc, &list, err) < 0 ||
	    session_delete(s, user, &list, err) < 0)
		return -1; /* the records are what the next GC needs */
	if (remove_records(s->run, user, gc, err) < 0)
		cni_keep_first(&first, err);
	if (gc_shared(s, user, err) < 0)
		cni_keep_first(&first, err);
	*err = first;
	return first.code == CNI_OK ? 0 : -1;
}

enum there { NOTHING, RECORDS, TABLES };

/* Nothing is made for a GC where there never was anything; and where the kernel has no nf_tables,
 * nothing but records can be left. */
static enum there what_is_there(enum nft_user user)
{
	scoped_nft_tx struct nft_tx tx = { 0 };
	struct skeleton found;
	struct cni_error err;
	scoped_fd int run = -1;
	bool folder = fs_run_dir(false, &run, &err) == 0 || err.sys != ENOENT;

	if (nft_tx_open(&tx, &err) < 0)
		return err.sys != EPROTONOSUPPORT ? TABLES : folder ? RECORDS : NOTHING;
	if (skeleton_look(&tx, user, NULL, 0, &found, &err) < 0)
		return TABLES; /* whoever asks next says what is wrong */
	if (found.unknown)
		return folder ? RECORDS : NOTHING;
	return folder || found.there ? TABLES : NOTHING;
}

/* A session cannot be had without a socket. */
static int gc_records(enum nft_user user, struct gc *gc, struct cni_error *err)
{
	scoped_fd int run = -1, lock = -1;

	if (fs_run_dir(false, &run, err) < 0 || session_lock(run, &lock, err) < 0 ||
	    record_each(run, user, judge_record, gc, err) < 0)
		return -1;
	return remove_records(run, user, gc, err);
}

int nft_gc(enum nft_user user, const struct nft_gc_call *call, struct cni_error *err)
{
	SCOPED(gc_free) struct gc gc = { .call = call };
	scoped_session struct nft_session s = { .run = -1, .lock = -1 };

	switch (what_is_there(user)) {
	case NOTHING:
		return 0;
	case RECORDS:
		return gc_records(user, &gc, err);
	case TABLES:
		break;
	}
	if (session_open(&s, err) < 0)
		return -1;
	return gc_in_session(&s, user, &gc, err);
}
