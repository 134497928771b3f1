/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sandbox.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "answer.h"
#include "netlink/addr.h"
#include "netlink/link.h"
#include "netlink/req.h"
#include "netlink/route.h"

static struct ipnet net(const char *text)
{
	struct ipnet ret;

	assert_true(ipnet_parse(text, &ret));
	return ret;
}

static struct nl opened(struct sandbox *s)
{
	struct cni_error err;
	struct nl nl;

	sandbox_host_ok(s,
			"for i in 0 1; do ip link add br$i type bridge && ip link set br$i up && "
			"ip addr add 10.$i.0.1/24 dev br$i && "
			"ip addr add fd0$i::1/64 dev br$i nodad; done");
	assert_ok(nl_open(&nl, &err), &err);
	return nl;
}

static int index_of(struct nl *nl, const char *name)
{
	struct cni_error err;
	struct link link;

	assert_ok(link_get(nl, name, &link, &err), &err);
	return link.index;
}

static const struct route_found *find(const struct route_found *list, size_t n, const char *dst,
				      int index, uint32_t table)
{
	const struct ipnet want = net(dst);

	for (size_t i = 0; i < n; i++) {
		if (ipnet_equal(&list[i].route.dst, &want) && list[i].index == index &&
		    list[i].route.table == table)
			return &list[i];
	}
	return NULL;
}

static void routes_are_read_as_they_are(void **state)
{
	scoped_free struct route_found *list = NULL;
	struct sandbox *s = *state;
	scoped_nl struct nl nl = opened(s);
	int br0 = index_of(&nl, "br0"), br1 = index_of(&nl, "br1");
	const struct ip gw = net("10.0.0.7/32").addr;
	const struct route_found *r;
	struct cni_error err;
	size_t n;

	sandbox_host_ok(s, "ip route add 10.9.0.0/16 via 10.0.0.7 table 1234 metric 5 mtu 1300 "
			   "advmss 1200; ip route add default nexthop via 10.0.0.7 "
			   "nexthop via 10.1.0.7; ip route add blackhole 10.8.0.0/16");
	assert_ok(route_list(&nl, AF_INET, 0, &list, &n, &err), &err);
	r = find(list, n, "10.9.0.0/16", br0, 1234);
	assert_non_null(r);
	assert_true(r->route.has_gw && ip_equal(&r->route.gw, &gw));
	assert_int_equal(r->route.priority, 5);
	assert_int_equal(r->route.mtu, 1300);
	assert_int_equal(r->route.advmss, 1200);
	assert_int_equal(r->type, RTN_UNICAST);
	r = find(list, n, "10.0.0.0/24", br0, RT_TABLE_MAIN);
	assert_non_null(r);
	assert_false(r->route.has_gw);
	assert_int_equal(r->route.scope, RT_SCOPE_LINK);
	assert_int_equal(r->protocol, RTPROT_KERNEL);
	assert_non_null(find(list, n, "0.0.0.0/0", br0, RT_TABLE_MAIN));
	assert_non_null(find(list, n, "0.0.0.0/0", br1, RT_TABLE_MAIN));
	r = find(list, n, "10.8.0.0/16", 0, RT_TABLE_MAIN);
	assert_non_null(r);
	assert_int_equal(r->type, RTN_BLACKHOLE);
}

static void routes_of_one_link(void **state)
{
	scoped_free struct route_found *four = NULL, *six = NULL;
	struct sandbox *s = *state;
	scoped_nl struct nl nl = opened(s);
	int br1 = index_of(&nl, "br1");
	struct cni_error err;
	size_t n4, n6;

	assert_ok(route_list(&nl, AF_INET, br1, &four, &n4, &err), &err);
	assert_ok(route_list(&nl, AF_INET6, br1, &six, &n6, &err), &err);
	assert_non_null(find(four, n4, "10.1.0.0/24", br1, RT_TABLE_MAIN));
	assert_non_null(find(six, n6, "fd01::/64", br1, RT_TABLE_MAIN));
	for (size_t i = 0; i < n4; i++)
		assert_int_equal(four[i].index, br1);
	for (size_t i = 0; i < n6; i++)
		assert_int_equal(six[i].index, br1);
}

