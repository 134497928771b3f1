/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an overlay writes per peer: neighbours, FDB entries, nexthops and routes. */
#include "sandbox.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "answer.h"
#include "base/scoped.h"
#include "base/text.h"
#include "netlink/fdb.h"
#include "netlink/link.h"
#include "netlink/neigh.h"
#include "netlink/req.h"
#include "netlink/route.h"

#define MAC "02:00:00:00:00:08"

struct world {
	struct sandbox *s;
	struct nl nl;
	struct nl_req req;
	int vx;
};

static struct ip ip_of(const char *text)
{
	struct ip ip;

	assert_true(ip_parse(text, &ip));
	return ip;
}

static struct mac mac_of(const char *text)
{
	struct mac mac;

	assert_true(mac_parse(text, &mac));
	return mac;
}

static struct ipnet net_of(const char *text)
{
	struct ipnet net;

	assert_true(ipnet_parse(text, &net));
	return net;
}

static void begin(struct world *w, void **state)
{
	struct cni_error err;
	struct link link;

	*w = (struct world){ .s = *state };
	sandbox_host_ok(w->s,
			"ip link add vx type vxlan id 7 local 192.0.2.1 dstport 8472 nolearning &&"
			"ip link set vx up && ip addr add 10.1.0.1/32 dev vx &&"
			"ip addr add fd01::1/128 dev vx nodad");
	assert_ok(nl_open(&w->nl, &err), &err);
	assert_ok(link_get(&w->nl, "vx", &link, &err), &err);
	w->vx = link.index;
	nl_begin(&w->req);
}

static void done(struct world *w)
{
	struct cni_error err;

	assert_ok(nl_flush(&w->nl, &w->req, &err), &err);
}

static void neighbours_come_change_and_go(void **state)
{
	const struct ip four = ip_of("10.1.2.0"), six = ip_of("fd01:2::"), none = ip_of("10.9.9.9");
	scoped_free struct neigh *list = NULL, *list6 = NULL;
	struct cni_error err;
	struct world w;
	size_t n, n6;

	begin(&w, state);
	neigh_put_set(&w.req, w.vx, &(struct neigh){ four, mac_of("02:00:00:00:00:01") });
	neigh_put_set(&w.req, w.vx, &(struct neigh){ four, mac_of(MAC) });
	neigh_put_set(&w.req, w.vx, &(struct neigh){ six, mac_of(MAC) });
	done(&w);
	/* Neither another link's nor one that comes and goes by itself is listed. */
	sandbox_host_ok(w.s, "ip neigh add 10.1.2.9 dev vx lladdr " MAC " nud reachable;"
			     "ip link add br0 type bridge; ip link set br0 up;"
			     "ip neigh add 10.1.2.8 dev br0 lladdr " MAC " nud permanent");
	assert_string_equal(sandbox_host_ok(w.s, "ip neigh show dev vx nud permanent | sort"),
			    "10.1.2.0 lladdr " MAC " PERMANENT \nfd01:2:: lladdr " MAC
			    " PERMANENT \n");
	assert_ok(neigh_list(&w.nl, AF_INET, w.vx, &list, &n, &err), &err);
	assert_int_equal(n, 1);
	assert_true(ip_equal(&list[0].ip, &four));
	assert_ok(neigh_list(&w.nl, AF_INET6, w.vx, &list6, &n6, &err), &err);
	assert_int_equal(n6, 1);
	assert_true(ip_equal(&list6[0].ip, &six));
	neigh_put_delete(&w.req, w.vx, &four);
	neigh_put_delete(&w.req, w.vx, &none);
	neigh_put_delete(&w.req, w.vx, &six);
	done(&w);
	assert_string_equal(sandbox_host_ok(w.s, "ip neigh show dev vx nud permanent"), "");
	nl_close(&w.nl);
}

