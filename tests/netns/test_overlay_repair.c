/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whatever happens to an overlay's objects: the question of ADD sees it, CHECK tells it, apply
 * repairs it, and nothing is left to do afterwards. The table is overlay.md 7.2's, and more. */
#include "overlay_world.h"

#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "base/scoped.h"

static const struct damage {
	const char *name;
	const char *command;
	enum { NOTICED, STRAY, HARMLESS } kind; /* a stray is not seen by the question of ADD */
} damages[] = {
	{ "down and up", "ip link set flannel.1 down; ip link set flannel.1 up", NOTICED },
	{ "down", "ip link set flannel.1 down", NOTICED },
	{ "address removed", "ip addr flush dev flannel.1", NOTICED },
	{ "address of another", "ip addr add 10.244.77.0/32 dev flannel.1", NOTICED },
	{ "MAC changed", "ip link set flannel.1 address 02:00:00:00:00:99", NOTICED },
	{ "MTU changed", "ip link set flannel.1 mtu 1300", NOTICED },
	{ "device deleted", "ip link del flannel.1", NOTICED },
	{ "device made anew by others",
	  "ip link del flannel.1; ip link add flannel.1 mtu 1450 txqlen 0 type vxlan id 1 dev "
	  "under "
	  "local 192.168.50.1 dstport 8472 nolearning; ip link set flannel.1 up",
	  NOTICED },
	{ "other VNI",
	  "ip link del flannel.1; ip link add flannel.1 type vxlan id 2 dev under "
	  "local 192.168.50.1 dstport 8472 nolearning",
	  NOTICED },
	{ "other port, not bound, remote, learning",
	  "ip link del flannel.1; ip link add flannel.1 type vxlan id 1 dstport 4789 "
	  "remote 192.168.50.2",
	  NOTICED },
	{ "other local address",
	  "ip link del flannel.1; ip link add flannel.1 type vxlan id 1 dev under dstport 8472 "
	  "nolearning local 192.168.50.99",
	  NOTICED },
	{ "learning",
	  "ip link del flannel.1; ip link add flannel.1 type vxlan id 1 dev under dstport 8472 "
	  "local 192.168.50.1 learning",
	  NOTICED },
	{ "GBP",
	  "ip link del flannel.1; ip link add flannel.1 type vxlan id 1 dev under dstport 8472 "
	  "local 192.168.50.1 nolearning gbp",
	  NOTICED },
	{ "external",
	  "ip link del flannel.1; ip link add flannel.1 type vxlan external dstport 8472",
	  NOTICED },
	{ "no outer checksum",
	  "ip link del flannel.1; ip link add flannel.1 type vxlan id 1 dev under dstport 8472 "
	  "local 192.168.50.1 nolearning noudpcsum",
	  NOTICED },
	{ "underlay down and up",
	  "ip link set under down; ip link set under up; ip addr add fd50::1/64 dev under nodad",
	  HARMLESS },
	{ "underlay deleted",
	  "ip link del under; ip link add under type veth peer name far; ip link set far up; "
	  "ip addr add 192.168.50.1/24 dev under; ip addr add fd50::1/64 dev under nodad; "
	  "ip link set under up",
	  NOTICED },
	{ "routes flushed", "ip route del 10.244.2.0/24; ip route del 10.244.3.0/24", NOTICED },
	{ "IPv6 routes flushed", "ip -6 route flush proto 112", NOTICED },
	{ "nexthops flushed", "ip nexthop flush", NOTICED },
	{ "neighbours flushed", "ip neigh flush dev flannel.1 nud permanent", NOTICED },
	{ "IPv6 neighbours flushed", "ip -6 neigh flush dev flannel-v6.1 nud permanent", NOTICED },
	{ "FDB flushed", "bridge fdb flush dev flannel.1", NOTICED },
	{ "IPv6 device deleted", "ip link del flannel-v6.1", NOTICED },
	{ "IPv6 device down and up", "ip link set flannel-v6.1 down; ip link set flannel-v6.1 up",
	  NOTICED },
	{ "IPv6 address removed", "ip addr flush dev flannel-v6.1 scope global", NOTICED },
	{ "flannel's plain route",
	  "ip route replace 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink", NOTICED },
	{ "route by another's nexthop",
	  "ip nexthop add id 77 via 10.244.3.0 dev flannel.1 onlink; "
	  "ip route replace 10.244.2.0/24 nhid 77 proto 112; ip nexthop del id 77",
	  NOTICED },
	{ "route through another's nexthop of ours",
	  "ip route replace 10.244.2.0/24 proto 112 nhid $(ip route show 10.244.3.0/24 | "
	  "sed 's/.*nhid \\([0-9]*\\) .*/\\1/')",
	  NOTICED },
	{ "route of several hops",
	  "ip route replace 10.244.2.0/24 nexthop via 10.244.2.0 dev flannel.1 onlink "
	  "nexthop via 10.244.3.0 dev flannel.1 onlink",
	  NOTICED },
	{ "FDB entry to another node",
	  "bridge fdb replace 1a:e9:b8:67:11:27 dev flannel.1 dst 192.168.50.99", NOTICED },
	{ "FDB entry to another port",
	  "bridge fdb replace 1a:e9:b8:67:11:27 dev flannel.1 dst 192.168.50.2 port 99", NOTICED },
	{ "neighbour of another MAC",
	  "ip neigh replace 10.244.2.0 lladdr 02:00:00:00:00:98 dev flannel.1 nud permanent",
	  NOTICED },
	{ "neighbour no longer permanent",
	  "ip neigh replace 10.244.2.0 lladdr 1a:e9:b8:67:11:27 dev flannel.1 nud reachable",
	  NOTICED },
	{ "route of another MTU",
	  "ip route replace 10.244.2.0/24 proto 112 mtu 1200 via 10.244.2.0 dev flannel.1 onlink",
	  NOTICED },
	{ "route put before ours", "ip route prepend 10.244.2.0/24 via 192.168.50.9", NOTICED },
	{ "route put before ours, on our device",
	  "ip route prepend 10.244.2.0/24 via 10.244.3.0 dev flannel.1 onlink", NOTICED },
	{ "route put behind ours", "ip route append 10.244.2.0/24 via 192.168.50.9", STRAY },
	{ "routes before and behind ours, which is another",
	  "ip route replace 10.244.2.0/24 proto 112 mtu 1200 via 10.244.2.0 dev flannel.1 onlink; "
	  "ip route prepend 10.244.2.0/24 via 192.168.50.9; "
	  "ip route append 10.244.2.0/24 via 192.168.50.8",
	  NOTICED },
	{ "IPv6 route with a second hop",
	  "ip -6 route append fd44:0:0:2::/64 via fd50::9 dev under metric 1024", NOTICED },
	{ "IPv6 route put before ours", "ip -6 route prepend fd44:0:0:2::/64 dev under metric 1024",
	  STRAY },
	/* Strangers on our device. */
	{ "stray neighbour",
	  "ip neigh add 10.244.200.0 lladdr 02:00:00:00:00:98 dev flannel.1 nud permanent", STRAY },
	{ "stray FDB entries",
	  "bridge fdb append 00:00:00:00:00:00 dev flannel.1 dst 192.168.50.9; "
	  "bridge fdb add 02:00:00:00:00:98 dev flannel.1 dst 192.168.50.9 port 3",
	  STRAY },
	{ "stray routes",
	  "ip route add 10.244.200.0/24 via 10.244.2.0 dev flannel.1 onlink; "
	  "ip route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink metric 9; "
	  "ip route add 172.30.0.0/16 via 10.244.2.0 dev flannel.1 onlink proto 112",
	  STRAY },
	{ "stray nexthop", "ip nexthop add id 99 via 10.244.2.0 dev flannel.1 onlink proto 112",
	  STRAY },
};

