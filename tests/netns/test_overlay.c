/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An overlay as other programs see it, and the order in which it comes to be. */
#include "overlay_world.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "answer.h"
#include "base/scoped.h"

#define MAC2 "1a:e9:b8:67:11:27" /* of n2's lease; for good */

static void a_node_is_programmed(void **state)
{
	struct cluster c;

	cluster_begin(&c, *state, 3);
	c.o.has6 = true;
	assert_int_equal(cluster_apply(&c), 2 * 2 + 2 * 4 + 2 * 3);
	assert_true(c.report.device_made && c.report.changed == 0 && c.report.removed == 0);
	assert_int_equal(c.report.mtu4, 1450);
	assert_int_equal(c.report.mtu6, 1430);
	assert_shows(sandbox_host_ok(c.s, "ip -d link show flannel.1"),
		     "vxlan id 1 local 192.168.50.1 dev under srcport 0 0 dstport 8472 nolearning");
	assert_string_equal(
	    sandbox_host_ok(c.s, "ip -o -4 addr show dev flannel.1 | cut -d' ' -f7"),
	    "10.244.1.0/32\n");
	assert_string_equal(sandbox_host_ok(c.s, "ip -4 neigh show dev flannel.1 | sort | head -1"),
			    "10.244.2.0 lladdr " MAC2 " PERMANENT \n");
	assert_string_equal(sandbox_host_ok(c.s, "bridge fdb show dev flannel.1 | grep " MAC2),
			    MAC2 " dst 192.168.50.2 self permanent\n");
	assert_shows(sandbox_host_ok(c.s, "ip route show 10.244.2.0/24"),
		     " via 10.244.2.0 dev flannel.1 proto 112 onlink");
	assert_shows(sandbox_host_ok(c.s, "ip route show 10.244.2.0/24"), " nhid 19");
	assert_shows(sandbox_host_ok(c.s, "ip -d link show flannel-v6.1"),
		     "vxlan id 1 local fd50::1 dev under srcport 0 0 dstport 8472 nolearning");
	assert_shows(sandbox_host_ok(c.s, "ip link show flannel-v6.1"), "mtu 1430");
	assert_shows(sandbox_host_ok(c.s, "ip -6 addr show dev flannel-v6.1 scope global"),
		     "inet6 fd44:0:0:1::/128 scope global");
	assert_shows(sandbox_host_ok(c.s, "ip -6 route show fd44:0:0:3::/64"),
		     "via fd44:0:0:3:: dev flannel-v6.1 proto 112 metric 1024 onlink");
	assert_shows(sandbox_host_ok(c.s, "bridge fdb show dev flannel-v6.1"), " dst fd50::3 self");
	assert_string_equal(sandbox_host_ok(c.s, "cat /proc/sys/net/ipv6/conf/flannel.1/accept_ra "
						 "/proc/sys/net/ipv6/conf/flannel-v6.1/accept_ra"),
			    "0\n0\n");
	assert_int_equal(cluster_apply(&c), 0);
	assert_false(c.report.device_made);
	assert_string_equal(cluster_differ(&c), "");
	assert_true(cluster_probe(&c));
	cluster_end(&c);
}

/* Who hears all changes. */
static int listener(void)
{
	const struct sockaddr_nl all = { .nl_family = AF_NETLINK,
					 .nl_groups = RTMGRP_NEIGH | RTMGRP_IPV4_ROUTE };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
	int nexthops = RTNLGRP_NEXTHOP;

	assert_return_code(fd, errno);
	assert_return_code(bind(fd, (const struct sockaddr *)&all, sizeof(all)), errno);
	assert_return_code(
	    setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &nexthops, sizeof(nexthops)),
	    errno);
	return fd;
}

static char letter(const struct nlmsghdr *nlh)
{
	const struct ndmsg *ndm = (const struct ndmsg *)(const void *)(nlh + 1);
	const struct rtmsg *rtm = (const struct rtmsg *)(const void *)(nlh + 1);

	switch (nlh->nlmsg_type) {
	case RTM_NEWNEIGH:
		return (ndm->ndm_state & NUD_PERMANENT) == 0 ? 0
		       : ndm->ndm_family == AF_BRIDGE	     ? 'f'
							     : 'n';
	case RTM_DELNEIGH:
		return ndm->ndm_family == AF_BRIDGE ? 'F' : 'N';
	case RTM_NEWNEXTHOP:
		return 'x';
	case RTM_DELNEXTHOP:
		return 'X';
	case RTM_NEWROUTE:
		return rtm->rtm_table == RT_TABLE_MAIN ? 'r' : 0;
	case RTM_DELROUTE:
		return rtm->rtm_table == RT_TABLE_MAIN ? 'R' : 0;
	}
	return 0;
}