static void fdb_entries_come_change_and_go(void **state)
{
	scoped_free struct fdb *list = NULL;
	const struct mac mac = mac_of(MAC), none = mac_of("02:00:00:00:00:01");
	const struct ip one = ip_of("192.0.2.7"), two = ip_of("192.0.2.8");
	struct cni_error err;
	struct world w;
	size_t n, plain = 0;

	begin(&w, state);
	fdb_put_set(&w.req, w.vx, &mac, &one);
	fdb_put_set(&w.req, w.vx, &mac, &two);
	done(&w);
	assert_string_equal(sandbox_host_ok(w.s, "bridge fdb show dev vx"),
			    MAC " dst 192.0.2.8 self permanent\n");
	sandbox_host_ok(w.s, "bridge fdb add 02:00:00:00:00:0a dev vx dst 192.0.2.9 port 99;"
			     "bridge fdb add 02:00:00:00:00:0b dev vx dst 192.0.2.9 dynamic;"
			     "bridge fdb append 00:00:00:00:00:00 dev vx dst 192.0.2.3;"
			     "bridge fdb append 00:00:00:00:00:00 dev vx dst 192.0.2.4");
	assert_ok(fdb_list(&w.nl, w.vx, &list, &n, &err), &err);
	assert_int_equal(n, 4);
	for (size_t i = 0; i < n; i++) {
		plain += !list[i].odd;
		assert_true(list[i].has_dst);
		fdb_put_delete(&w.req, w.vx, &list[i]);
	}
	assert_int_equal(plain, 3);
	fdb_put_delete(&w.req, w.vx, &(struct fdb){ .mac = none });
	done(&w);
	assert_string_equal(sandbox_host_ok(w.s, "bridge fdb show dev vx | grep permanent; true"),
			    "");
	nl_close(&w.nl);
}

static void a_nexthop_and_its_route(void **state)
{
	scoped_free struct nexthop *list = NULL;
	struct nexthop nh = { .id = 7001, .protocol = 112 };
	struct hop_route route = { .dst = net_of("10.1.2.0/24"), .protocol = 112, .nhid = 7001 };
	struct cni_error err;
	struct world w;
	size_t n;

	begin(&w, state);
	nh.hop = (struct hop){ w.vx, ip_of("10.1.2.0"), true };
	nexthop_put_set(&w.req, &nh, false);
	route_put_hop(&w.req, &route);
	nh.hop.gw = ip_of("10.1.3.0");
	nexthop_put_set(&w.req, &nh, true);
	done(&w);
	assert_shows(sandbox_host_ok(w.s, "ip route show 10.1.2.0/24"),
		     "10.1.2.0/24 nhid 7001 via 10.1.3.0 dev vx proto 112 onlink");
	sandbox_host_ok(w.s, "ip nexthop add id 3 blackhole; ip nexthop add id 4 dev vx;"
			     "ip nexthop add id 5 group 7001");
	assert_ok(nexthop_list(&w.nl, &list, &n, &err), &err);
	assert_int_equal(n, 4);
	for (size_t i = 0; i < n; i++)
		assert_true(list[i].plain == (list[i].id == 7001));
	assert_true(hop_equal(&list[3].hop, &nh.hop) && list[3].protocol == 112);
	/* Taken: not replaced. */
	nexthop_put_set(&w.req, &nh, false);
	assert_int_equal(nl_flush(&w.nl, &w.req, &err), -1);
	assert_int_equal(err.sys, EEXIST);
	nl_begin(&w.req);
	nexthop_put_delete(&w.req, 7001);
	nexthop_put_delete(&w.req, 7002);
	done(&w);
	assert_string_equal(sandbox_host_ok(w.s, "ip route show 10.1.2.0/24"), "");
	assert_int_not_equal(sandbox_host(w.s, "ip nexthop show id 7001"), 0);
	nl_close(&w.nl);
}

static bool into_ten(const struct route_found *r, void *arg)
{
	return ipnet_contains(arg, &r->route.dst.addr);
}

