/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation: zone entries and the records that say whose they are.
 *
 * A record names its entries before firewalld has them, and until firewalld has forgotten them, so
 * that no crash leaves an entry that nobody knows. firewalld itself forgets all of them at a reload
 * or restart; then the records are what they come back from. Whoever changes entries and records
 * together holds one lock, taken before that of nftables: what a DEL takes out while a reload is
 * being mended must not come back.
 *
 * firewalld with nftables (its default) makes a new table when it forgets: another handle than at
 * the last ADD tells a reload in one question. With its older backend there is no table, and every
 * ADD lists the zones. Mending has a limit of time; the handle is kept only when all is in place,
 * so that the next ADD goes on.
 */
#include "sources.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/grow.h"
#include "base/text.h"
#include "base/trace.h"
#include "nft/recorded.h"
#include "nft/surroundings.h"

int sources_lock(int *ret_lock, struct cni_error *err)
{
	scoped_fd int run = -1;

	if (fs_run_dir(true, &run, err) < 0)
		return -1;
	return fs_lock_at(run, "firewalld.lock", ret_lock, err);
}

void sources_free(struct sources *s)
{
	free(s->items);
}

static int sources_add(struct sources *s, const struct nft_item *item, struct cni_error *err)
{
	if (grow(&s->items, s->n, &s->cap, sizeof(*s->items), err) < 0)
		return -1;
	s->items[s->n++] = *item;
	return 0;
}

static bool same_source(const struct nft_item *a, const struct nft_item *b)
{
	return a->kind == NFT_ITEM_SOURCE && b->kind == NFT_ITEM_SOURCE &&
	       ip_equal(&a->pod.addr, &b->pod.addr) && strcmp(a->zone, b->zone) == 0;
}

int sources_own(const struct owner *owner, const struct nft_item *items, size_t n,
		const struct firewall_plan *except, struct sources *ret, struct cni_error *err)
{
	for (size_t i = 0; i < n; i++) {
		bool wanted = items[i].kind != NFT_ITEM_SOURCE;

		for (size_t k = 0; except != NULL && k < except->n && !wanted; k++)
			wanted = same_source(&except->items[k], &items[i]);
		if (!wanted && !nft_forwarded_by_other(owner, &items[i].pod.addr) &&
		    sources_add(ret, &items[i], err) < 0)
			return -1;
	}
	return 0;
}

int sources_forget(struct firewalld *fw, const struct sources *sources, struct cni_error *err)
{
	scoped_firewalld struct firewalld *found = NULL;

	if (sources->n == 0)
		return 0;
	if (fw == NULL && firewalld_find(&found, err) < 0)
		return -1;
	if (fw == NULL)
		fw = found;
	for (size_t i = 0; fw != NULL && i < sources->n; i++) {
		if (firewalld_remove(fw, sources->items[i].zone, &sources->items[i].pod.addr, err) <
		    0)
			return -1;
	}
	return 0;
}

/* ---- after a reload of firewalld */

#define SEEN_FILE  "firewalld" /* the handle of its table when all was in place */
#define RESTORE_MS 4000	       /* what is left then is left to the next ADD */

static int collect_living(const struct nft_recorded *r, void *arg, struct cni_error *err)
{
	for (size_t i = 0; r->alive && i < r->n; i++) {
		if (r->items[i].kind == NFT_ITEM_SOURCE && sources_add(arg, &r->items[i], err) < 0)
			return -1;
	}
	return 0;
}

static bool same_table(int run, const char *handle)
{
	struct cni_error ignored;
	char seen[32];

	return handle[0] != '0' &&
	       fs_read_at(run, SEEN_FILE, seen, sizeof(seen), NULL, &ignored) == 0 &&
	       strcmp(seen, handle) == 0;
}

static int compare_zones(const void *a, const void *b)
{
	return strcmp(((const struct nft_item *)a)->zone, ((const struct nft_item *)b)->zone);
}

/* The `n` entries of one zone that are missing there. */
static int restore_zone(struct firewalld *fw, const struct nft_item *items, size_t n,
			int64_t deadline, struct cni_error *err)
{
	scoped_free firewalld_source *there = NULL;
	size_t n_there = 0;

	if (firewalld_sources(fw, items[0].zone, &there, &n_there, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (firewalld_lists(there, n_there, &items[i].pod.addr))
			continue;
		if (clock_ms() >= deadline)
			return cni_fail(err, CNI_TRY_AGAIN, "the next ADD goes on");
		if (firewalld_add(fw, items[i].zone, &items[i].pod.addr, err) < 0) {
			if (err->code == CNI_TRY_AGAIN)
				return -1;
			trace("%s", err->msg);
		}
	}
	return 0;
}

static int restore_all(struct firewalld *fw, struct cni_error *err)
{
	SCOPED(sources_free) struct sources living = { 0 };
	const int64_t deadline = clock_ms() + RESTORE_MS;

	if (nft_each_recorded(NFT_FIREWALL, collect_living, &living, err) < 0)
		return -1;
	trace("firewalld may have forgotten sources: looking for %zu", living.n);
	if (living.n != 0)
		qsort(living.items, living.n, sizeof(*living.items), compare_zones);
	for (size_t from = 0, to; from < living.n; from = to) {
		for (to = from + 1;
		     to < living.n && compare_zones(&living.items[from], &living.items[to]) == 0;)
			to++;
		if (restore_zone(fw, &living.items[from], to - from, deadline, err) < 0)
			return -1;
	}
	return 0;
}

void sources_restore(struct firewalld *fw)
{
	struct cni_error err;
	scoped_fd int run = -1;
	uint64_t handle;
	char text[32];

	if (nft_table_handle("firewalld", &handle, &err) < 0 || fs_run_dir(false, &run, &err) < 0) {
		trace("%s", err.msg);
		return;
	}
	(void)text_format(text, sizeof(text), "%" PRIu64 "\n", handle);
	if (same_table(run, text))
		return;
	if (restore_all(fw, &err) < 0 ||
	    fs_write_at(run, SEEN_FILE, text, strlen(text), 0600, &err) < 0)
		trace("restore firewalld's sources: %s", err.msg);
}
