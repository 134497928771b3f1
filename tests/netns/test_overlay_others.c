/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is somebody else's stays, and speaks against a configuration where it is in the way. */
#include "overlay_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "answer.h"
#include "base/scoped.h"
#include "same.h"

/* An administrator's, a BGP daemon's, another tunnel's: near the overlay, not of it. */
static const char strangers[] =
    "ip link add other type vxlan id 2 dev under local 192.168.50.1 dstport 8472;"
    "ip link set other up; ip addr add 10.99.0.1/32 dev other;"
    "ip neigh add 10.99.2.0 lladdr 02:00:00:00:00:07 dev other nud permanent;"
    "ip neigh add 192.168.50.2 lladdr 02:00:00:00:00:08 dev under nud permanent;"
    "bridge fdb add 02:00:00:00:00:07 dev other dst 192.168.50.2;"
    "ip route add 10.99.2.0/24 via 10.99.2.0 dev other onlink;"
    "ip route add 10.0.0.0/8 via 192.168.50.200;"
    "ip route add 10.244.40.0/24 via 192.168.50.2;"
    "ip route add 10.244.41.0/24 via 192.168.50.2 proto bgp;"
    "ip route add 10.244.2.0/24 via 192.168.50.2 metric 50;"
    "ip route add blackhole 10.244.1.0/24; ip route add 10.244.1.7/32 dev under;"
    "ip route add 10.77.0.0/16 via 192.168.50.2 proto 112;"
    "ip nexthop add id 5 via 192.168.50.2 dev under; ip nexthop add id 6 via 192.168.50.2 dev "
    "under proto 112;"
    "ip route add 10.78.0.0/16 nhid 5; ip -6 route add fd44:0:0:40::/64 via fd50::2;"
    "ip -6 route add fd78::/64 via fd50::2 proto 112; ip route add 10.244.2.0/24 via 192.168.50.9 "
    "table 7";

static char *all(struct sandbox *s)
{
	char *text = strdup(sandbox_host_ok(
	    s, "ip -o link | sed 's/^[0-9]*: //' | sort; ip -o addr scope global | sed 's/^[0-9]*: "
	       "//' | sort;"
	       "ip route show table all | sort; ip -6 route show table all | grep -v fe80 | sort;"
	       "ip nexthop | sort; ip neigh show nud permanent | sort; bridge fdb show | sort"));

	assert_non_null(text);
	return text;
}

static void strangers_stay(struct cluster *c)
{
	struct cni_error err;
	char *before, *after;

	sandbox_host_ok(c->s, strangers);
	before = all(c->s);
	(void)cluster_apply(c);
	assert_int_equal(cluster_apply(c), 0);
	c->o.n = 2;
	(void)cluster_apply(c);
	assert_int_equal(cluster_apply(c), 0);
	for (int i = 0; i < 2; i++) {
		assert_ok(overlay_remove(&c->nl, &c->o, &err), &err);
		after = all(c->s);
		assert_same(after, before);
		free(after);
	}
	free(before);
}

static void others_stay_beside_a_vxlan(void **state)
{
	struct cluster c;

	cluster_begin(&c, *state, 4);
	c.o.has6 = true;
	strangers_stay(&c);
	cluster_end(&c);
}

static void others_stay_beside_direct_routes(void **state)
{
	struct cluster c;

	cluster_begin(&c, *state, 4);
	c.o.has6 = c.o.direct_routing = true;
	strangers_stay(&c);
	cluster_end(&c);
}

static void others_stay_beside_host_gw(void **state)
{
	struct cluster c;

	cluster_begin(&c, *state, 4);
	c.o.has6 = true;
	c.o.backend = OVERLAY_HOST_GW;
	strangers_stay(&c);
	cluster_end(&c);
}

