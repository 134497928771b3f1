/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "answer.h"
#include "base/text.h"
#include "netlink/pod.h"

static const struct mac first_mac = { { 0x02, 0, 0, 0, 0, 0x11 } };
static const struct mac second_mac = { { 0x02, 0, 0, 0, 0, 0x22 } };

struct world {
	struct sandbox *s;
	struct nl nl;
	struct link bridge;
};

static struct ipnet net(const char *text)
{
	struct ipnet ret;

	assert_true(ipnet_parse(text, &ret));
	return ret;
}

static struct world world(void **state)
{
	const struct bridge_spec spec = { .name = "cni0", .mac = { { 2, 0, 0, 0, 0, 1 } } };
	struct world w = { .s = *state };
	struct cni_error err;

	assert_ok(nl_open(&w.nl, &err), &err);
	assert_ok(link_add_bridge(&w.nl, &spec, &err), &err);
	assert_ok(link_get(&w.nl, "cni0", &w.bridge, &err), &err);
	/* A port that stays: a bridge without carrier forgets its neighbours by itself. */
	sandbox_host_ok(w.s, "ip link add stay type veth peer name other && ip link set stay up "
			     "master cni0 && ip link set other up && ip link set cni0 up && "
			     "ip addr add 10.88.0.1/16 dev cni0 && "
			     "ip addr add fd00:88::1/64 dev cni0 nodad");
	return w;
}

/* One ADD's work on links and addresses; the namespace is `netns`. */
static void attach(struct world *w, int netns, const char *host_name, const struct mac *mac,
		   bool announce)
{
	const struct veth_spec spec = { .host_name = host_name,
					.master = w->bridge.index,
					.master_name = "cni0",
					.pod_name = "eth0",
					.pod_mac = *mac,
					.netns_fd = netns };
	const struct ip_config ips[] = { { .address = net("10.88.0.5/16") },
					 { .address = net("fd00:88::5/64") } };
	struct pod_config conf = { .ifname = "eth0", .ips = ips, .n_ips = 2 };
	scoped_pod struct pod pod = { .icmp6_fd = -1, .sysctl_fd = -1 };
	struct cni_error err;
	struct link host;

	assert_ok(link_add_veth(&w->nl, &spec, &host, &err), &err);
	assert_ok(pod_open(netns, &pod, &err), &err);
	conf.index = host.peer;
	assert_ok(pod_apply(&pod, &conf, &err), &err);
	if (announce)
		pod_announce(&pod, &conf, mac, &w->nl, host.index);
}

static int listen_on(const struct link *link)
{
	const struct sockaddr_ll at = { .sll_family = AF_PACKET,
					.sll_protocol = htons(ETH_P_ALL),
					.sll_ifindex = link->index };
	const struct timeval limit = { .tv_sec = 2 };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	assert_return_code(fd, errno);
	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), errno);
	assert_return_code(bind(fd, (const struct sockaddr *)&at, sizeof(at)), errno);
	return fd;
}

struct pattern {
	size_t offset, len;
	const uint8_t *bytes;
};

static bool hears(int fd, const struct pattern *want, size_t n)
{
	uint8_t buf[2048];

	for (int i = 0; i < 100; i++) {
		ssize_t len = recv(fd, buf, sizeof(buf), 0);
		size_t k = 0;

		if (len < 0)
			return false;
		while (k < n && (size_t)len >= want[k].offset + want[k].len &&
		       memcmp(buf + want[k].offset, want[k].bytes, want[k].len) == 0)
			k++;
		if (k == n)
			return true;
	}
	return false;
}

/* 10.88.0.5 is at 02:00:00:00:00:11, told to all. */
static bool hears_arp(int fd)
{
	static const uint8_t frame[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,	0,  0, 0, 0, 0x11, 8, 6, /* Ethernet */
		0,    1,    8,	  0,	6,    4,    0,	1, /* a request for IPv4 over Ethernet */
		2,    0,    0,	  0,	0,    0x11, 10, 88, 0, 5, /* sender */
	};
	static const uint8_t target[] = { 10, 88, 0, 5 };
	const struct pattern want[] = { { 0, sizeof(frame), frame }, { 38, 4, target } };

	return hears(fd, want, ARRAY_SIZE(want));
}