static void noticed(struct cluster *c, const struct damage *d)
{
	if (cluster_probe(c) != (d->kind != NOTICED))
		fail_msg("%s: the probe is wrong", d->name);
	if ((cluster_differ(c)[0] == '\0') != (d->kind == HARMLESS))
		fail_msg("%s: told: %s", d->name, c->lines);
}

static void damage_all(struct sandbox *s, bool plain)
{
	struct cluster c;
	char *before, *after;

	cluster_begin(&c, s, 3);
	c.o.has6 = true;
	c.o.plain_routes = plain;
	(void)cluster_apply(&c);
	before = cluster_seen(&c);
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		const struct damage *d = &damages[i];

		(void)sandbox_host(s, "%s", d->command);
		/* With plain routes some of it does not apply. */
		if (!plain)
			noticed(&c, d);
		(void)cluster_apply(&c);
		after = cluster_seen(&c);
		if (strcmp(after, before) != 0)
			fail_msg("after \"%s\": %s\nwanted: %s", d->name, after, before);
		if (cluster_apply(&c) != 0 || cluster_differ(&c)[0] != '\0' || !cluster_probe(&c))
			fail_msg("after \"%s\" there is more to do: %s", d->name, c.lines);
		free(after);
	}
	free(before);
	cluster_end(&c);
}

static void all_damage_is_repaired(void **state)
{
	damage_all(*state, false);
}

static void all_damage_to_plain_routes_is_repaired(void **state)
{
	damage_all(*state, true);
}