/* Everything else of its prefix stays. */
static void a_route_goes_alone(void **state)
{
	struct ipnet ten = net_of("10.1.0.0/16");
	const struct route_pick pick = {
		.family = AF_INET, .table = RT_TABLE_MAIN, .wanted = into_ten, .arg = &ten
	};
	struct hop_route route = { .dst = net_of("10.1.2.0/24"), .protocol = 112 };
	scoped_free struct route_found *list = NULL;
	struct cni_error err;
	struct world w;
	char *before;
	size_t n;

	begin(&w, state);
	sandbox_host_ok(
	    w.s, "ip nexthop add id 9 via 10.1.2.0 dev vx onlink;"
		 "ip route add 10.1.2.0/24 via 10.1.2.0 dev vx onlink metric 5 proto 112;"
		 "ip route add 10.1.2.0/24 via 10.1.2.0 dev vx onlink metric 6 proto 112 table 7;"
		 "ip route add 10.1.2.0/24 nhid 9 metric 7 proto 112;"
		 "ip route add 10.2.0.0/16 via 10.1.2.0 dev vx onlink");
	before = strdup(sandbox_host_ok(w.s, "ip route; ip route show table 7"));
	route.hop = (struct hop){ w.vx, ip_of("10.1.2.0"), true };
	route_put_hop(&w.req, &route);
	done(&w);
	assert_ok(route_pick(&w.nl, &pick, &list, &n, &err), &err);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(list[i].index, w.vx);
		assert_int_equal(list[i].protocol, 112);
		assert_int_equal(list[i].nhid, list[i].route.priority == 7 ? 9 : 0);
		assert_true(list[i].onlink);
		if (list[i].route.priority == 5)
			route_put_delete(&w.req, &list[i]);
	}
	done(&w);
	assert_string_equal(
	    sandbox_host_ok(w.s, "ip route show 10.1.2.0/24 | cut -d' ' -f1-6"),
	    "10.1.2.0/24 via 10.1.2.0 dev vx proto\n10.1.2.0/24 nhid 9 via 10.1.2.0 dev\n");
	sandbox_host_ok(w.s,
			"ip route add 10.1.2.0/24 via 10.1.2.0 dev vx onlink metric 5 proto 112");
	for (size_t i = 0; i < n; i++) {
		if (list[i].route.priority == 0)
			route_put_delete(&w.req, &list[i]);
	}
	done(&w);
	assert_string_equal(sandbox_host_ok(w.s, "ip route; ip route show table 7"), before);
	for (size_t i = 0; i < n; i++)
		route_put_delete(&w.req, &list[i]);
	done(&w);
	assert_string_equal(sandbox_host_ok(w.s, "ip route"),
			    "10.2.0.0/16 via 10.1.2.0 dev vx onlink \n");
	free(before);
	nl_close(&w.nl);
}

/* A namespace without any IPv4 route has no main table. */
static void no_table_is_no_routes(void **state)
{
	struct ipnet ten = net_of("10.1.0.0/16");
	const struct route_pick pick = {
		.family = AF_INET, .table = RT_TABLE_MAIN, .wanted = into_ten, .arg = &ten
	};
	struct route_found *list = NULL;
	struct cni_error err;
	struct nl nl;
	size_t n = 1;

	(void)state;
	assert_ok(nl_open(&nl, &err), &err);
	assert_ok(route_pick(&nl, &pick, &list, &n, &err), &err);
	assert_int_equal(n, 0);
	free(list);
	nl_close(&nl);
}

static int take_route(const struct nlmsghdr *nlh, size_t index, void *arg, struct cni_error *err)
{
	struct route_found *list = arg;

	(void)err;
	assert_true(route_parse(nlh, &list[index]));
	return 0;
}

