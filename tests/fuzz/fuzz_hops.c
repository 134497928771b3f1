/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "fuzz_message.h"
#include "netlink/fdb.h"
#include "netlink/neigh.h"
#include "netlink/nexthop.h"
#include "netlink/route.h"
#include "netlink/tunnelmsg.h"

/* The same bytes as the answer to each question that an overlay asks. */
struct answers {
	bool is_tunnel, is_neigh, is_fdb, is_nexthop, is_route;
	struct tunnel tunnel;
	struct neigh neigh;
	struct fdb fdb;
	struct nexthop nexthop;
	struct route_found route;
};

static struct answers read_all(const uint8_t *data, size_t size, uint8_t filler)
{
	struct nlmsghdr *nlh = fuzz_message(data, size, RTM_NEWLINK, filler);
	struct answers a;
	int index = 0;

	memset(&a, 0, sizeof(a));
	if (size >= sizeof(*nlh) + 8)
		memcpy(&index, data + sizeof(*nlh) + 4, sizeof(index)); /* ndm_ifindex */
	a.is_tunnel = tunnel_parse(nlh, &a.tunnel);
	nlh->nlmsg_type = RTM_NEWNEIGH;
	a.is_neigh = neigh_parse(nlh, index, &a.neigh);
	FUZZ_CHECK(!a.is_neigh || ip_family(&a.neigh.ip) == data[sizeof(*nlh)]); /* ndm_family */
	a.is_fdb = fdb_parse(nlh, index, &a.fdb);
	nlh->nlmsg_type = RTM_NEWNEXTHOP;
	a.is_nexthop = nexthop_parse(nlh, &a.nexthop);
	nlh->nlmsg_type = RTM_NEWROUTE;
	a.is_route = route_parse(nlh, &a.route);
	free(nlh);
	return a;
}

static void check_entries(const struct answers *a, const struct answers *b)
{
	FUZZ_CHECK(a->is_neigh == b->is_neigh && a->is_fdb == b->is_fdb);
	FUZZ_CHECK(!(a->is_neigh && a->is_fdb));
	if (a->is_neigh)
		FUZZ_CHECK(ip_equal(&a->neigh.ip, &b->neigh.ip) &&
			   mac_equal(&a->neigh.mac, &b->neigh.mac));
	if (a->is_fdb)
		FUZZ_CHECK(mac_equal(&a->fdb.mac, &b->fdb.mac) && a->fdb.odd == b->fdb.odd &&
			   a->fdb.has_dst == b->fdb.has_dst && ip_equal(&a->fdb.dst, &b->fdb.dst));
}

static void check_tunnels(const struct answers *a, const struct answers *b)
{
	const struct vxlan *v = &a->tunnel.vxlan, *w = &b->tunnel.vxlan;

	FUZZ_CHECK(a->is_tunnel == b->is_tunnel);
	if (!a->is_tunnel)
		return;
	FUZZ_CHECK(v->vni == w->vni && v->port == w->port && v->link == w->link &&
		   v->has_local == w->has_local && v->ttl == w->ttl);
	FUZZ_CHECK(!v->has_local || !ip_is_unspecified(&v->local));
	FUZZ_CHECK(ip_equal(&a->tunnel.ipip.local, &b->tunnel.ipip.local));
	FUZZ_CHECK(a->tunnel.counters.tx_dropped == b->tunnel.counters.tx_dropped);
}

/* Messages of any bytes: what stands behind one has no influence, an address has the family that
 * its message is of, and an entry is of one table only. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct answers a, b;

	if (size < sizeof(struct nlmsghdr))
		return 0;
	a = read_all(data, size, 0);
	b = read_all(data, size, 0xff);
	check_tunnels(&a, &b);
	check_entries(&a, &b);
	FUZZ_CHECK(a.is_nexthop == b.is_nexthop && a.is_route == b.is_route);
	if (a.is_nexthop)
		FUZZ_CHECK(a.nexthop.id == b.nexthop.id && a.nexthop.plain == b.nexthop.plain &&
			   hop_equal(&a.nexthop.hop, &b.nexthop.hop));
	if (a.is_route)
		FUZZ_CHECK(ipnet_equal(&a.route.route.dst, &b.route.route.dst) &&
			   a.route.nhid == b.route.nhid && a.route.index == b.route.index &&
			   a.route.onlink == b.route.onlink &&
			   ipnet_plen(&a.route.route.dst) <=
			       (ip_is4(&a.route.route.dst.addr) ? 32 : 128));
	return 0;
}
