/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A pure function: each want looks up what there is under its keys and notes
 * what it lacks, and what it found is kept; what is ours and not kept afterwards is stale. So
 * nothing here depends on how the kernel came to be as it is, and the same lists serve to repair,
 * to check and to show.
 *
 * A route under a want's prefix and metric gives way to ours: one of ours, and a unicast one of
 * protocol boot, which is flannel's (or of somebody who typed it for this very prefix). It is
 * replaced in place; where ours is there already, it was put before it, and takes its packets, or
 * behind it, and goes. Any other is in the way, and the administrator has to decide.
 */
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "overlay/decide.h"

static void decide_neigh(struct side *s, struct want *w)
{
	struct found *f = &s->found;
	size_t from = 0, to = f->n_neigh;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (ip_cmp(&f->neigh[middle].ip, &w->dst.addr) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	if (from == f->n_neigh || !ip_equal(&f->neigh[from].ip, &w->dst.addr)) {
		w->neigh = NEED_ADD;
		return;
	}
	f->kept_neigh[from] = true;
	w->neigh = mac_equal(&f->neigh[from].mac, &w->mac) ? NEED_NOTHING : NEED_CHANGE;
}

static void decide_fdb(struct side *s, struct want *w)
{
	struct found *f = &s->found;
	size_t from = 0, to = f->n_fdb;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (memcmp(&f->fdb[middle].mac, &w->mac, sizeof(w->mac)) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	if (from == f->n_fdb || !mac_equal(&f->fdb[from].mac, &w->mac)) {
		w->fdb = NEED_ADD;
		return;
	}
	f->kept_fdb[from] = true;
	w->fdb = f->fdb[from].has_dst && !f->fdb[from].odd && ip_equal(&f->fdb[from].dst, &w->far)
		     ? NEED_NOTHING
		     : NEED_CHANGE;
}

/* In the place that ours has, or would take. */
static bool in_place(const struct side *s, const struct route_found *r)
{
	return r->tos == 0 && r->route.priority == (s->family == AF_INET6 ? ROUTE_METRIC6 : 0);
}

static bool replaceable(const struct route_found *r)
{
	return r->type == RTN_UNICAST &&
	       (r->protocol == OVERLAY_PROTOCOL || r->protocol == RTPROT_BOOT);
}

static bool as_wanted(const struct want *w, const struct route_found *r)
{
	const struct hop hop = { .index = r->index, .gw = r->route.gw, .onlink = r->onlink };

	if (r->protocol != OVERLAY_PROTOCOL || r->type != RTN_UNICAST || r->nhid != w->nhid ||
	    r->route.mtu != 0 || r->route.advmss != 0)
		return false;
	return w->nhid != 0 || (r->route.has_gw && hop_equal(&hop, &w->hop));
}

static void decide_route(struct side *s, struct want *w)
{
	struct found *f = &s->found;

	w->route = NEED_ADD;
	for (size_t i = found_route(f, &w->dst);
	     i < f->n_route && ipnet_equal(&f->route[i].route.dst, &w->dst); i++) {
		const struct route_found *r = &f->route[i];

		w->step |= s->family == AF_INET6 && w->reach == OVERLAY_TUNNEL &&
			   r->index != side_index(s);
		if (!in_place(s, r))
			continue;
		if (!replaceable(r)) {
			s->conflict = r;
			s->conflict_of = w;
			f->kept_route[i] = true;
		} else if (w->route != NEED_NOTHING && as_wanted(w, r)) {
			w->route = NEED_NOTHING;
			f->kept_route[i] = true;
		} else {
			w->route = w->route == NEED_ADD ? NEED_CHANGE : w->route;
			f->kept_route[i] = false;
		}
	}
}

/* Replacing puts ours in the place of the first, which is then no longer there to be removed. */
static void keep_replaced(struct side *s, const struct want *w)
{
	struct found *f = &s->found;

	for (size_t i = found_route(f, &w->dst);
	     i < f->n_route && ipnet_equal(&f->route[i].route.dst, &w->dst); i++) {
		if (!in_place(s, &f->route[i]))
			continue;
		f->kept_route[i] = true;
		return;
	}
}

static void decide_want(struct side *s, struct want *w)
{
	if (w->reach == OVERLAY_UNREACHABLE)
		return;
	if (w->reach == OVERLAY_TUNNEL && s->o->backend == OVERLAY_VXLAN) {
		decide_fdb(s, w);
		decide_neigh(s, w);
	}
	decide_route(s, w);
	if (w->route == NEED_CHANGE)
		keep_replaced(s, w);
}

static bool is_cover(const struct side *s, const struct route_found *r)
{
	return r->index == side_index(s) && ipnet_equal(&r->route.dst, &s->network) &&
	       in_place(s, r) && r->protocol == OVERLAY_PROTOCOL && r->type == RTN_UNICAST &&
	       !r->route.has_gw;
}

static void decide_cover(struct side *s)
{
	struct found *f = &s->found;
	bool wider = false;

	if (s->family != AF_INET6 || s->device == NULL)
		return;
	for (size_t i = 0; i < f->n_route && !wider; i++)
		wider = found_is_wider(s, &f->route[i]) && f->route[i].type == RTN_UNICAST &&
			f->route[i].index != side_index(s);
	if (!wider)
		return;
	s->cover = NEED_ADD;
	for (size_t i = 0; i < f->n_route; i++) {
		if (!is_cover(s, &f->route[i]))
			continue;
		f->kept_route[i] = true;
		s->cover = NEED_NOTHING;
	}
}

/* Kept as well: whatever is not ours to remove. */
static void keep_others(struct side *s)
{
	struct found *f = &s->found;

	for (size_t i = 0; i < f->n_route; i++) {
		if (!found_is_ours(s, &f->route[i]))
			f->kept_route[i] = true;
	}
	for (size_t i = 0; i < f->n_nexthop; i++) {
		if (!nexthop_is_ours(s, &f->nexthop[i]))
			f->kept_nexthop[i] = true;
	}
}

int decide(struct side *s, struct cni_error *err)
{
	if (nexthops_decide(s, err) < 0)
		return -1;
	keep_others(s);
	for (size_t i = 0; i < s->n_want; i++)
		decide_want(s, &s->want[i]);
	decide_cover(s);
	return 0;
}

int decide_conflict(const struct side *s, struct cni_error *err)
{
	char dst[IPNET_TEXT];

	if (s->conflict == NULL)
		return 0;
	ipnet_print(&s->conflict->route.dst, dst);
	return cni_fail(
	    err, CNI_CONFLICT,
	    "node \"%s\": somebody else's route to its subnet %s (protocol %u) is in the "
	    "way: remove it, or give the node another subnet",
	    s->conflict_of->node->name, dst, s->conflict->protocol);
}