/* Two overlays to the same nodes: each comes and goes alone, whichever way. */
static void two_overlays_on_one_node(void **state)
{
	static const enum overlay_backend ways[][2] = { { OVERLAY_VXLAN, OVERLAY_VXLAN },
							{ OVERLAY_VXLAN, OVERLAY_HOST_GW },
							{ OVERLAY_HOST_GW, OVERLAY_HOST_GW } };
	struct cluster a, b;
	struct cni_error err;
	char *empty, *one, *after;

	cluster_begin(&a, *state, 4);
	b = a;
	for (size_t i = 0; i < 4; i++) {
		b.nodes[i].subnet4.addr.b[13] = 245;
		assert_int_equal(b.nodes[i].subnet4.addr.b[12], 10);
	}
	b.o.nodes = b.nodes;
	b.o.network4 = net_of("10.245.0.0/16");
	b.o.vni = 2;
	b.o.device4 = "flannel.2";
	empty = all(a.s);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		a.o.backend = ways[i][0];
		b.o.backend = ways[i][1];
		(void)cluster_apply(&a);
		one = all(a.s);
		assert_int_not_equal(cluster_apply(&b), 0);
		assert_int_equal(cluster_apply(&a), 0);
		assert_int_equal(cluster_apply(&b), 0);
		assert_string_equal(cluster_differ(&a), "");
		assert_string_equal(cluster_differ(&b), "");
		assert_ok(overlay_refuse(&a.nl, &a.o, &err), &err);
		assert_ok(overlay_refuse(&b.nl, &b.o, &err), &err);
		assert_ok(overlay_remove(&b.nl, &b.o, &err), &err);
		after = all(a.s);
		assert_same(after, one);
		assert_int_equal(cluster_apply(&a), 0);
		assert_ok(overlay_remove(&a.nl, &a.o, &err), &err);
		free(after);
		after = all(a.s);
		assert_same(after, empty);
		free(after);
		free(one);
	}
	free(empty);
	cluster_end(&a);
}

/* A VPN's prefix around ours comes and goes, and so does what the kernel then wants for IPv6. */
static void a_wider_route_is_no_obstacle(void **state)
{
	struct cluster c;
	char *before, *after;

	cluster_begin(&c, *state, 3);
	c.o.has6 = true;
	(void)cluster_apply(&c);
	before = cluster_seen(&c);
	sandbox_host_ok(
	    c.s, "ip -6 route add fd00::/8 via fd50::9; ip route add 10.0.0.0/8 via 192.168.50.9;"
		 "ip -6 route del fd44:0:0:2::/64");
	assert_shows(cluster_differ(&c), "flannel-v6.1: the route of the whole network");
	assert_int_equal(cluster_apply(&c), 2);
	assert_int_equal(cluster_apply(&c), 0);
	assert_string_equal(cluster_differ(&c), "");
	assert_true(cluster_probe(&c));
	assert_shows(sandbox_host_ok(c.s, "ip -6 route get fd44:0:0:2::7"),
		     "via fd44:0:0:2:: dev flannel-v6.1");
	sandbox_host_ok(c.s, "ip -6 route del fd00::/8; ip route del 10.0.0.0/8");
	assert_int_equal(cluster_apply(&c), 1);
	after = cluster_seen(&c);
	assert_same(after, before);
	free(before);
	free(after);
	cluster_end(&c);
}

/* The ids that our peers would like are somebody's. */
static void ids_of_others_are_not_taken(void **state)
{
	struct cluster c;
	char *id, *after, *before;

	cluster_begin(&c, *state, 2);
	c.o.backend = OVERLAY_HOST_GW;
	(void)cluster_apply(&c);
	id = strdup(sandbox_host_ok(
	    c.s, "ip route show 10.244.2.0/24 | sed 's/.*nhid \\([0-9]*\\) .*/\\1/'"));
	id[strcspn(id, "\n")] = '\0';
	sandbox_host_ok(c.s,
			"ip nexthop flush; ip nexthop add id %s via 192.168.50.99 dev under; "
			"ip nexthop add id $((%s + 1)) via 192.168.50.2 dev under proto 112; "
			"ip route add 172.20.0.0/16 nhid $((%s + 1))",
			id, id, id);
	before = strdup(sandbox_host_ok(c.s, "ip nexthop | sort"));
	(void)cluster_apply(&c);
	assert_int_equal(cluster_apply(&c), 0);
	c.o.n = 1;
	(void)cluster_apply(&c);
	after = strdup(sandbox_host_ok(c.s, "ip nexthop | sort"));
	assert_string_equal(after, before);
	free(id);
	free(before);
	free(after);
	cluster_end(&c);
}