/* Where objects come in, or go, the routes stay. */
static void from_plain_routes_to_nexthops_and_back(void **state)
{
	struct cluster c;
	char *plain, *objects;

	cluster_begin(&c, *state, 3);
	c.o.plain_routes = true;
	(void)cluster_apply(&c);
	plain = cluster_seen(&c);
	assert_null(strstr(plain, "nhid"));
	c.o.plain_routes = false;
	assert_int_equal(cluster_apply(&c), 4);
	assert_int_equal(c.report.removed, 0);
	objects = cluster_seen(&c);
	assert_shows(objects, "10.244.3.0/24 nhid");
	free(objects);
	c.o.plain_routes = true;
	(void)cluster_apply(&c);
	objects = cluster_seen(&c);
	assert_string_equal(objects, plain);
	free(objects);
	free(plain);
	cluster_end(&c);
}

/* Direct and host-gw routes go with the link and do not come back by themselves. */
static void direct_routes_are_repaired(void **state)
{
	static const char *const commands[] = {
		"ip link set under down; ip link set under up; ip addr add fd50::1/64 dev under "
		"nodad",
		"ip route del 10.244.2.0/24; ip route del 10.244.3.0/24; "
		"ip -6 route flush proto 112",
		"ip nexthop flush",
		"ip route replace 10.244.2.0/24 via 192.168.50.2",
		"ip route replace 10.244.2.0/24 via 192.168.50.3 proto 112",
		"ip -6 route replace fd44:0:0:2::/64 via fd50::3",
		"ip route add 10.244.9.0/24 via 192.168.50.3 proto 112",
	};
	struct cluster c;
	char *before, *after;

	cluster_begin(&c, *state, 3);
	c.o.backend = OVERLAY_HOST_GW;
	c.o.device4 = c.o.device6 = NULL;
	c.o.has6 = true;
	(void)cluster_apply(&c);
	assert_int_equal(c.report.direct, 4);
	assert_true(c.report.mtu4 == 1500 && c.report.mtu6 == 1500);
	before = cluster_seen(&c);
	assert_shows(before, "via 192.168.50.2 dev under proto 112");
	assert_shows(before, "fd44:0:0:3::/64 via fd50::3 dev under proto 112");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		sandbox_host_ok(c.s, "%s", commands[i]);
		assert_string_not_equal(cluster_differ(&c), "");
		(void)cluster_apply(&c);
		after = cluster_seen(&c);
		assert_string_equal(after, before);
		free(after);
		assert_int_equal(cluster_apply(&c), 0);
		assert_true(cluster_probe(&c));
	}
	free(before);
	cluster_end(&c);
}

/* A peer goes behind a router and comes back. */
static void the_way_is_decided_each_time(void **state)
{
	struct cluster c;

	cluster_begin(&c, *state, 3);
	c.o.direct_routing = true;
	(void)cluster_apply(&c);
	assert_int_equal(c.report.direct, 2);
	assert_string_equal(sandbox_host_ok(c.s, "ip neigh show dev flannel.1"), "");
	sandbox_host_ok(c.s, "ip route add 192.168.50.3/32 via 192.168.50.2");
	assert_false(cluster_probe(&c));
	(void)cluster_apply(&c);
	assert_int_equal(c.report.direct, 1);
	assert_shows(sandbox_host_ok(c.s, "ip route show 10.244.3.0/24"),
		     "via 10.244.3.0 dev flannel.1");
	assert_shows(sandbox_host_ok(c.s, "ip route show 10.244.2.0/24"),
		     "via 192.168.50.2 dev under");
	assert_true(cluster_probe(&c));
	sandbox_host_ok(c.s, "ip route del 192.168.50.3/32");
	(void)cluster_apply(&c);
	assert_int_equal(c.report.direct, 2);
	assert_string_equal(
	    sandbox_host_ok(c.s, "ip neigh show dev flannel.1; bridge fdb show dev flannel.1"), "");
	assert_int_equal(cluster_apply(&c), 0);
	/* host-gw has no other way, and says so. */
	c.o.backend = OVERLAY_HOST_GW;
	sandbox_host_ok(c.s, "ip route add 192.168.50.3/32 via 192.168.50.2");
	(void)cluster_apply(&c);
	assert_int_equal(c.report.unreachable, 1);
	assert_string_equal(sandbox_host_ok(c.s, "ip route show 10.244.3.0/24"), "");
	assert_shows(cluster_differ(&c), "node n3: 192.168.50.3 is behind a gateway");
	cluster_end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(all_damage_is_repaired),
		sandbox_test(all_damage_to_plain_routes_is_repaired),
		sandbox_test(from_plain_routes_to_nexthops_and_back),
		sandbox_test(direct_routes_are_repaired),
		sandbox_test(the_way_is_decided_each_time),
	};

	return sandbox_run_group(tests);
}