/* f, n, x, r: an FDB entry, neighbour, nexthop, route was set; capitals: removed. */
static const char *heard(int fd, char buf[64])
{
	_Alignas(8) uint8_t bytes[32768];
	size_t used = 0;
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)(const void *)bytes;
		int left = (int)n;

		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
			if (letter(nlh) != 0 && used < 63)
				buf[used++] = letter(nlh);
		}
	}
	buf[used] = '\0';
	return buf;
}

static void no_packet_is_sent_into_nothing(void **state)
{
	struct cluster c;
	scoped_fd int fd = -1;
	char buf[64];

	cluster_begin(&c, *state, 2);
	c.o.n = 1;
	(void)cluster_apply(&c);
	fd = listener();
	c.o.n = 2;
	assert_int_equal(cluster_apply(&c), 4);
	assert_string_equal(heard(fd, buf), "fnxr");
	/* Another VTEP: the new MAC leads somewhere before the address leads to it. */
	c.nodes[1].has_mac4 = true;
	c.nodes[1].mac4 = (struct mac){ { 2, 0, 0, 0, 0, 9 } };
	assert_int_equal(cluster_apply(&c), 3);
	assert_string_equal(heard(fd, buf), "fnF");
	/* Another address of the same VTEP: in place. */
	c.nodes[1].public4 = ip_of("192.168.50.77");
	assert_int_equal(cluster_apply(&c), 1);
	assert_string_equal(heard(fd, buf), "f");
	/* Reached directly: the nexthop switches over, then the rest goes. */
	c.o.direct_routing = true;
	assert_int_equal(cluster_apply(&c), 3);
	assert_string_equal(heard(fd, buf), "xrNF");
	assert_int_equal(c.report.direct, 1);
	c.o.direct_routing = false;
	assert_int_equal(cluster_apply(&c), 3);
	assert_string_equal(heard(fd, buf), "fnxr");
	c.o.n = 1;
	assert_int_equal(cluster_apply(&c), 4);
	assert_string_equal(heard(fd, buf), "RXNF");
	cluster_end(&c);
}

/* A new subnet of the same node: all of the old one goes. */
static void a_node_moves(void **state)
{
	struct cluster c;
	const char *out;

	cluster_begin(&c, *state, 3);
	c.o.has6 = true;
	(void)cluster_apply(&c);
	c.nodes[1].subnet4 = net_of("10.244.99.0/24");
	c.nodes[1].subnet6 = net_of("fd44:0:0:99::/64");
	assert_int_not_equal(cluster_apply(&c), 0);
	out =
	    sandbox_host_ok(c.s, "ip route; ip -6 route; ip neigh show nud permanent; ip nexthop");
	assert_null(strstr(out, "10.244.2.0"));
	assert_null(strstr(out, "fd44:0:0:2::"));
	assert_shows(out, "10.244.99.0/24 nhid");
	assert_shows(out, "fd44:0:0:99::/64 via");
	assert_string_equal(sandbox_host_ok(c.s, "bridge fdb show dev flannel.1 | wc -l"), "2\n");
	assert_string_equal(sandbox_host_ok(c.s, "bridge fdb show dev flannel-v6.1 | wc -l"),
			    "2\n");
	assert_int_equal(cluster_apply(&c), 0);
	cluster_end(&c);
}

static void stale_nodes_disappear(void **state)
{
	struct cluster c;
	char *two, *after;

	cluster_begin(&c, *state, 6);
	c.o.has6 = true;
	c.o.n = 3;
	(void)cluster_apply(&c);
	two = cluster_seen(&c);
	c.o.n = 6;
	assert_int_equal(cluster_apply(&c), 3 * 7);
	c.o.n = 3;
	assert_shows(cluster_differ(&c), "route 10.244.5.0/24: no node has it\n");
	assert_shows(cluster_differ(&c), "neighbour 10.244.6.0: no node has it\n");
	assert_int_equal(cluster_apply(&c), 3 * 7);
	assert_int_equal(c.report.removed, 3 * 7);
	after = cluster_seen(&c);
	assert_string_equal(after, two);
	free(two);
	free(after);
	cluster_end(&c);
}

