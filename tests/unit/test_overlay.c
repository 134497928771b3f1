/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is decided without a kernel: MACs, ids, needs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "overlay/decide.h"

#define PEERS 1000

static struct ip ip_of(const char *text)
{
	struct ip ip;

	assert_true(ip_parse(text, &ip));
	return ip;
}

static struct ipnet net_of(const char *text)
{
	struct ipnet net;

	assert_true(ipnet_parse(text, &net));
	return net;
}

/* Nodes of different versions must agree: these never change. */
static void the_mac_of_a_vtep(void **state)
{
	const struct overlay o = { .vni = 1 }, two = { .vni = 2 };
	struct overlay_node n = { .public4 = ip_of("192.168.50.2"),
				  .subnet4 = net_of("10.244.2.0/24"),
				  .public6 = ip_of("fd50::2"),
				  .subnet6 = net_of("fd44:0:0:2::/64") };
	const struct mac given = { { 2, 0, 0, 0, 0, 7 } };
	char text[MAC_TEXT];
	struct mac mac;

	(void)state;
	mac = overlay_vtep_mac(&o, &n, AF_INET);
	mac_print(&mac, text);
	assert_string_equal(text, "1a:e9:b8:67:11:27");
	mac = overlay_vtep_mac(&o, &n, AF_INET6);
	mac_print(&mac, text);
	assert_string_equal(text, "5e:cd:a1:3f:ff:47");
	mac = overlay_vtep_mac(&two, &n, AF_INET);
	mac_print(&mac, text);
	assert_string_equal(text, "06:f7:03:e7:5c:c1");
	assert_true((mac.b[0] & 3) == 2);
	n.has_mac4 = true;
	n.mac4 = given;
	mac = overlay_vtep_mac(&o, &n, AF_INET);
	assert_true(mac_equal(&mac, &given));
}

/* A side with a device of ifindex 5 and PEERS wants, and nothing there. */
static void begin(struct side *s, struct overlay *o)
{
	*o = (struct overlay){ .backend = OVERLAY_VXLAN };
	*s = (struct side){ .o = o,
			    .family = AF_INET,
			    .device = "flannel.1",
			    .network = net_of("10.0.0.0/8"),
			    .has_tunnel = true,
			    .tunnel.link.index = 5,
			    .want = calloc(PEERS, sizeof(struct want)),
			    .n_want = PEERS,
			    .found.nexthops = true };
	assert_non_null(s->want);
	for (size_t i = 0; i < PEERS; i++) {
		struct ip ip = ip_of("10.0.0.0");

		ip.b[13] = (uint8_t)(i >> 8);
		ip.b[14] = (uint8_t)i;
		s->want[i] = (struct want){ .dst = ipnet_make(&ip, 24),
					    .reach = OVERLAY_TUNNEL,
					    .hop = { 5, ip, true } };
	}
}

/* As the kernel would have it after the needs were written, sorted as found.c does. */
static void written(struct side *s)
{
	struct found *f = &s->found;

	f->nexthop = calloc(PEERS, sizeof(*f->nexthop));
	f->route = calloc(PEERS, sizeof(*f->route));
	f->kept_nexthop = calloc(PEERS, sizeof(bool));
	f->kept_route = calloc(PEERS, sizeof(bool));
	assert_true(f->nexthop != NULL && f->route != NULL && f->kept_nexthop != NULL &&
		    f->kept_route != NULL);
	f->n_nexthop = f->n_route = PEERS;
	for (size_t i = 0; i < PEERS; i++) {
		const struct want *w = &s->want[i];
		size_t at = i;

		f->route[i] = (struct route_found){ .route = { .dst = w->dst },
						    .index = 5,
						    .nhid = w->nhid,
						    .type = RTN_UNICAST,
						    .protocol = OVERLAY_PROTOCOL };
		for (; at > 0 && f->nexthop[at - 1].id > w->nhid; at--)
			f->nexthop[at] = f->nexthop[at - 1];
		f->nexthop[at] = (struct nexthop){ w->nhid, OVERLAY_PROTOCOL, true, w->hop };
	}
}

static void every_peer_has_an_id_and_keeps_it(void **state)
{
	struct cni_error err;
	struct overlay o;
	struct side s;
	uint32_t ids[PEERS];

	(void)state;
	begin(&s, &o);
	assert_int_equal(nexthops_decide(&s, &err), 0);
	for (size_t i = 0; i < PEERS; i++) {
		ids[i] = s.want[i].nhid;
		assert_int_equal(s.want[i].nexthop, NEED_ADD);
		assert_int_equal(ids[i] >> OVERLAY_ID_SHIFT,
				 overlay_tag(&s.network) >> OVERLAY_ID_SHIFT);
	}
	written(&s);
	for (size_t i = 1; i < PEERS; i++)
		assert_true(s.found.nexthop[i - 1].id < s.found.nexthop[i].id);
	for (size_t i = 0; i < PEERS; i++)
		s.want[i].nhid = s.want[i].nexthop = 0;
	assert_int_equal(nexthops_decide(&s, &err), 0);
	for (size_t i = 0; i < PEERS; i++) {
		assert_int_equal(s.want[i].nhid, ids[i]);
		assert_int_equal(s.want[i].nexthop, NEED_NOTHING);
	}
	side_free(&s);
}

