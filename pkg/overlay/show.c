/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. The same reading and deciding as in overlay_apply(), put into words and not
 * into messages. What is lacking because the device itself is lacking is said once.
 */
#include <net/if.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/scoped.h"
#include "base/text.h"
#include "overlay/decide.h"
#include "overlay/device.h"
#include "overlay/side.h"

/* Where lines go. */
struct sink {
	void (*line)(void *arg, const char *text);
	void *arg;
};

static void say(const struct sink *sink, const char *fmt, ...)
    __attribute__((__format__(__printf__, 2, 3)));

static void say(const struct sink *sink, const char *fmt, ...)
{
	char buf[256];
	struct text t;
	va_list ap;

	text_init(&t, buf, sizeof(buf));
	va_start(ap, fmt);
	text_vadd(&t, fmt, ap);
	va_end(ap);
	sink->line(sink->arg, buf);
}

static void say_values(const struct sink *sink, const struct side *s, const struct device_fault *f)
{
	char is[MAC_TEXT], want[MAC_TEXT];

	mac_print(&s->tunnel.link.mac, is);
	mac_print(&s->mac, want);
	if (f->other != NULL)
		say(sink, "%s: %s is not as wanted: the device has to be made anew", s->device,
		    f->other);
	if (f->mac)
		say(sink, "%s: MAC %s, wanted %s", s->device, is, want);
	if (f->mtu)
		say(sink, "%s: mtu %u, wanted %u", s->device, s->tunnel.link.mtu, s->mtu);
	if (f->down)
		say(sink, "%s: down", s->device);
	if (f->offload)
		say(sink, "%s: transmit checksums are on, wanted off", s->device);
}

static int say_device(struct nl *nl, const struct side *s, const struct sink *sink,
		      struct cni_error *err)
{
	char text[IPNET_TEXT];
	struct device_fault f;

	if (s->device == NULL)
		return 0;
	if (device_compare(nl, s, &f, err) < 0)
		return -1;
	if (f.absent) {
		say(sink, "%s: missing", s->device);
		return 0;
	}
	say_values(sink, s, &f);
	ipnet_print(&s->address, text);
	if (f.address)
		say(sink, "%s: address %s missing", s->device, text);
	for (size_t i = 0; i < f.n_stale; i++) {
		ipnet_print(&f.stale[i], text);
		say(sink, "%s: address %s should not be there", s->device, text);
	}
	free(f.stale);
	return 0;
}

static const char *need_text(uint8_t need)
{
	return need == NEED_ADD ? "missing" : "not as wanted";
}

static void say_want(const struct sink *sink, const struct want *w)
{
	char dst[IPNET_TEXT], ip[IP_TEXT], far[IP_TEXT], mac[MAC_TEXT];

	ipnet_print(&w->dst, dst);
	ip_print(&w->dst.addr, ip);
	ip_print(&w->far, far);
	mac_print(&w->mac, mac);
	if (w->reach == OVERLAY_UNREACHABLE)
		say(sink,
		    "node %s: %s is behind a gateway or has no route: host-gw cannot reach it",
		    w->node->name, far);
	if (w->fdb != NEED_NOTHING)
		say(sink, "node %s: FDB entry %s to %s: %s", w->node->name, mac, far,
		    need_text(w->fdb));
	if (w->neigh != NEED_NOTHING)
		say(sink, "node %s: neighbour %s with MAC %s: %s", w->node->name, ip, mac,
		    need_text(w->neigh));
	if (w->nexthop == NEED_CHANGE)
		say(sink, "node %s: nexthop %u: not as wanted", w->node->name, w->nhid);
	if (w->route != NEED_NOTHING)
		say(sink, "node %s: route %s: %s", w->node->name, dst, need_text(w->route));
}

/* The next route from `i` on that somebody put before or behind a peer's own; n_route: there is
 * none. Nothing else tells of it. */
static size_t next_beside(const struct found *f, const struct want *w, size_t i)
{
	for (; i < f->n_route && ipnet_equal(&f->route[i].route.dst, &w->dst); i++) {
		if (!f->kept_route[i])
			return i;
	}
	return f->n_route;
}

static void say_beside(const struct sink *sink, struct found *f, const struct want *w)
{
	char dst[IPNET_TEXT];

	ipnet_print(&w->dst, dst);
	for (size_t i = next_beside(f, w, found_route(f, &w->dst)); i < f->n_route;
	     i = next_beside(f, w, i)) {
		say(sink, "node %s: route %s: there is another one beside it", w->node->name, dst);
		f->kept_route[i] = true; /* is said */
	}
}

