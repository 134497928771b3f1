/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. Each IPv4 peer has a nexthop object of its own, and keeps its id for as long
 * as it is there: first, a want claims the object that its route goes by, if that is ours and leads
 * where it should; then, where the route was lost, any free object of ours that leads there; then,
 * the one of its own route, which is changed in place, so that a peer that moves costs one message.
 * What is left over gets a new id: a slot by a hash of the prefix, or the next free one after it.
 * Ids that are there, whoever made them, are never taken; an object that somebody else's route goes
 * by is nobody's to claim.
 */
#include <stdlib.h>

#include "base/scoped.h"
#include "base/text.h"
#include "overlay/decide.h"

static bool has_hop(const struct want *w)
{
	return w->reach == OVERLAY_TUNNEL || w->reach == OVERLAY_DIRECT;
}

static bool *kept(struct found *f, const struct nexthop *n)
{
	return &f->kept_nexthop[n - f->nexthop];
}

static bool is_free(struct side *s, const struct nexthop *n)
{
	return n != NULL && nexthop_is_ours(s, n) && !*kept(&s->found, n);
}

static bool leads(const struct nexthop *n, const struct hop *hop)
{
	return n->plain && hop_equal(&n->hop, hop);
}

static void claim(struct side *s, struct want *w, const struct nexthop *n)
{
	*kept(&s->found, n) = true;
	w->nhid = n->id;
	w->nexthop = leads(n, &w->hop) ? NEED_NOTHING : NEED_CHANGE;
}

/* Before anything is claimed: what others use. */
static void keep_others(struct side *s)
{
	struct found *f = &s->found;

	for (size_t i = 0; i < f->n_route; i++) {
		const struct nexthop *n = found_nexthop(f, f->route[i].nhid);

		if (n != NULL && !found_is_ours(s, &f->route[i]))
			*kept(f, n) = true;
	}
}

/* A free object by which a route to the want's prefix goes; `leading`: where it should. */
static const struct nexthop *of_route(struct side *s, const struct want *w, bool leading)
{
	const struct found *f = &s->found;

	for (size_t i = found_route(f, &w->dst);
	     i < f->n_route && ipnet_equal(&f->route[i].route.dst, &w->dst); i++) {
		const struct nexthop *n = found_nexthop(f, f->route[i].nhid);

		if (is_free(s, n) && (!leading || leads(n, &w->hop)))
			return n;
	}
	return NULL;
}

static void claim_by_route(struct side *s, bool leading)
{
	for (size_t i = 0; i < s->n_want; i++) {
		struct want *w = &s->want[i];
		const struct nexthop *n =
		    w->nhid == 0 && has_hop(w) ? of_route(s, w, leading) : NULL;

		if (n != NULL)
			claim(s, w, n);
	}
}

static int by_hop(const void *a, const void *b)
{
	const struct hop *x = &(*(const struct nexthop *const *)a)->hop,
			 *y = &(*(const struct nexthop *const *)b)->hop;
	int r = ip_cmp(&x->gw, &y->gw);

	return r != 0 ? r : (x->index > y->index) - (x->index < y->index);
}

/* The free objects of ours, by where they lead. */
static const struct nexthop **free_ones(struct side *s, size_t *ret_n, struct cni_error *err)
{
	const struct found *f = &s->found;
	const struct nexthop **list = calloc(f->n_nexthop + 1, sizeof(*list));
	size_t n = 0;

	if (list == NULL) {
		(void)!cni_fail(err, CNI_INTERNAL, "out of memory for nexthops");
		return NULL;
	}
	for (size_t i = 0; i < f->n_nexthop; i++) {
		if (is_free(s, &f->nexthop[i]))
			list[n++] = &f->nexthop[i];
	}
	if (n > 1)
		qsort(list, n, sizeof(*list), by_hop);
	*ret_n = n;
	return list;
}

static int claim_by_hop(struct side *s, struct cni_error *err)
{
	size_t n = 0;
	scoped_free const struct nexthop **list = free_ones(s, &n, err);

	if (list == NULL)
		return -1;
	for (size_t i = 0; i < s->n_want && n > 0; i++) {
		struct want *w = &s->want[i];
		const struct nexthop key = { .hop = w->hop }, *at = &key, **found;

		if (w->nhid != 0 || !has_hop(w))
			continue;
		found = bsearch(&at, list, n, sizeof(*list), by_hop);
		if (found != NULL && is_free(s, *found) && leads(*found, &w->hop))
			claim(s, w, *found);
	}
	return 0;
}

/* A want that has no object yet, and the id that it would like. */
struct wish {
	uint32_t id;
	struct want *want;
};

static int by_wish(const void *a, const void *b)
{
	const struct wish *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return ip_cmp(&x->want->dst.addr, &y->want->dst.addr);
}

static uint32_t favourite(const struct side *s, const struct want *w)
{
	char text[IPNET_TEXT];
	const char *strings[] = { text };

	ipnet_print(&w->dst, text);
	return overlay_tag(&s->network) + (uint32_t)(text_hash(strings, 1) % OVERLAY_ID_SLOTS);
}

/* In the order of their wishes, so that whoever comes too late takes the next. */
static int give_new(struct side *s, struct cni_error *err)
{
	scoped_free struct wish *wishes = calloc(s->n_want + 1, sizeof(*wishes));
	uint32_t next = 0;
	size_t n = 0;

	if (wishes == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory for nexthops");
	for (size_t i = 0; i < s->n_want; i++) {
		if (s->want[i].nhid == 0 && has_hop(&s->want[i]))
			wishes[n++] = (struct wish){ favourite(s, &s->want[i]), &s->want[i] };
	}
	if (n > 1)
		qsort(wishes, n, sizeof(*wishes), by_wish);
	for (size_t i = 0; i < n; i++) {
		uint32_t id = wishes[i].id > next ? wishes[i].id : next;

		while (found_nexthop(&s->found, id) != NULL)
			id++;
		wishes[i].want->nhid = id;
		wishes[i].want->nexthop = NEED_ADD;
		next = id + 1;
	}
	return 0;
}

int nexthops_decide(struct side *s, struct cni_error *err)
{
	keep_others(s);
	if (!s->found.nexthops)
		return 0;
	claim_by_route(s, true);
	if (claim_by_hop(s, err) < 0)
		return -1;
	claim_by_route(s, false);
	return give_new(s, err);
}
