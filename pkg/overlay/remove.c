/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. What is reached without the device goes first, then the device, with which
 * the kernel drops everything on it. Only the marks tell what is ours, so the leases are not
 * needed: a file whose nodes have all changed removes as much. A device of another kind is not
 * ours.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/scoped.h"
#include "netlink/req.h"
#include "overlay/decide.h"
#include "overlay/side.h"

/* With nobody wanted, everything of ours is stale; what goes with the device is left to that. */
static int remove_entries(struct nl *nl, struct side *s, struct cni_error *err)
{
	const struct found *f = &s->found;
	struct nl_req req;

	if (found_all(nl, s, err) < 0 || decide(s, err) < 0)
		return -1;
	nl_begin(&req);
	for (size_t i = 0; i < f->n_route; i++) {
		if (f->kept_route[i] || (s->has_tunnel && f->route[i].index == side_index(s)))
			continue;
		if (nl_room(nl, &req, err) < 0)
			return -1;
		route_put_delete(&req, &f->route[i]);
	}
	for (size_t i = 0; i < f->n_nexthop; i++) {
		if (f->kept_nexthop[i] ||
		    (s->has_tunnel && f->nexthop[i].hop.index == side_index(s)))
			continue;
		if (nl_room(nl, &req, err) < 0)
			return -1;
		nexthop_put_delete(&req, f->nexthop[i].id);
	}
	return nl_flush(nl, &req, err);
}

static int remove_side(struct nl *nl, const struct overlay *o, int family, struct cni_error *err)
{
	scoped_side struct side s = { .family = 0 };
	struct cni_error first = { .code = CNI_OK }, step;

	if (!side_begin(o, family, &s))
		return 0;
	if (side_find_device(nl, &s, &step) < 0)
		cni_keep_first(&first, &step);
	if (remove_entries(nl, &s, &step) < 0)
		cni_keep_first(&first, &step);
	if (s.has_tunnel && link_delete_index(nl, side_index(&s), s.device, &step) < 0)
		cni_keep_first(&first, &step);
	if (first.code == CNI_OK)
		return 0;
	*err = first;
	return -1;
}

int overlay_remove(struct nl *nl, const struct overlay *o, struct cni_error *err)
{
	struct overlay bare = *o;
	struct cni_error first = { .code = CNI_OK }, step;

	bare.nodes = NULL;
	bare.n = bare.self = 0;
	if (remove_side(nl, &bare, AF_INET, &step) < 0)
		cni_keep_first(&first, &step);
	if (remove_side(nl, &bare, AF_INET6, &step) < 0)
		cni_keep_first(&first, &step);
	if (first.code == CNI_OK)
		return 0;
	*err = first;
	return -1;
}