static void a_packet_is_matched(void **state)
{
	const struct ip dsts[] = { ip_of("10.1.2.9"), ip_of("10.1.0.1"), ip_of("203.0.113.1"),
				   ip_of("fd01:2::9"), ip_of("fd01::1") };
	struct route_found list[5] = { { .index = 0 } };
	struct world w;

	begin(&w, state);
	sandbox_host_ok(
	    w.s, "ip route add 10.1.2.0/24 via 10.1.2.0 dev vx onlink;"
		 "ip -6 route add fd01:2::/64 via fd01:2:: dev vx onlink;"
		 "for i in 1 2 3 4 5 6 7 8 9; do ip -6 route get fd01::1 | grep -q ^local && break;"
		 " sleep 0.1; done");
	for (size_t i = 0; i < ARRAY_SIZE(dsts); i++)
		route_put_match(&w.req, &dsts[i]);
	w.req.reply = take_route;
	w.req.reply_arg = list;
	done(&w);
	assert_true(list[0].index == w.vx && ipnet_plen(&list[0].route.dst) == 24);
	assert_true(list[1].index == w.vx && list[1].type == RTN_LOCAL);
	assert_int_equal(list[2].index, 0);
	assert_true(list[3].index == w.vx && ipnet_plen(&list[3].route.dst) == 64);
	assert_int_equal(list[3].route.priority, ROUTE_METRIC6);
	assert_true(list[4].index == w.vx && list[4].type == RTN_LOCAL);
	nl_close(&w.nl);
}

/* More than one request holds. */
static void many_at_once(void **state)
{
	scoped_free struct neigh *list = NULL;
	struct route_way ways[150];
	struct ip dsts[150];
	struct cni_error err;
	struct world w;
	char text[32];
	size_t n;

	begin(&w, state);
	sandbox_host_ok(w.s,
			"ip route add 10.1.9.0/24 dev vx; ip route add 10.1.8.0/24 via 10.1.9.1;"
			"ip route add blackhole 10.1.7.0/24; ip route add prohibit 10.1.6.0/24");
	for (size_t i = 0; i < ARRAY_SIZE(dsts); i++) {
		assert_true(text_format(text, sizeof(text), "10.1.%zu.%zu", 5 + i % 5, i));
		dsts[i] = ip_of(text);
		assert_ok(nl_room(&w.nl, &w.req, &err), &err);
		neigh_put_set(&w.req, w.vx, &(struct neigh){ dsts[i], mac_of(MAC) });
	}
	done(&w);
	assert_ok(neigh_list(&w.nl, AF_INET, w.vx, &list, &n, &err), &err);
	assert_int_equal(n, ARRAY_SIZE(dsts));
	assert_ok(route_lookups(&w.nl, dsts, ARRAY_SIZE(dsts), ways, &err), &err);
	for (size_t i = 0; i < ARRAY_SIZE(dsts); i++) {
		assert_int_equal(ways[i].index, i % 5 >= 3 ? w.vx : 0);
		assert_int_equal(ways[i].gateway, i % 5 == 3);
	}
	/* A failure is told, whichever part it is in. */
	for (size_t i = 0; i < 130; i++) {
		assert_ok(nl_room(&w.nl, &w.req, &err), &err);
		neigh_put_set(&w.req, i == 129 ? 999 : w.vx,
			      &(struct neigh){ dsts[i], mac_of(MAC) });
	}
	assert_int_equal(nl_flush(&w.nl, &w.req, &err), -1);
	assert_int_equal(err.sys, ENODEV);
	assert_shows(err.msg, "of link number 999");
	nl_close(&w.nl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(neighbours_come_change_and_go),
		sandbox_test(fdb_entries_come_change_and_go),
		sandbox_test(a_nexthop_and_its_route),
		sandbox_test(a_route_goes_alone),
		sandbox_test(no_table_is_no_routes),
		sandbox_test(a_packet_is_matched),
		sandbox_test(many_at_once),
	};

	return sandbox_run_group(tests);
}