static void say_stale(const struct sink *sink, const struct found *f)
{
	char text[IPNET_TEXT];

	for (size_t i = 0; i < f->n_route; i++) {
		ipnet_print(&f->route[i].route.dst, text);
		if (!f->kept_route[i])
			say(sink, "route %s: no node has it", text);
	}
	for (size_t i = 0; i < f->n_nexthop; i++) {
		if (!f->kept_nexthop[i])
			say(sink, "nexthop %u: no node has it", f->nexthop[i].id);
	}
	for (size_t i = 0; i < f->n_neigh; i++) {
		ip_print(&f->neigh[i].ip, text);
		if (!f->kept_neigh[i])
			say(sink, "neighbour %s: no node has it", text);
	}
	for (size_t i = 0; i < f->n_fdb; i++) {
		mac_print(&f->fdb[i].mac, text);
		if (!f->kept_fdb[i])
			say(sink, "FDB entry %s: no node has it", text);
	}
}

/* The device is there, or this one does not need it. */
static bool worth_saying(const struct side *s, const struct want *w)
{
	return s->has_tunnel || w->reach != OVERLAY_TUNNEL;
}

static int read_and_decide(struct nl *nl, struct side *s, struct cni_error *err)
{
	if (want_make(nl, s, err) < 0 || found_all(nl, s, err) < 0)
		return -1;
	return decide(s, err);
}

static int differ_side(struct nl *nl, const struct overlay *o, int family, const struct sink *sink,
		       struct cni_error *err)
{
	scoped_side struct side s = { .family = 0 };
	struct cni_error conflict;

	if (!side_begin(o, family, &s))
		return 0;
	if (side_read(nl, &s, err) < 0 || say_device(nl, &s, sink, err) < 0 ||
	    read_and_decide(nl, &s, err) < 0)
		return -1;
	if (decide_conflict(&s, &conflict) < 0)
		say(sink, "%s", conflict.msg);
	if (s.cover != NEED_NOTHING && s.has_tunnel)
		say(sink, "%s: the route of the whole network, under a wider one, is missing",
		    s.device);
	for (size_t i = 0; i < s.n_want; i++) {
		if (worth_saying(&s, &s.want[i]))
			say_want(sink, &s.want[i]);
		if (s.want[i].reach != OVERLAY_UNREACHABLE)
			say_beside(sink, &s.found, &s.want[i]);
	}
	say_stale(sink, &s.found);
	return 0;
}

int overlay_differ(struct nl *nl, const struct overlay *o,
		   void (*line)(void *arg, const char *text), void *arg, struct cni_error *err)
{
	const struct sink sink = { .line = line, .arg = arg };

	if (differ_side(nl, o, AF_INET, &sink, err) < 0)
		return -1;
	return differ_side(nl, o, AF_INET6, &sink, err);
}

static struct overlay_device device_of(const struct side *s)
{
	const struct link_counters *c = &s->tunnel.counters;
	struct overlay_device d = { .name = s->device, .exists = s->has_tunnel };

	if (!s->has_tunnel)
		return d;
	d.up = (s->tunnel.link.flags & IFF_UP) != 0;
	d.mtu = s->tunnel.link.mtu;
	d.mac = s->tunnel.link.mac;
	d.counters = *c;
	return d;
}

/* Where peers are told to, and how far in the file one is. */
struct telling {
	void (*each)(void *arg, const struct overlay_peer *peer);
	void *arg;
};

static void tell(const struct telling *t, const struct side *s)
{
	const struct overlay *o = s->o;
	const struct found *f = &s->found;
	const struct want *w = s->want;

	/* The wants are in the file's order. */
	for (size_t i = 0; i < o->n; i++) {
		struct overlay_peer peer = { .node = &o->nodes[i], .family = s->family };

		if (i == o->self) {
			peer.reach = OVERLAY_SELF;
			peer.stands = s->device == NULL || s->has_tunnel;
		} else if (w < s->want + s->n_want && w->node == peer.node) {
			peer.reach = (enum overlay_reach)w->reach;
			peer.stands = w->reach != OVERLAY_UNREACHABLE && w->fdb == NEED_NOTHING &&
				      w->neigh == NEED_NOTHING && w->nexthop == NEED_NOTHING &&
				      w->route == NEED_NOTHING &&
				      next_beside(f, w, found_route(f, &w->dst)) == f->n_route;
			w++;
		} else {
			continue;
		}
		t->each(t->arg, &peer);
	}
}

static int show_side(struct nl *nl, const struct overlay *o, int family, struct overlay_device *ret,
		     const struct telling *t, struct cni_error *err)
{
	scoped_side struct side s = { .family = 0 };

	*ret = (struct overlay_device){ .name = NULL };
	if (!side_begin(o, family, &s))
		return 0;
	if (side_read(nl, &s, err) < 0 || read_and_decide(nl, &s, err) < 0)
		return -1;
	*ret = device_of(&s);
	tell(t, &s);
	return 0;
}

int overlay_show(struct nl *nl, const struct overlay *o, struct overlay_device ret_dev[2],
		 void (*each)(void *arg, const struct overlay_peer *peer), void *arg,
		 struct cni_error *err)
{
	const struct telling t = { .each = each, .arg = arg };

	if (show_side(nl, o, AF_INET, &ret_dev[0], &t, err) < 0)
		return -1;
	return show_side(nl, o, AF_INET6, &ret_dev[1], &t, err);
}