static void a_peer_keeps_its_id(void **state)
{
	struct cluster c;
	char *first, *later;

	cluster_begin(&c, *state, 5);
	(void)cluster_apply(&c);
	first = strdup(sandbox_host_ok(c.s, "ip route show 10.244.4.0/24"));
	c.o.n = 4;
	(void)cluster_apply(&c);
	sandbox_host_ok(c.s, "ip link set flannel.1 down; ip link set flannel.1 up");
	(void)cluster_apply(&c);
	later = strdup(sandbox_host_ok(c.s, "ip route show 10.244.4.0/24"));
	assert_string_equal(later, first);
	free(first);
	free(later);
	cluster_end(&c);
}

/* Neither apply nor refuse changes anything then. */
static void refused(struct cluster *c, int code, const char *part)
{
	struct overlay_report report;
	struct cni_error err;
	char *before = all(c->s), *after;

	if (overlay_refuse(&c->nl, &c->o, &err) == 0)
		fail_msg("not refused: %s", part);
	assert_int_equal(err.code, code);
	assert_shows(err.msg, part);
	if (code == CNI_CONFLICT)
		assert_int_equal(overlay_apply(&c->nl, &c->o, &report, &err), -1);
	after = all(c->s);
	if (code != CNI_CONFLICT)
		assert_same(after, before);
	free(before);
	free(after);
}

static void what_is_in_the_network_is_named(void **state)
{
	static const struct {
		const char *add, *part, *del;
	} cases[] = {
		{ "ip route add 10.244.40.0/24 via 192.168.50.2",
		  "network 10.244.0.0/16 holds 10.244.40.0/24, to which this host has a route (via "
		  "192.168.50.2 dev under)",
		  "ip route del 10.244.40.0/24" },
		{ "ip route add 10.244.0.0/16 via 192.168.50.2 proto static", "holds 10.244.0.0/16",
		  "ip route del 10.244.0.0/16" },
		{ "ip link add lan type bridge; ip link set lan up; ip addr add 10.244.9.1/24 dev "
		  "lan",
		  "holds 10.244.9.0/24, to which this host has a route (dev lan): choose a network "
		  "that no host is in",
		  "ip link del lan" },
		{ "ip link add lan type bridge; ip link set lan up; ip route add 10.244.9.0/24 dev "
		  "lan",
		  "holds 10.244.9.0/24, to which this host has a route (dev lan)",
		  "ip link del lan" },
		{ "ip link add v type vxlan id 5 dstport 999; ip link set v up;"
		  "ip route add 10.244.9.0/24 dev v proto 112",
		  "holds 10.244.9.0/24, to which this host has a route (dev v)", "ip link del v" },
		{ "ip route add 10.244.2.0/24 via 192.168.50.2 proto bgp", "holds 10.244.2.0/24",
		  "ip route del 10.244.2.0/24" },
		{ "ip -6 route add fd44:0:0:9::/64 via fd50::2",
		  "networkV6 fd44::/48 holds fd44:0:0:9::/64", "ip -6 route del fd44:0:0:9::/64" },
		{ "ip route add blackhole 10.244.0.0/16",
		  "holds 10.244.0.0/16, to which this host has a route (blackhole): choose",
		  "ip route del blackhole 10.244.0.0/16" },
		{ "ip route add unreachable 10.244.9.0/24 proto static",
		  "to which this host has a route (unreachable): choose",
		  "ip route del unreachable 10.244.9.0/24" },
	};
	struct cluster c;
	struct cni_error err;

	cluster_begin(&c, *state, 3);
	c.o.has6 = true;
	/* None of this does any harm. */
	sandbox_host_ok(
	    c.s,
	    "ip route add 10.0.0.0/8 via 192.168.50.200; ip route add default via 192.168.50.254;"
	    "ip link add cni0 type bridge; ip addr add 10.244.1.1/24 dev cni0;"
	    "ip link set cni0 up; ip route add 10.244.3.0/24 via 192.168.50.3;"
	    "ip route add 10.244.1.77 dev cni0; ip -6 route add fd00::/8 via fd50::9");
	assert_ok(overlay_refuse(&c.nl, &c.o, &err), &err);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		sandbox_host_ok(c.s, "%s", cases[i].add);
		refused(&c, CNI_INVALID_CONFIG, cases[i].part);
		sandbox_host_ok(c.s, "%s", cases[i].del);
	}
	(void)cluster_apply(&c);
	assert_ok(overlay_refuse(&c.nl, &c.o, &err), &err);
	assert_int_equal(cluster_apply(&c), 0);
	cluster_end(&c);
}

