/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. One family after the other: the device is made right, everything is read,
 *the differences are decided, and then written in one stream of messages whose order loses no
 *packet:
 *
 *	1. FDB entries        a VTEP's MAC leads to its node …
 *	2. neighbours         … before an address leads to the MAC …
 *	3. nexthops           … before packets are sent there; a peer that moves switches here
 *	4. routes             new ones, and those replaced in place
 *	5. stale routes       from here on nothing leads to the stale rest
 *	6. stale nexthops
 *	7. stale neighbours and FDB entries
 *
 * A run that dies in between has done a prefix of this, which is right as far as it goes; the next
 *run reads what is there and does the rest.
 */
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "base/scoped.h"
#include "netlink/req.h"
#include "overlay/decide.h"
#include "overlay/device.h"
#include "overlay/side.h"

/* One stream. */
struct stream {
	struct nl *nl;
	struct side *s;
	struct overlay_report *report;
	struct nl_req req;
};

static void count(struct stream *st, enum need need)
{
	if (need == NEED_ADD)
		st->report->added++;
	else
		st->report->changed++;
}

static int write_fdb(struct stream *st, const struct want *w, struct cni_error *err)
{
	if (w->fdb == NEED_NOTHING)
		return 0;
	if (nl_room(st->nl, &st->req, err) < 0)
		return -1;
	fdb_put_set(&st->req, side_index(st->s), &w->mac, &w->far);
	count(st, w->fdb);
	return 0;
}

static int write_neigh(struct stream *st, const struct want *w, struct cni_error *err)
{
	if (w->neigh == NEED_NOTHING)
		return 0;
	if (nl_room(st->nl, &st->req, err) < 0)
		return -1;
	neigh_put_set(&st->req, side_index(st->s),
		      &(struct neigh){ .ip = w->dst.addr, .mac = w->mac });
	count(st, w->neigh);
	return 0;
}

static int write_nexthop(struct stream *st, const struct want *w, struct cni_error *err)
{
	const struct nexthop n = {
		.id = w->nhid, .protocol = OVERLAY_PROTOCOL, .plain = true, .hop = w->hop
	};

	if (w->nexthop == NEED_NOTHING)
		return 0;
	if (nl_room(st->nl, &st->req, err) < 0)
		return -1;
	nexthop_put_set(&st->req, &n, w->nexthop == NEED_CHANGE);
	count(st, w->nexthop);
	return 0;
}

/*
 * IPv6 takes no onlink gateway to which a route leads through another link, and the route to the
 * same prefix that is to be replaced does. So, for the moment, one leads to the gateway alone.
 */
static int put_step(struct stream *st, const struct want *w, struct cni_error *err)
{
	const struct hop_route step = { .dst = ipnet_host(&w->hop.gw),
					.protocol = OVERLAY_PROTOCOL,
					.hop = { .index = side_index(st->s) } };

	if (nl_room(st->nl, &st->req, err) < 0)
		return -1;
	route_put_hop(&st->req, &step);
	return 0;
}

static int remove_step(struct stream *st, const struct want *w, struct cni_error *err)
{
	const struct route_found step = { .route = { .dst = ipnet_host(&w->hop.gw) },
					  .protocol = OVERLAY_PROTOCOL,
					  .type = RTN_UNICAST,
					  .index = side_index(st->s) };

	if (nl_room(st->nl, &st->req, err) < 0)
		return -1;
	route_put_delete(&st->req, &step);
	return 0;
}

static int write_route(struct stream *st, const struct want *w, struct cni_error *err)
{
	const struct hop_route r = {
		.dst = w->dst, .protocol = OVERLAY_PROTOCOL, .nhid = w->nhid, .hop = w->hop
	};

	if (w->route == NEED_NOTHING)
		return 0;
	if ((w->step && put_step(st, w, err) < 0) || nl_room(st->nl, &st->req, err) < 0)
		return -1;
	route_put_hop(&st->req, &r);
	count(st, w->route);
	return w->step ? remove_step(st, w, err) : 0;
}