static void the_mtu_follows_the_underlay(void **state)
{
	struct cluster c;
	char *index;

	cluster_begin(&c, *state, 2);
	c.o.has6 = true;
	(void)cluster_apply(&c);
	index = strdup(sandbox_host_ok(c.s, "ip -o link show flannel.1 | cut -d: -f1"));
	sandbox_host_ok(c.s, "ip link set under mtu 1600");
	assert_false(cluster_probe(&c));
	assert_shows(cluster_differ(&c), "flannel.1: mtu 1450, wanted 1550\n");
	assert_int_equal(cluster_apply(&c), 2);
	assert_int_equal(c.report.mtu4, 1550);
	assert_int_equal(c.report.mtu6, 1530);
	assert_shows(sandbox_host_ok(c.s, "ip link show flannel-v6.1"), "mtu 1530");
	c.o.mtu = 1400;
	assert_int_equal(cluster_apply(&c), 2);
	assert_shows(sandbox_host_ok(c.s, "ip link show flannel.1"), "mtu 1350");
	assert_string_equal(sandbox_host_ok(c.s, "ip -o link show flannel.1 | cut -d: -f1"), index);
	free(index);
	cluster_end(&c);
}

static void checksums_as_configured(void **state)
{
	struct cluster c;

	cluster_begin(&c, *state, 2);
	(void)cluster_apply(&c);
	assert_shows(sandbox_host_ok(c.s, "ip -d link show flannel.1"), " udpcsum ");
	c.o.checksum = OVERLAY_CSUM_OFF;
	assert_shows(cluster_differ(&c), "flannel.1: transmit checksums are on, wanted off\n");
	assert_int_equal(cluster_apply(&c), 1);
	assert_int_equal(cluster_apply(&c), 0);
	assert_false(c.report.device_made);
	c.o.checksum = OVERLAY_CSUM_OUTER_OFF;
	(void)cluster_apply(&c);
	assert_true(c.report.device_made);
	assert_shows(sandbox_host_ok(c.s, "ip -d link show flannel.1"), " noudpcsum ");
	assert_int_equal(cluster_apply(&c), 0);
	c.o.gbp = c.o.learning = true;
	(void)cluster_apply(&c);
	assert_true(c.report.device_made);
	assert_shows(sandbox_host_ok(c.s, "ip -d link show flannel.1"), " gbp ");
	assert_null(strstr(c.s->out, "nolearning"));
	assert_int_equal(cluster_apply(&c), 0);
	cluster_end(&c);
}

/* flannel's cluster of one node: its plain routes, its device of another MAC. */
static void flannels_own_are_taken_over(void **state)
{
	struct cluster c;
	char *ours, *after;

	cluster_begin(&c, *state, 3);
	(void)cluster_apply(&c);
	ours = cluster_seen(&c);
	for (int round = 0; round < 2; round++) {
		sandbox_host_ok(
		    c.s,
		    "ip link del flannel.1; ip link add flannel.1 mtu 1450 txqlen 0 type vxlan id "
		    "1 dev "
		    "under "
		    "local 192.168.50.1 dstport 8472 nolearning && ip link set flannel.1 up && "
		    "ip addr add 10.244.1.0/32 dev flannel.1 && for i in 2 3 9; do "
		    "ip neigh add 10.244.$i.0 lladdr 02:00:00:00:00:0$i dev flannel.1 nud "
		    "permanent; "
		    "bridge fdb add 02:00:00:00:00:0$i dev flannel.1 dst 192.168.50.$i; "
		    "ip route add 10.244.$i.0/24 via 10.244.$i.0 dev flannel.1 onlink; done");
		(void)cluster_apply(&c);
		assert_false(c.report.device_made);
		after = cluster_seen(&c);
		assert_string_equal(after, ours);
		free(after);
	}
	free(ours);
	cluster_end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(a_node_is_programmed),
		sandbox_test(no_packet_is_sent_into_nothing),
		sandbox_test(a_node_moves),
		sandbox_test(stale_nodes_disappear),
		sandbox_test(the_mtu_follows_the_underlay),
		sandbox_test(checksums_as_configured),
		sandbox_test(flannels_own_are_taken_over),
	};

	return sandbox_run_group(tests);
}