/* fd00:88::5 is at 02:00:00:00:00:11, told to all nodes. */
static bool hears_na(int fd)
{
	static const uint8_t ethernet[] = {
		0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x11, 0x86, 0xdd
	};
	static const uint8_t ip6[] = { 0,    32, 58, 255, /* length, ICMPv6, hop limit */
				       0xfd, 0,	 0,  0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5,
				       0xff, 2,	 0,  0,	   0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
	static const uint8_t type[] = { 136, 0 };
	static const uint8_t rest[] = { 0x20, 0, 0, 0, /* override */
					0xfd, 0, 0, 0x88, 0, 0, 0, 0, 0, 0, 0, 0,
					0,    0, 0, 5,	  2, 1, 2, 0, 0, 0, 0, 0x11 };
	const struct pattern want[] = { { 0, sizeof(ethernet), ethernet },
					{ 18, sizeof(ip6), ip6 },
					{ 54, sizeof(type), type },
					{ 58, sizeof(rest), rest } };

	return hears(fd, want, ARRAY_SIZE(want));
}

/* Both frames reach the bridge although the port has only just come up; every time. */
static void the_bridge_hears_both(void **state)
{
	struct world w = world(state);
	char name[IFNAME_MAX], path[64];

	for (int i = 0; i < 20; i++) {
		int fd = listen_on(&w.bridge), ns;
		struct cni_error err;

		assert_true(text_format(name, sizeof(name), "veth%d", i));
		assert_true(text_format(path, sizeof(path), "/run/netns/p%d", i));
		ns = sandbox_netns(path);
		attach(&w, ns, name, &first_mac, true);
		assert_true(hears_arp(fd));
		assert_true(hears_na(fd));
		assert_return_code(close(fd), errno);
		assert_ok(link_delete(&w.nl, name, &err), &err);
		assert_return_code(close(ns), errno);
	}
	nl_close(&w.nl);
}

/* The first pod's MAC is in the host's neighbour table when its address moves to another pod. */
static void a_reused_address_is_reachable_at_once(void **state)
{
	struct world w = world(state);
	int second = sandbox_netns("/run/netns/second");
	struct cni_error err;

	attach(&w, w.s->pod_ns, "vethaaa", &first_mac, true);
	sandbox_host_ok(w.s, "ping -c1 -W5 10.88.0.5 && ping -c1 -W5 fd00:88::5");
	assert_ok(link_delete(&w.nl, "vethaaa", &err), &err);
	attach(&w, second, "vethbbb", &second_mac, true);
	sandbox_host_ok(w.s, "ping -c1 -W5 10.88.0.5");
	sandbox_host_ok(w.s, "ping -c1 -W5 fd00:88::5");
	assert_non_null(strstr(sandbox_host_ok(w.s, "ip neigh"), "02:00:00:00:00:22"));
	assert_null(strstr(sandbox_host_ok(w.s, "ip neigh"), "02:00:00:00:00:11"));
	assert_return_code(close(second), errno);
	nl_close(&w.nl);
}

/* The test above can fail: without announcements the host keeps sending to the dead MAC. */
static void without_announcement_it_is_not(void **state)
{
	struct world w = world(state);
	int second = sandbox_netns("/run/netns/second");
	struct cni_error err;

	attach(&w, w.s->pod_ns, "vethaaa", &first_mac, true);
	sandbox_host_ok(w.s, "ping -c1 -W5 10.88.0.5");
	assert_ok(link_delete(&w.nl, "vethaaa", &err), &err);
	attach(&w, second, "vethbbb", &second_mac, false);
	assert_int_not_equal(sandbox_host(w.s, "ping -c1 -W1 10.88.0.5"), 0);
	assert_return_code(close(second), errno);
	nl_close(&w.nl);
}

/* Announcing leaves no switch on that was not asked for. */
static void arp_notify_is_put_back(void **state)
{
	struct world w = world(state);

	attach(&w, w.s->pod_ns, "vethaaa", &first_mac, true);
	assert_string_equal(sandbox_pod_ok(w.s, "cat /proc/sys/net/ipv4/conf/eth0/arp_notify"),
			    "0\n");
	nl_close(&w.nl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(the_bridge_hears_both),
		sandbox_test(a_reused_address_is_reachable_at_once),
		sandbox_test(without_announcement_it_is_not),
		sandbox_test(arp_notify_is_put_back),
	};

	return sandbox_run_group(tests);
}
