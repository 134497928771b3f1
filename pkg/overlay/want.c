/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. Each other node with a lease of this family is one want. How it is reached
 * is asked of the kernel, for all of them in few sends: a peer whose public address is on a link of
 * ours, with no gateway before it, is direct. It is asked again each time, so a node that moves to
 * another network, or a route that changes, moves the peer from the tunnel to the link or back. The
 * answer does not depend on what we have programmed: public addresses are never in the pod network.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "base/scoped.h"
#include "overlay/side.h"

static bool has_family(const struct overlay_node *node, int family)
{
	return family == AF_INET ? node->has4 : node->has6;
}

static struct want want_of(const struct side *s, const struct overlay_node *node)
{
	const bool four = s->family == AF_INET;
	struct want w = {
		.node = node,
		.dst = four ? node->subnet4 : node->subnet6,
		.far = four ? node->public4 : node->public6,
		.reach = OVERLAY_TUNNEL,
		.hop = { .index = side_index(s), .onlink = true },
	};

	if (s->o->backend == OVERLAY_VXLAN)
		w.mac = overlay_vtep_mac(s->o, node, s->family);
	/* vxlan: a neighbour of that address has the VTEP's MAC; ipip: the tunnel's other end. */
	w.hop.gw = s->o->backend == OVERLAY_VXLAN ? w.dst.addr : w.far;
	return w;
}

static void go_direct(const struct side *s, struct want *w, const struct route_way *way)
{
	const bool near =
	    way->index != 0 && !way->gateway && !way->local && way->index != side_index(s);

	if (near) {
		w->reach = OVERLAY_DIRECT;
		w->hop = (struct hop){ .index = way->index, .gw = w->far };
	} else if (s->o->backend == OVERLAY_HOST_GW) {
		w->reach = OVERLAY_UNREACHABLE;
	}
}

static int find_ways(struct nl *nl, struct side *s, struct cni_error *err)
{
	scoped_free struct ip *far = calloc(s->n_want + 1, sizeof(*far));
	scoped_free struct route_way *ways = calloc(s->n_want + 1, sizeof(*ways));

	if (far == NULL || ways == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory for %zu nodes", s->n_want);
	for (size_t i = 0; i < s->n_want; i++)
		far[i] = s->want[i].far;
	if (route_lookups(nl, far, s->n_want, ways, err) < 0)
		return -1;
	for (size_t i = 0; i < s->n_want; i++)
		go_direct(s, &s->want[i], &ways[i]);
	return 0;
}

int want_make(struct nl *nl, struct side *s, struct cni_error *err)
{
	const struct overlay *o = s->o;

	s->want = calloc(o->n + 1, sizeof(*s->want));
	if (s->want == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory for %zu nodes", o->n);
	for (size_t i = 0; i < o->n; i++) {
		if (i != o->self && has_family(&o->nodes[i], s->family))
			s->want[s->n_want++] = want_of(s, &o->nodes[i]);
	}
	if (o->backend != OVERLAY_HOST_GW && !o->direct_routing)
		return 0;
	return find_ways(nl, s, err);
}
