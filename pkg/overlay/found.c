/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. What the kernel has is read into lists that are sorted by the key by which
 *the wants ask for them: 10,000 nodes cost four dumps and four sorts. Neighbours and FDB entries
 *are those of our device, filtered by the kernel. Of the main table's routes those are kept that
 *could be ours or in our way: into the pod network, around it, through our device, or by one of our
 * nexthops.
 *
 * Ours is (docs/decisions/023):
 *	FDB, neighbour	permanent and on our device
 *	route		of our protocol, into the pod network or through our device; of protocol
 *			boot (flannel's) into the pod network through our device
 *	nexthop		of our protocol, on our device or with an id of our network's range
 */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/grow.h"
#include "base/text.h"
#include "netlink/req.h"
#include "overlay/side.h"

uint32_t overlay_tag(const struct ipnet *network)
{
	char text[IPNET_TEXT];
	const char *strings[] = { text };

	ipnet_print(network, text);
	return OVERLAY_ID_BASE | (uint32_t)(text_hash(strings, 1) & 0xff) << OVERLAY_ID_SHIFT;
}

static bool in_range(const struct side *s, uint32_t id)
{
	return id >> OVERLAY_ID_SHIFT == overlay_tag(&s->network) >> OVERLAY_ID_SHIFT;
}

bool nexthop_is_ours(const struct side *s, const struct nexthop *n)
{
	return n->protocol == OVERLAY_PROTOCOL &&
	       (in_range(s, n->id) || (side_index(s) != 0 && n->hop.index == side_index(s)));
}

bool found_is_ours(const struct side *s, const struct route_found *r)
{
	const bool through = side_index(s) != 0 && r->index == side_index(s);

	if (r->tos != 0 || r->type != RTN_UNICAST)
		return false;
	if (r->protocol == OVERLAY_PROTOCOL)
		return through || side_covers(s, &r->route.dst);
	return r->protocol == RTPROT_BOOT && through && side_covers(s, &r->route.dst);
}

bool found_is_wider(const struct side *s, const struct route_found *r)
{
	return r->route.dst.len < s->network.len && !ipnet_is_default(&r->route.dst) &&
	       ipnet_contains(&r->route.dst, &s->network.addr);
}

static bool concerns(const struct route_found *r, void *arg)
{
	const struct side *s = arg;

	return side_covers(s, &r->route.dst) || in_range(s, r->nhid) || found_is_wider(s, r) ||
	       (side_index(s) != 0 && r->index == side_index(s));
}

static int by_ip(const void *a, const void *b)
{
	return ip_cmp(&((const struct neigh *)a)->ip, &((const struct neigh *)b)->ip);
}

static int by_mac(const void *a, const void *b)
{
	return memcmp(&((const struct fdb *)a)->mac, &((const struct fdb *)b)->mac,
		      sizeof(struct mac));
}

static int by_id(const void *a, const void *b)
{
	const uint32_t x = ((const struct nexthop *)a)->id, y = ((const struct nexthop *)b)->id;

	return (x > y) - (x < y);
}

static int by_prefix(const void *a, const void *b)
{
	const struct route_found *x = a, *y = b;
	int r = ip_cmp(&x->route.dst.addr, &y->route.dst.addr);

	return r != 0 ? r : (int)x->route.dst.len - (int)y->route.dst.len;
}

static void sort(void *list, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	if (n > 1)
		qsort(list, n, size, cmp);
}

static bool *flags(size_t n)
{
	return calloc(n + 1, sizeof(bool));
}

/* The kernel may be told not to send the hop of a nexthop along with its routes. */
static void complete_routes(struct found *f)
{
	for (size_t i = 0; i < f->n_route; i++) {
		const struct nexthop *n =
		    f->route[i].index == 0 ? found_nexthop(f, f->route[i].nhid) : NULL;

		if (n != NULL)
			f->route[i].index = n->hop.index;
	}
}

static int put_in_order(struct found *f, struct cni_error *err)
{
	sort(f->neigh, f->n_neigh, sizeof(*f->neigh), by_ip);
	sort(f->fdb, f->n_fdb, sizeof(*f->fdb), by_mac);
	sort(f->nexthop, f->n_nexthop, sizeof(*f->nexthop), by_id);
	sort(f->route, f->n_route, sizeof(*f->route), by_prefix);
	f->kept_neigh = flags(f->n_neigh);
	f->kept_fdb = flags(f->n_fdb);
	f->kept_nexthop = flags(f->n_nexthop);
	f->kept_route = flags(f->n_route);
	if (f->kept_neigh == NULL || f->kept_fdb == NULL || f->kept_nexthop == NULL ||
	    f->kept_route == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory for what the kernel has");
	complete_routes(f);
	return 0;
}

struct nexthop *found_nexthop(const struct found *f, uint32_t id)
{
	const struct nexthop key = { .id = id };

	if (id == 0 || f->n_nexthop == 0)
		return NULL;
	return bsearch(&key, f->nexthop, f->n_nexthop, sizeof(key), by_id);
}

size_t found_route(const struct found *f, const struct ipnet *dst)
{
	const struct route_found key = { .route = { .dst = *dst } };
	size_t from = 0, to = f->n_route;

	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (by_prefix(&f->route[middle], &key) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from < f->n_route && by_prefix(&f->route[from], &key) == 0 ? from : f->n_route;
}

/* IPv6 routes find each other by gateway as well: objects would only be more to keep. */
static int read_nexthops(struct nl *nl, struct side *s, struct cni_error *err)
{
	struct found *f = &s->found;

	f->nexthops = false;
	if (s->family != AF_INET)
		return 0;
	if (nexthop_list(nl, &f->nexthop, &f->n_nexthop, err) < 0) {
		if (err->sys != EOPNOTSUPP)
			return -1;
		cni_clear(err); /* before Linux 5.3 */
		return 0;
	}
	f->nexthops = !s->o->plain_routes;
	return 0;
}

int found_all(struct nl *nl, struct side *s, struct cni_error *err)
{
	const struct route_pick pick = {
		.family = s->family, .table = RT_TABLE_MAIN, .wanted = concerns, .arg = s
	};
	struct found *f = &s->found;

	if (side_index(s) != 0 && s->o->backend == OVERLAY_VXLAN &&
	    (neigh_list(nl, s->family, side_index(s), &f->neigh, &f->n_neigh, err) < 0 ||
	     fdb_list(nl, side_index(s), &f->fdb, &f->n_fdb, err) < 0))
		return -1;
	if (read_nexthops(nl, s, err) < 0 || route_pick(nl, &pick, &f->route, &f->n_route, err) < 0)
		return -1;
	return put_in_order(f, err);
}

/* Room for the answers of a sample: one of each kind per want. */
static int make_room(struct side *s, struct cni_error *err)
{
	struct found *f = &s->found;
	const size_t n = s->n_want + 1;

	f->neigh = calloc(n, sizeof(*f->neigh));
	f->fdb = calloc(n, sizeof(*f->fdb));
	f->nexthop = calloc(n, sizeof(*f->nexthop));
	f->route = calloc(n, sizeof(*f->route));
	if (f->neigh == NULL || f->fdb == NULL || f->nexthop == NULL || f->route == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory for a sample");
	return 0;
}

static int take_entry(const struct nlmsghdr *nlh, size_t index, void *arg, struct cni_error *err)
{
	struct side *s = arg;
	struct found *f = &s->found;
	struct route_found r;

	(void)index;
	(void)err;
	if (f->n_neigh < s->n_want && neigh_parse(nlh, side_index(s), &f->neigh[f->n_neigh]))
		f->n_neigh++;
	else if (f->n_fdb < s->n_want && fdb_parse(nlh, side_index(s), &f->fdb[f->n_fdb]))
		f->n_fdb++;
	else if (f->n_route < s->n_want && route_parse(nlh, &r) && r.route.table == RT_TABLE_MAIN)
		f->route[f->n_route++] = r;
	return 0;
}

static int take_nexthop(const struct nlmsghdr *nlh, size_t index, void *arg, struct cni_error *err)
{
	struct side *s = arg;
	struct found *f = &s->found;

	(void)index;
	(void)err;
	if (f->n_nexthop < s->n_want && nexthop_parse(nlh, &f->nexthop[f->n_nexthop]))
		f->n_nexthop++;
	return 0;
}

static void put_questions(struct nl_req *req, const struct side *s, const struct want *w)
{
	if (w->reach == OVERLAY_UNREACHABLE)
		return;
	route_put_match(req, &w->dst.addr);
	if (w->reach != OVERLAY_TUNNEL || s->o->backend != OVERLAY_VXLAN)
		return;
	neigh_put_get(req, side_index(s), &w->dst.addr);
	fdb_put_get(req, side_index(s), &w->mac);
}

/* An old kernel that does not know a question (Linux 5.0 for entries, 4.13 for routes) answers as
 * if nothing were there, and so it is looked at in whole. */
int found_some(struct nl *nl, struct side *s, struct cni_error *err)
{
	struct nl_req req;

	if (make_room(s, err) < 0)
		return -1;
	nl_begin(&req);
	for (size_t i = 0; i < s->n_want; i++)
		put_questions(&req, s, &s->want[i]);
	req.reply = take_entry;
	req.reply_arg = s;
	if (req.n > 0 && nl_call(nl, &req, err) < 0)
		return -1;
	nl_begin(&req);
	for (size_t i = 0; i < s->found.n_route; i++) {
		if (s->found.route[i].nhid != 0)
			nexthop_put_get(&req, s->found.route[i].nhid);
	}
	req.reply = take_nexthop;
	req.reply_arg = s;
	if (req.n > 0 && nl_call(nl, &req, err) < 0)
		return -1;
	/* What is not there gets looked at in whole; what is there tells which kind is wanted. */
	s->found.nexthops = s->family == AF_INET && !s->o->plain_routes &&
			    (s->found.n_nexthop > 0 || s->found.n_route == 0);
	return put_in_order(&s->found, err);
}

void found_free(struct found *f)
{
	free(f->neigh);
	free(f->fdb);
	free(f->nexthop);
	free(f->route);
	free(f->kept_neigh);
	free(f->kept_fdb);
	free(f->kept_nexthop);
	free(f->kept_route);
	*f = (struct found){ .n_neigh = 0 };
}