/* Without its route, a peer still finds its object; another's protocol, and it takes a new one. */
static void an_object_is_found_without_its_route(void **state)
{
	struct cni_error err;
	struct overlay o;
	struct side s;
	uint32_t ids[PEERS];

	(void)state;
	begin(&s, &o);
	assert_int_equal(nexthops_decide(&s, &err), 0);
	written(&s);
	for (size_t i = 0; i < PEERS; i++) {
		ids[i] = s.want[i].nhid;
		s.want[i].nhid = s.want[i].nexthop = 0;
	}
	s.found.n_route = 0;
	s.found.nexthop[0].protocol = 4;
	assert_int_equal(nexthops_decide(&s, &err), 0);
	for (size_t i = 0; i < PEERS; i++) {
		const bool taken = ids[i] == s.found.nexthop[0].id;

		assert_true((s.want[i].nhid != ids[i]) == taken);
		assert_int_equal(s.want[i].nexthop, taken ? NEED_ADD : NEED_NOTHING);
		for (size_t k = 0; taken && k < PEERS; k++)
			assert_true(k == i || s.want[k].nhid != s.want[i].nhid);
	}
	side_free(&s);
}

/* A peer whose hop is another: its object is changed, and nobody else's id. */
static void a_peer_that_moves_changes_its_object(void **state)
{
	struct cni_error err;
	struct overlay o;
	struct side s;
	uint32_t id;

	(void)state;
	begin(&s, &o);
	assert_int_equal(nexthops_decide(&s, &err), 0);
	written(&s);
	id = s.want[7].nhid;
	for (size_t i = 0; i < PEERS; i++)
		s.want[i].nhid = s.want[i].nexthop = 0;
	s.want[7].hop = (struct hop){ 2, ip_of("192.168.50.2"), false };
	assert_int_equal(nexthops_decide(&s, &err), 0);
	assert_int_equal(s.want[7].nhid, id);
	assert_int_equal(s.want[7].nexthop, NEED_CHANGE);
	for (size_t i = 0; i < PEERS; i++)
		assert_true(i == 7 || s.want[i].nexthop == NEED_NOTHING);
	side_free(&s);
}

static void whose_a_route_is(void **state)
{
	const struct overlay o = { .vni = 1 };
	const struct side s = { .o = &o,
				.family = AF_INET,
				.network = net_of("10.244.0.0/16"),
				.has_tunnel = true,
				.tunnel.link.index = 5 };
	static const struct {
		const char *dst;
		int index;
		uint8_t protocol, type;
		bool ours;
	} cases[] = {
		{ "10.244.2.0/24", 5, OVERLAY_PROTOCOL, RTN_UNICAST, true },
		{ "10.244.2.0/24", 2, OVERLAY_PROTOCOL, RTN_UNICAST, true },
		{ "10.99.0.0/16", 5, OVERLAY_PROTOCOL, RTN_UNICAST, true },
		{ "10.99.0.0/16", 2, OVERLAY_PROTOCOL, RTN_UNICAST, false },
		{ "10.0.0.0/8", 2, OVERLAY_PROTOCOL, RTN_UNICAST, false },
		{ "10.244.2.0/24", 5, RTPROT_BOOT, RTN_UNICAST, true },
		{ "10.244.2.0/24", 2, RTPROT_BOOT, RTN_UNICAST, false },
		{ "10.99.0.0/16", 5, RTPROT_BOOT, RTN_UNICAST, false },
		{ "10.244.2.0/24", 5, RTPROT_STATIC, RTN_UNICAST, false },
		{ "10.244.2.0/24", 5, RTPROT_KERNEL, RTN_UNICAST, false },
		{ "10.244.2.0/24", 2, RTPROT_BGP, RTN_UNICAST, false },
		{ "10.244.2.0/24", 0, RTPROT_BOOT, RTN_BLACKHOLE, false },
		{ "10.244.2.0/24", 0, OVERLAY_PROTOCOL, RTN_BLACKHOLE, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct route_found r = { .route = { .dst = net_of(cases[i].dst) },
					       .index = cases[i].index,
					       .protocol = cases[i].protocol,
					       .type = cases[i].type };

		if (found_is_ours(&s, &r) != cases[i].ours)
			fail_msg("case %zu: %s", i, cases[i].dst);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_mac_of_a_vtep),
		cmocka_unit_test(every_peer_has_an_id_and_keeps_it),
		cmocka_unit_test(an_object_is_found_without_its_route),
		cmocka_unit_test(a_peer_that_moves_changes_its_object),
		cmocka_unit_test(whose_a_route_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