/* The classic mistake. */
static void the_hosts_own_network_is_refused(void **state)
{
	struct cluster c;
	struct cni_error err;

	cluster_begin(&c, *state, 2);
	c.o.network4 = net_of("192.168.0.0/16");
	c.nodes[0].subnet4 = net_of("192.168.1.0/24");
	c.nodes[1].subnet4 = net_of("192.168.2.0/24");
	refused(&c, CNI_INVALID_CONFIG,
		"network 192.168.0.0/16 holds 192.168.50.0/24, to which this host has a route (dev "
		"under): choose a network that no host is in");
	sandbox_host_ok(c.s, "ip route del 192.168.50.0/24");
	refused(&c, CNI_INVALID_CONFIG,
		"network 192.168.0.0/16 holds 192.168.50.1/24, an address of this host's interface "
		"under");
	sandbox_host_ok(c.s,
			"ip addr del 192.168.50.1/24 dev under; ip addr add 10.9.0.1/24 dev under");
	c.nodes[0].local4 = ip_of("10.9.0.1");
	refused(&c, CNI_INVALID_CONFIG,
		"network 192.168.0.0/16 holds node \"n1\"'s own address 192.168.50.1");
	c.nodes[0].public4 = ip_of("203.0.113.1");
	c.nodes[1].public4 = ip_of("203.0.113.2");
	assert_ok(overlay_refuse(&c.nl, &c.o, &err), &err);
	cluster_end(&c);
}

static void devices_in_the_way_are_named(void **state)
{
	struct cluster c;
	struct cni_error err;

	cluster_begin(&c, *state, 2);
	sandbox_host_ok(c.s, "ip link add flannel.1 type bridge");
	refused(&c, CNI_CONFLICT,
		"interface flannel.1 is a bridge, not the overlay's vxlan: rename or remove it, or "
		"give the overlay another backend.device");
	sandbox_host_ok(c.s, "ip link del flannel.1; ip link add vx type vxlan id 1 local "
			     "192.168.50.1 dstport 8472");
	refused(&c, CNI_CONFLICT, "interface vx has VNI 1 on port 8472 already");
	sandbox_host_ok(
	    c.s,
	    "ip link del vx; ip link add vx type vxlan id 2 local 192.168.50.1 dstport 8472 gbp;"
	    "ip link set vx up");
	refused(&c, CNI_CONFLICT,
		"interface vx is on port 8472 and cannot share it (only one of the two has GBP)");
	sandbox_host_ok(
	    c.s,
	    "ip link del vx; ip link add vx type vxlan external dstport 8472; ip link set vx up");
	refused(&c, CNI_CONFLICT, "cannot share it (it takes every VNI)");
	sandbox_host_ok(c.s, "ip link del flannel.1; ip link del vx;"
			     "ip link add vx type vxlan id 1 local fd50::1 dstport 8472;"
			     "ip link add vy type vxlan id 2 local 192.168.50.1 dstport 8472");
	assert_ok(overlay_refuse(&c.nl, &c.o, &err), &err);
	(void)cluster_apply(&c);
	cluster_end(&c);
}

