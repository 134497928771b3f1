/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The development kernel has no ipip: here the bytes, under tests/vm the effect. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink/attr.h"
#include "netlink/req.h"
#include "netlink/tunnelmsg.h"

static struct ip ip_of(const char *text)
{
	struct ip ip;

	assert_true(ip_parse(text, &ip));
	return ip;
}

static void an_ipip_byte_for_byte(void **state)
{
	static const uint8_t want[] = {
		/* nlmsghdr: length 124, RTM_NEWLINK, REQUEST|CREATE|EXCL */
		124, 0, 0, 0, 16, 0, 1, 6, 0, 0, 0, 0, 0, 0, 0, 0,
		/* ifinfomsg */
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		/* IFLA_IFNAME "f.i", IFLA_MTU 1480 */
		8, 0, 3, 0, 'f', '.', 'i', 0, 8, 0, 4, 0, 0xc8, 5, 0, 0,
		/* IFLA_LINKINFO, IFLA_INFO_KIND "ipip", IFLA_INFO_DATA */
		76, 0, 18, 0x80, 9, 0, 1, 0, 'i', 'p', 'i', 'p', 0, 0, 0, 0, 60, 0, 2, 0x80,
		/* IFLA_IPTUN_LINK 7, LOCAL, REMOTE any */
		8, 0, 1, 0, 7, 0, 0, 0, 8, 0, 2, 0, 192, 168, 50, 1, 8, 0, 3, 0, 0, 0, 0, 0,
		/* TTL 0, TOS 0, PMTUDISC 0, PROTO 4: one byte each */
		5, 0, 4, 0, 0, 0, 0, 0, 5, 0, 5, 0, 0, 0, 0, 0, 5, 0, 10, 0, 0, 0, 0, 0, 5, 0, 9, 0,
		4, 0, 0, 0
	};
	const struct tunnel_spec spec = { .name = "f.i", .mtu = 1480 };
	const struct ipip ipip = { .link = 7,
				   .local = ip_of("192.168.50.1"),
				   .remote = ip_of("0.0.0.0") };
	struct nl_req req;

	(void)state;
	nl_begin(&req);
	tunnel_put_ipip(&req, &spec, &ipip);
	assert_false(req.broken);
	assert_int_equal(req.len, sizeof(want));
	assert_memory_equal(req.buf, want, sizeof(want));
}

/* What is sent has the form of what is read. */
static void a_tunnel_is_read_back(void **state)
{
	const struct tunnel_spec spec = { .name = "f.1",
					  .mtu = 1450,
					  .mac = { { 2, 0, 0, 0, 0, 9 } } };
	const struct ipip ipip = { .link = 7,
				   .local = ip_of("192.0.2.1"),
				   .remote = ip_of("0.0.0.0"),
				   .ttl = 64,
				   .pmtudisc = true };
	const struct vxlan vxlan = { .vni = 0xabcdef,
				     .link = 3,
				     .has_local = true,
				     .local = ip_of("fd50::1"),
				     .port = 4789,
				     .ttl = 5,
				     .learning = true,
				     .gbp = true,
				     .udp_csum = true };
	struct nl_req req;
	struct tunnel t;

	(void)state;
	nl_begin(&req);
	tunnel_put_ipip(&req, &spec, &ipip);
	assert_true(tunnel_parse((const struct nlmsghdr *)(const void *)req.buf, &t));
	assert_string_equal(t.link.name, "f.1");
	assert_string_equal(t.link.kind, "ipip");
	assert_int_equal(t.link.mtu, 1450);
	assert_int_equal(t.ipip.link, 7);
	assert_true(ip_equal(&t.ipip.local, &ipip.local) && ip_equal(&t.ipip.remote, &ipip.remote));
	assert_true(t.ipip.ttl == 64 && t.ipip.pmtudisc);

	nl_begin(&req);
	tunnel_put_vxlan(&req, &spec, &vxlan);
	assert_true(tunnel_parse((const struct nlmsghdr *)(const void *)req.buf, &t));
	assert_string_equal(t.link.kind, "vxlan");
	assert_true(mac_equal(&t.link.mac, &spec.mac));
	assert_int_equal(t.vxlan.vni, 0xabcdef);
	assert_int_equal(t.vxlan.link, 3);
	assert_int_equal(t.vxlan.port, 4789);
	assert_true(t.vxlan.has_local && ip_equal(&t.vxlan.local, &vxlan.local));
	assert_true(t.vxlan.learning && t.vxlan.gbp && t.vxlan.udp_csum && t.vxlan.ttl == 5);
	assert_false(t.vxlan.external || t.vxlan.has_remote);
}

/* Counters are aligned to four bytes only, and older or newer kernels send fewer or more. */
static void counters_of_any_length(void **state)
{
	uint64_t counters[40];
	struct nl_req req;
	struct tunnel t;

	(void)state;
	for (size_t i = 0; i < 40; i++)
		counters[i] = i + 1;
	for (size_t n = 1; n <= 40; n += 13) {
		nl_begin(&req);
		nl_msg(&req, RTM_NEWLINK, 0, &(struct ifinfomsg){ .ifi_index = 1 },
		       sizeof(struct ifinfomsg));
		nl_put(&req, IFLA_STATS64, counters, n * sizeof(*counters));
		assert_true(tunnel_parse((const struct nlmsghdr *)(const void *)req.buf, &t));
		assert_int_equal(t.counters.rx_packets, 1);
		assert_int_equal(t.counters.tx_bytes, n > 3 ? 4 : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ipip_byte_for_byte),
		cmocka_unit_test(a_tunnel_is_read_back),
		cmocka_unit_test(counters_of_any_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
