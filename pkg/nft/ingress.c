/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "nft/session.h"

/* A bridge's policy serves all its pods, so that no pod's DEL can take it away without looking at
 * all others; GC, which reads every record anyway, does. */

struct policies {
	struct nft_item *items; /* one for each bridge and policy */
	size_t n;
	bool unsure;
};

static void policies_free(struct policies *p)
{
	free(p->items);
}

static bool policy_of(const struct policies *p, const char *bridge, bool isolated)
{
	for (size_t i = 0; i < p->n; i++) {
		if (strcmp(p->items[i].veth, bridge) == 0 && (!isolated || p->items[i].isolated))
			return true;
	}
	return false;
}

static bool remember(struct policies *p, const struct nft_item *item)
{
	struct nft_item *bigger;

	if (item->kind != NFT_ITEM_INGRESS || policy_of(p, item->veth, item->isolated))
		return true;
	bigger = realloc(p->items, (p->n + 1) * sizeof(*bigger));
	if (bigger == NULL)
		return false;
	p->items = bigger;
	p->items[p->n++] = *item;
	return true;
}

static int see_record(const struct nft_record *r, void *arg, struct cni_error *err)
{
	struct policies *p = arg;

	p->unsure |= r == NULL;
	for (size_t i = 0; r != NULL && i < r->n; i++) {
		if (!remember(p, &r->items[i]))
			return cni_fail_sys_code(err, CNI_INTERNAL, ENOMEM,
						 "collect ingressPolicies");
	}
	return 0;
}

static bool is_unused(const struct elem_found *found, void *arg)
{
	char bridge[IFNAME_MAX + 1] = "";
	bool isolated = strcmp(found->elem.set, "isolated") == 0;

	if (!isolated && strcmp(found->elem.set, "bridges") != 0 &&
	    strcmp(found->elem.set, "own") != 0)
		return false;
	memcpy(bridge, found->elem.key, IFNAME_MAX);
	return !policy_of(arg, bridge, isolated);
}

int ingress_gc(struct nft_session *s, struct cni_error *err)
{
	SCOPED(policies_free) struct policies used = { 0 };
	scoped_elems struct elems list = { 0 };

	if (record_each(s->run, NFT_FIREWALL, see_record, &used, err) < 0)
		return -1;
	if (used.unsure)
		return 0;
	if (session_find(&s->tx, NFT_FIREWALL, is_unused, &used, &list, err) < 0)
		return -1;
	return session_delete(s, NFT_FIREWALL, &list, err);
}