static void the_underlay_has_to_fit(void **state)
{
	struct cluster c;
	struct cni_error err;

	cluster_begin(&c, *state, 2);
	c.o.mtu = 9000;
	refused(
	    &c, CNI_INVALID_CONFIG,
	    "backend.mtu: 9000 is more than the 1500 of interface under; it is the underlay's MTU: "
	    "set at most that, or leave it out");
	c.o.mtu = 600;
	refused(&c, CNI_INVALID_CONFIG,
		"backend.mtu: 600 leaves pods 550 bytes, and IPv4 needs 576: set at least 626");
	c.o.mtu = 1300;
	assert_ok(overlay_refuse(&c.nl, &c.o, &err), &err);
	c.o.has6 = true;
	refused(&c, CNI_INVALID_CONFIG,
		"backend.mtu: 1300 leaves pods 1230 bytes, and IPv6 needs 1280: set at least 1350");
	c.o.mtu = 1345;
	refused(&c, CNI_INVALID_CONFIG, "leaves pods 1275 bytes");
	c.o.mtu = 0;
	sandbox_host_ok(c.s, "ip link set under mtu 1300");
	refused(&c, CNI_INVALID_CONFIG,
		"under: its MTU of 1300 leaves pods 1230 bytes, and IPv6 needs 1280: raise the MTU "
		"of the interface");
	sandbox_host_ok(c.s, "ip link set under mtu 1500");
	c.nodes[0].local4 = ip_of("192.168.50.77");
	refused(&c, CNI_INVALID_CONFIG, "node \"n1\": no interface has the address 192.168.50.77");
	cluster_end(&c);
}

/* Found by apply itself, in between: nothing of the peers is written. */
static void a_route_in_the_way_is_a_conflict(void **state)
{
	struct overlay_report report;
	struct cluster c;
	struct cni_error err;

	cluster_begin(&c, *state, 3);
	sandbox_host_ok(c.s, "ip route add 10.244.3.0/24 via 192.168.50.9 proto bgp");
	assert_int_equal(overlay_apply(&c.nl, &c.o, &report, &err), -1);
	assert_int_equal(err.code, CNI_CONFLICT);
	assert_shows(
	    err.msg,
	    "node \"n3\": somebody else's route to its subnet 10.244.3.0/24 (protocol 186)");
	assert_string_equal(sandbox_host_ok(c.s, "ip route show 10.244.2.0/24"), "");
	assert_shows(cluster_differ(&c), "somebody else's route to its subnet 10.244.3.0/24");
	sandbox_host_ok(c.s, "ip route del 10.244.3.0/24");
	(void)cluster_apply(&c);
	sandbox_host_ok(c.s, "ip route replace 10.244.3.0/24 via 192.168.50.9 proto bgp");
	assert_false(cluster_probe(&c));
	cluster_end(&c);
}

static void behind_address_translation(void **state)
{
	struct cluster c;

	cluster_begin(&c, *state, 2);
	c.nodes[0].public4 = ip_of("203.0.113.1");
	(void)cluster_apply(&c);
	assert_shows(sandbox_host_ok(c.s, "ip -d link show flannel.1"),
		     " local 192.168.50.1 dev under ");
	/* An address that no link is for: the route decides. */
	sandbox_host_ok(c.s,
			"ip addr add 192.0.2.9/32 dev lo; ip route add default via 192.168.50.254;"
			"ip link set under mtu 1480");
	c.nodes[0].local4 = ip_of("192.0.2.9");
	(void)cluster_apply(&c);
	assert_shows(sandbox_host_ok(c.s, "ip -d link show flannel.1"), " local 192.0.2.9 srcport");
	assert_int_equal(c.report.mtu4, 1430);
	assert_true(cluster_probe(&c));
	cluster_end(&c);
}