static void a_gateway_is_told(void **state)
{
	struct sandbox *s = *state;
	scoped_nl struct nl nl = opened(s);
	const struct ip four = net("198.51.100.1/32").addr, six = net("2001:db8:9::1/128").addr,
			odd = net("203.0.113.1/32").addr;
	struct route_way way = { .gateway = false };
	struct cni_error err;

	sandbox_host_ok(s, "ip route add 198.51.100.0/24 via 10.1.0.9 dev br1 && "
			   "ip route add 203.0.113.0/24 via inet6 fd01::9 dev br1 && "
			   "ip -6 route add 2001:db8:9::/64 via fd01::9 dev br1");
	assert_ok(route_lookup(&nl, &four, &way, &err), &err);
	assert_true(way.gateway);
	way.gateway = false;
	assert_ok(route_lookup(&nl, &six, &way, &err), &err);
	assert_true(way.gateway);
	way.gateway = false;
	assert_ok(route_lookup(&nl, &odd, &way, &err), &err);
	assert_true(way.gateway);
}

static void the_way_of_a_packet(void **state)
{
	struct sandbox *s = *state;
	scoped_nl struct nl nl = opened(s);
	const struct ip far = net("10.1.0.99/32").addr, own = net("fd01::1/128").addr,
			none = net("192.0.2.1/32").addr;
	struct cni_error err;
	struct route_way way = { .local = true, .gateway = true };

	assert_ok(route_lookup(&nl, &far, &way, &err), &err);
	assert_int_equal(way.index, index_of(&nl, "br1"));
	assert_false(way.local);
	assert_false(way.gateway);
	assert_ok(addr_wait(&nl, "br1", &own, &err), &err);
	assert_ok(route_lookup(&nl, &own, &way, &err), &err);
	assert_true(way.local);
	assert_int_equal(route_lookup(&nl, &none, &way, &err), -1);
	assert_int_equal(err.sys, ENETUNREACH);
	assert_non_null(strstr(err.msg, "look up the route to 192.0.2.1"));
}

/* The kernel puts the local route in behind our back; here somebody plays a slow kernel. */
static void an_address_is_waited_for(void **state)
{
	struct sandbox *s = *state;
	scoped_nl struct nl nl = opened(s);
	const struct ip own = net("fd01::1/128").addr, four = net("10.1.0.1/32").addr;
	struct cni_error err;
	struct route_way way;

	assert_ok(addr_wait(&nl, "br1", &own, &err), &err);
	sandbox_host_ok(s, "ip -6 route del local fd01::1 dev br1 table local");
	assert_ok(route_lookup(&nl, &own, &way, &err), &err);
	assert_false(way.local);
	sandbox_host_ok(s, "{ sleep 0.3; ip -6 route add local fd01::1 dev br1 table local; } "
			   ">/dev/null 2>&1 &");
	assert_ok(addr_wait(&nl, "br1", &own, &err), &err);
	assert_ok(route_lookup(&nl, &own, &way, &err), &err);
	assert_true(way.local);
	assert_ok(addr_wait(&nl, "br1", &four, &err), &err);
}

static void the_mtu_of_the_way_out(void **state)
{
	struct sandbox *s = *state;
	scoped_nl struct nl nl = opened(s);
	struct cni_error err;
	uint32_t mtu = 0;

	assert_int_equal(route_default_mtu(&nl, &mtu, &err), -1);
	assert_int_equal(err.sys, ENOENT);
	sandbox_host_ok(s, "ip link set br0 mtu 1410; ip link set br1 mtu 1420; "
			   "ip -6 route add default via fd00::9");
	assert_ok(route_default_mtu(&nl, &mtu, &err), &err);
	assert_int_equal(mtu, 1410);
	sandbox_host_ok(s, "ip route add default via 10.0.0.9 metric 50; "
			   "ip route add default via 10.1.0.9 metric 10; "
			   "ip route add default via 10.0.0.9 table 7");
	assert_ok(route_default_mtu(&nl, &mtu, &err), &err);
	assert_int_equal(mtu, 1420);
}

static void loopback_through_each_bridge(void **state)
{
	struct sandbox *s = *state;
	scoped_nl struct nl nl = opened(s);
	struct cni_error err;

	for (int i = 0; i < 2; i++) {
		assert_ok(route_add_local6(&nl, index_of(&nl, "br0"), "br0", &err), &err);
		assert_ok(route_add_local6(&nl, index_of(&nl, "br1"), "br1", &err), &err);
	}
	assert_string_equal(sandbox_host_ok(s,
					    "ip -6 route show table local | grep ^local.::1.dev.br"
					    " | cut -d' ' -f1-6 | sort"),
			    "local ::1 dev br0 metric 1024\nlocal ::1 dev br1 metric 1024\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(routes_are_read_as_they_are),  sandbox_test(routes_of_one_link),
		sandbox_test(the_way_of_a_packet),	    sandbox_test(a_gateway_is_told),
		sandbox_test(an_address_is_waited_for),	    sandbox_test(the_mtu_of_the_way_out),
		sandbox_test(loopback_through_each_bridge),
	};

	return sandbox_run_group(tests);
}
