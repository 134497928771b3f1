/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host ports that a pod of the reference has. Its rules stand before ours (dstnat against
 * dstnat + 5), so what they lead away never gets to our maps: a port of theirs without an address
 * is in the way of the same port of ours with and without one, a port of theirs with an address
 * only of the same address. Read is nothing but what names the port.
 */
#include <string.h>

#include <linux/netfilter.h>

#include "base/grow.h"
#include "nft/item.h"
#include "nft/reference_parts.h"

/* A pod's chain whose ports, as the shared chain tells them, include one that we want. */
struct candidate {
	char chain[IPT_CHAIN_MAX];
	char comment[XTABLES_COMMENT];
};

struct held {
	const struct owner *owner;
	const struct nft_item *items;
	size_t n;
	bool four;
	struct candidate *candidates;
	size_t n_candidates, cap;
	const struct nft_item *taken; /* found */
	char comment[XTABLES_COMMENT];
};

static bool has_port(const struct xtables_rule *r, uint16_t port)
{
	for (size_t i = 0; i < r->n_ports; i++) {
		if (r->ports[i] == port)
			return true;
	}
	return r->n_ports == 0;
}

/* The item that the rule is about, or NULL. */
static const struct nft_item *find_item(const struct held *h, const struct xtables_rule *r)
{
	for (size_t i = 0; i < h->n; i++) {
		const struct nft_item *item = &h->items[i];

		if (item->kind == NFT_ITEM_HOSTPORT && ip_is4(&item->pod.addr) == h->four &&
		    (r->protocol == 0 || r->protocol == item->protocol) &&
		    has_port(r, item->host_port) &&
		    (!r->has_to || (item->has_host && ip_equal(&r->to, &item->host))))
			return item;
	}
	return NULL;
}

/* The container of either comment: `dnat name: "NETWORK" id: "CONTAINER"`, or the bare one. */
static bool is_same_container(const struct held *h, const char *comment)
{
	const char *id = strstr(comment, " id: \"");
	size_t len = strlen(h->owner->container);

	if (id == NULL)
		return strcmp(comment, h->owner->container) == 0;
	id += strlen(" id: \"");
	return strncmp(id, h->owner->container, len) == 0 && id[len] == '"';
}

static int take_candidate(const struct xtables_rule *r, void *arg)
{
	struct held *h = arg;
	struct cni_error err;
	struct candidate *c;

	if (r->jump[0] == '\0' || is_same_container(h, r->comment) || find_item(h, r) == NULL)
		return 0;
	if (grow(&h->candidates, h->n_candidates, &h->cap, sizeof(*h->candidates), &err) < 0)
		return -1;
	c = &h->candidates[h->n_candidates++];
	memcpy(c->chain, r->jump, sizeof(c->chain));
	memcpy(c->comment, r->comment, sizeof(c->comment));
	return 0;
}

static int take_dnat(const struct xtables_rule *r, void *arg)
{
	struct held *h = arg;

	if (r->dnat && h->taken == NULL)
		h->taken = find_item(h, r);
	return 0;
}

static int plan_nat(struct ref_table *t, void *arg, struct cni_error *err)
{
	struct held *h = arg;

	h->four = t->family == NFPROTO_IPV4;
	h->n_candidates = 0;
	if (h->taken == NULL && ref_each(t, REF_DNAT, take_candidate, h, err) < 0)
		return -1;
	for (size_t i = 0; h->taken == NULL && i < h->n_candidates; i++) {
		memcpy(h->comment, h->candidates[i].comment, sizeof(h->comment));
		if (ref_each(t, h->candidates[i].chain, take_dnat, h, err) < 0)
			return -1;
	}
	return 0;
}

static int take_own(const struct xtables_rule *r, void *arg)
{
	struct held *h = arg;

	if (h->taken != NULL || !r->dnat || is_same_container(h, r->comment))
		return 0;
	h->taken = find_item(h, r);
	memcpy(h->comment, r->comment, sizeof(h->comment));
	return 0;
}

static int plan_own(struct ref_table *t, void *arg, struct cni_error *err)
{
	struct held *h = arg;

	h->four = t->family == NFPROTO_IPV4;
	return ref_each(t, NULL, take_own, h, err);
}

static int raise_taken(const struct held *h, struct cni_error *err)
{
	const char *id = strstr(h->comment, " id: \"");
	const char *name = strstr(h->comment, "name: \"");
	char what[ITEM_TEXT];

	item_text(h->taken, what);
	if (id == NULL || name == NULL || name > id)
		return cni_fail(err, CNI_CONFLICT,
				"%s is taken by container %s, which the reference's portmap "
				"attached; run DEL for it if it is gone",
				what, h->comment);
	name += strlen("name: \"");
	id += strlen(" id: \"");
	return cni_fail(err, CNI_CONFLICT,
			"%s is taken by container %.*s (network %.*s), which the reference's "
			"portmap attached; run DEL or GC for it if it is gone",
			what, (int)strcspn(id, "\""), id, (int)strcspn(name, "\""), name);
}

int nft_reference_held(const struct owner *owner, const struct nft_item *items, size_t n,
		       struct cni_error *err)
{
	scoped_nft_tx struct nft_tx tx = { 0 };
	struct held h = { .owner = owner, .items = items, .n = n };
	const struct ref_plan nat = { plan_nat, &h, true }, own = { plan_own, &h, true };
	struct ref_chain c[] = {
		{ NFPROTO_IPV6, REF_NAT, REF_DNAT, false, 0 },
		{ NFPROTO_IPV4, REF_NAT, REF_DNAT, false, 0 },
		{ NFPROTO_IPV6, REF_HOSTPORT, NULL, false, 0 },
		{ NFPROTO_IPV4, REF_HOSTPORT, NULL, false, 0 },
	};
	int r;

	if (ref_open(&tx, err) < 0 || ref_look(&tx, c, ARRAY_SIZE(c), err) < 0)
		return -1;
	/* Their last DEL leaves the shared chain, empty: only a pod's is worth a run of iptables.
	 */
	r = ref_run_nat(&tx, (const bool[2]){ c[0].there, c[1].there }, REF_DNAT_COMMENT "name: \"",
			&nat, err);
	for (int four = 1; four >= 0 && r == 0; four--) {
		struct ref_table t = { .tx = &tx,
				       .family = c[2 + four].family,
				       .name = REF_HOSTPORT };

		if (c[2 + four].there)
			r = ref_run(&t, &own, err);
	}
	free(h.candidates);
	if (r < 0)
		return cni_wrap(err, "see which host ports the reference's portmap has");
	return h.taken != NULL ? raise_taken(&h, err) : 0;
}