static void a_kernel_without_ipip_is_named(void **state)
{
	struct cluster c;
	struct cni_error err;
	bool known = false;

	cluster_begin(&c, *state, 2);
	assert_ok(overlay_status(&c.nl, &c.o, &err), &err);
	c.o.backend = OVERLAY_HOST_GW;
	assert_ok(overlay_status(&c.nl, &c.o, &err), &err);
	c.o.backend = OVERLAY_IPIP;
	c.o.device4 = "flannel.ipip";
	assert_ok(tunnel_known(&c.nl, "ipip", &known, &err), &err);
	assert_int_equal(overlay_status(&c.nl, &c.o, &err), known ? 0 : -1);
	if (!known) {
		assert_int_equal(err.code, CNI_NOT_AVAILABLE);
		assert_shows(err.msg, "no ipip links: load its module ipip");
		assert_int_equal(overlay_apply(&c.nl, &c.o, &c.report, &err), -1);
		assert_shows(err.msg,
			     "create ipip flannel.ipip: this needs the kernel module ipip");
	}
	cluster_end(&c);
}

struct shown {
	char text[1024];
	size_t used;
};

static void note(void *arg, const struct overlay_peer *peer)
{
	static const char *const reach[] = { "self", "tunnel", "direct", "unreachable" };
	struct shown *shown = arg;

	shown->used += (size_t)snprintf(
	    shown->text + shown->used, sizeof(shown->text) - shown->used, "%s %d %s %d\n",
	    peer->node->name, peer->family == AF_INET ? 4 : 6, reach[peer->reach], peer->stands);
}

static void each_peer_is_shown(void **state)
{
	struct overlay_device dev[2];
	struct shown shown = { .used = 0 };
	struct cluster c;
	struct cni_error err;

	cluster_begin(&c, *state, 4);
	c.o.has6 = c.o.direct_routing = true;
	c.nodes[2].has6 = false;
	c.nodes[3].public4 = ip_of("198.51.100.4");
	(void)cluster_apply(&c);
	sandbox_host_ok(c.s,
			"ip -6 route del fd44:0:0:2::/64; ip neigh del 10.244.4.0 dev flannel.1;"
			"ip route prepend 10.244.3.0/24 via 192.168.50.9;"
			"ping -c1 -W0.1 10.244.4.7 >/dev/null; true");
	assert_ok(overlay_show(&c.nl, &c.o, dev, note, &shown, &err), &err);
	assert_string_equal(shown.text, "n1 4 self 1\nn2 4 direct 1\nn3 4 direct 0\nn4 4 tunnel 0\n"
					"n1 6 self 1\nn2 6 direct 0\nn4 6 direct 1\n");
	assert_shows(cluster_differ(&c),
		     "node n3: route 10.244.3.0/24: there is another one beside it\n");
	assert_string_equal(dev[0].name, "flannel.1");
	assert_true(dev[0].exists && dev[0].up && dev[0].mtu == 1450 && dev[1].mtu == 1430);
	assert_true(dev[0].counters.tx_packets + dev[0].counters.tx_dropped +
			dev[0].counters.tx_errors >
		    0);
	cluster_end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(others_stay_beside_a_vxlan),
		sandbox_test(others_stay_beside_direct_routes),
		sandbox_test(others_stay_beside_host_gw),
		sandbox_test(two_overlays_on_one_node),
		sandbox_test(a_wider_route_is_no_obstacle),
		sandbox_test(ids_of_others_are_not_taken),
		sandbox_test(a_peer_keeps_its_id),
		sandbox_test(what_is_in_the_network_is_named),
		sandbox_test(the_hosts_own_network_is_refused),
		sandbox_test(devices_in_the_way_are_named),
		sandbox_test(the_underlay_has_to_fit),
		sandbox_test(a_route_in_the_way_is_a_conflict),
		sandbox_test(behind_address_translation),
		sandbox_test(a_kernel_without_ipip_is_named),
		sandbox_test(each_peer_is_shown),
	};

	return sandbox_run_group(tests);
}