/* Before the routes that need it. */
static int write_cover(struct stream *st, struct cni_error *err)
{
	const struct side *s = st->s;
	const struct hop_route r = { .dst = s->network,
				     .protocol = OVERLAY_PROTOCOL,
				     .hop = { .index = side_index(s) } };

	if (s->cover == NEED_NOTHING)
		return 0;
	if (nl_room(st->nl, &st->req, err) < 0)
		return -1;
	route_put_hop(&st->req, &r);
	count(st, NEED_ADD);
	return 0;
}

static int write_wants(struct stream *st, struct cni_error *err)
{
	static int (*const steps[])(struct stream *, const struct want *,
				    struct cni_error *) = { write_fdb, write_neigh, write_nexthop,
							    write_route };

	for (size_t step = 0; step < ARRAY_SIZE(steps); step++) {
		for (size_t i = 0; i < st->s->n_want; i++) {
			if (steps[step](st, &st->s->want[i], err) < 0)
				return -1;
		}
	}
	return 0;
}

static int remove_routes(struct stream *st, struct cni_error *err)
{
	const struct found *f = &st->s->found;

	for (size_t i = 0; i < f->n_route; i++) {
		if (f->kept_route[i])
			continue;
		if (nl_room(st->nl, &st->req, err) < 0)
			return -1;
		route_put_delete(&st->req, &f->route[i]);
		st->report->removed++;
	}
	return 0;
}

static int remove_nexthops(struct stream *st, struct cni_error *err)
{
	const struct found *f = &st->s->found;

	for (size_t i = 0; i < f->n_nexthop; i++) {
		if (f->kept_nexthop[i])
			continue;
		if (nl_room(st->nl, &st->req, err) < 0)
			return -1;
		nexthop_put_delete(&st->req, f->nexthop[i].id);
		st->report->removed++;
	}
	return 0;
}

static int remove_neighbours(struct stream *st, struct cni_error *err)
{
	const struct found *f = &st->s->found;

	for (size_t i = 0; i < f->n_neigh; i++) {
		if (f->kept_neigh[i])
			continue;
		if (nl_room(st->nl, &st->req, err) < 0)
			return -1;
		neigh_put_delete(&st->req, side_index(st->s), &f->neigh[i].ip);
		st->report->removed++;
	}
	for (size_t i = 0; i < f->n_fdb; i++) {
		if (f->kept_fdb[i])
			continue;
		if (nl_room(st->nl, &st->req, err) < 0)
			return -1;
		fdb_put_delete(&st->req, side_index(st->s), &f->fdb[i]);
		st->report->removed++;
	}
	return 0;
}

static int write_all(struct nl *nl, struct side *s, struct overlay_report *report,
		     struct cni_error *err)
{
	struct stream st = { .nl = nl, .s = s, .report = report };

	nl_begin(&st.req);
	if (write_cover(&st, err) < 0 || write_wants(&st, err) < 0 || remove_routes(&st, err) < 0 ||
	    remove_nexthops(&st, err) < 0 || remove_neighbours(&st, err) < 0)
		return -1;
	return nl_flush(nl, &st.req, err);
}

static void note_reach(const struct side *s, struct overlay_report *report)
{
	for (size_t i = 0; i < s->n_want; i++) {
		report->direct += s->want[i].reach == OVERLAY_DIRECT;
		report->unreachable += s->want[i].reach == OVERLAY_UNREACHABLE;
	}
	if (s->family == AF_INET)
		report->mtu4 = s->mtu;
	else
		report->mtu6 = s->mtu;
}

static int apply_side(struct nl *nl, const struct overlay *o, int family,
		      struct overlay_report *report, struct cni_error *err)
{
	scoped_side struct side s = { .family = 0 };

	if (!side_begin(o, family, &s))
		return 0;
	if (side_read(nl, &s, err) < 0 || device_ensure(nl, &s, report, err) < 0 ||
	    want_make(nl, &s, err) < 0 || found_all(nl, &s, err) < 0 || decide(&s, err) < 0 ||
	    decide_conflict(&s, err) < 0)
		return -1;
	note_reach(&s, report);
	return write_all(nl, &s, report, err);
}

int overlay_apply(struct nl *nl, const struct overlay *o, struct overlay_report *ret,
		  struct cni_error *err)
{
	struct overlay_report report = { .added = 0 };

	if (apply_side(nl, o, AF_INET, &report, err) < 0 ||
	    apply_side(nl, o, AF_INET6, &report, err) < 0)
		return -1;
	*ret = report;
	return 0;
}
