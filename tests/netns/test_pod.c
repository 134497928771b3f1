/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sandbox.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "base/text.h"
#include "netlink/addr.h"
#include "netlink/pod.h"
#include "netns/netns.h"
#include "same.h"

struct world {
	struct sandbox *s;
	struct nl nl;
	struct link bridge, veth;
	struct pod pod;
};

static struct ipnet net(const char *text)
{
	struct ipnet ret;

	assert_true(ipnet_parse(text, &ret));
	return ret;
}

static struct ip ip(const char *text)
{
	struct ip ret;

	assert_true(ip_parse(text, &ret));
	return ret;
}

static struct link add_pod_link(struct world *w, const char *host_name, const char *pod_name)
{
	const struct veth_spec spec = { .host_name = host_name,
					.master = w->bridge.index,
					.master_name = "cni0",
					.pod_name = pod_name,
					.netns_fd = w->s->pod_ns };
	struct cni_error err;
	struct link host;

	assert_ok(link_add_veth(&w->nl, &spec, &host, &err), &err);
	return host;
}

static struct world world(void **state)
{
	const struct bridge_spec spec = { .name = "cni0", .mac = { { 2, 0, 0, 0, 0, 1 } } };
	struct world w = { .s = *state };
	struct cni_error err;

	assert_ok(nl_open(&w.nl, &err), &err);
	assert_ok(link_add_bridge(&w.nl, &spec, &err), &err);
	assert_ok(link_get(&w.nl, "cni0", &w.bridge, &err), &err);
	sandbox_host_ok(w.s, "ip link set cni0 up && ip addr add 10.88.0.1/16 dev cni0 && "
			     "ip addr add fd00:88::1/64 dev cni0 nodad");
	w.veth = add_pod_link(&w, "vethaaa", "eth0");
	assert_ok(pod_open(w.s->pod_ns, &w.pod, &err), &err);
	return w;
}

static void end(struct world *w)
{
	pod_close(&w->pod);
	nl_close(&w->nl);
}

#define IP4                                                                                        \
	{                                                                                          \
		.address = net("10.88.0.5/16"), .has_gateway = true, .gateway = ip("10.88.0.1"),   \
		.interface = 2                                                                     \
	}
#define IP6                                                                                        \
	{                                                                                          \
		.address = net("fd00:88::5/64"), .has_gateway = true, .gateway = ip("fd00:88::1"), \
		.interface = 2                                                                     \
	}

static struct pod_config config(const struct world *w, const struct ip_config *ips, size_t n_ips,
				const struct route *routes, size_t n_routes)
{
	return (struct pod_config){ .index = w->veth.peer,
				    .ifname = "eth0",
				    .ips = ips,
				    .n_ips = n_ips,
				    .interface = 2,
				    .routes = routes,
				    .n_routes = n_routes,
				    .arp_notify = true };
}

static void dual_stack_works_at_once(void **state)
{
	struct world w = world(state);
	const struct ip_config ips[] = { IP4,
					 IP6,
					 { .address = net("10.99.0.9/24"), .interface = 1 } };
	const struct route routes[] = { { .dst = net("0.0.0.0/0") }, { .dst = net("::/0") } };
	const struct pod_config conf = config(&w, ips, 3, routes, 2);
	struct cni_error err;
	const char *out;

	assert_ok(pod_apply(&w.pod, &conf, &err), &err);
	sandbox_pod_ok(w.s, "ping -c1 -W5 10.88.0.1 && ping -c1 -W5 fd00:88::1");
	out = sandbox_pod_ok(w.s, "ip -o addr show dev eth0");
	assert_shows(out, "inet 10.88.0.5/16 brd 10.88.255.255 scope global");
	assert_shows(out, "inet6 fd00:88::5/64 scope global nodad");
	assert_shows(out, "inet6 fe80::");
	assert_null(strstr(out, "tentative"));
	assert_null(strstr(out, "10.99"));
	out = sandbox_pod_ok(w.s, "ip route; ip -6 route");
	assert_shows(out, "default via 10.88.0.1 dev eth0");
	assert_shows(out, "default via fd00:88::1 dev eth0");
	out = sandbox_pod_ok(w.s, "grep . /proc/sys/net/ipv4/conf/eth0/arp_notify "
				  "/proc/sys/net/ipv6/conf/eth0/keep_addr_on_down "
				  "/proc/sys/net/ipv6/conf/eth0/accept_dad");
	assert_shows(out, "arp_notify:1");
	assert_shows(out, "keep_addr_on_down:1");
	assert_shows(out, "accept_dad:0");
	assert_ok(pod_check(&w.pod, &conf, &err), &err);
	sandbox_pod_ok(w.s, "ip link set eth0 down && ip link set eth0 up");
	assert_shows(sandbox_pod_ok(w.s, "ip -o addr show dev eth0"), "fd00:88::5/64");
	end(&w);
}

static void the_host_is_not_touched(void **state)
{
	struct world w = world(state);
	const struct ip_config ips[] = { IP6 };
	const struct pod_config conf = config(&w, ips, 1, NULL, 0);
	struct cni_error err;

	/* A link of the same name on the host: its switches must stay. */
	sandbox_host_ok(w.s, "ip link add eth0 type veth peer name other");
	assert_ok(pod_apply(&w.pod, &conf, &err), &err);
	assert_string_equal(sandbox_host_ok(w.s, "cat /proc/sys/net/ipv6/conf/eth0/accept_dad "
						 "/proc/sys/net/ipv6/conf/eth0/keep_addr_on_down"),
			    "1\n0\n");
	end(&w);
}

static void disabled_ipv6_is_switched_on(void **state)
{
	struct world w = world(state);
	const struct ip_config ips[] = { IP4, IP6 };
	const struct pod_config conf = config(&w, ips, 2, NULL, 0);
	struct cni_error err;

	sandbox_pod_ok(w.s, "for i in all default eth0 lo; do "
			    "echo 1 > /proc/sys/net/ipv6/conf/$i/disable_ipv6; done");
	assert_ok(pod_apply(&w.pod, &conf, &err), &err);
	sandbox_pod_ok(w.s, "ping -c1 -W5 fd00:88::1");
	assert_string_equal(sandbox_pod_ok(w.s, "cat /proc/sys/net/ipv6/conf/lo/disable_ipv6"),
			    "0\n");
	end(&w);
}

static void ipv4_only_leaves_ipv6_disabled(void **state)
{
	struct world w = world(state);
	const struct ip_config ips[] = { IP4 };
	const struct pod_config conf = config(&w, ips, 1, NULL, 0);
	struct cni_error err;

	sandbox_pod_ok(w.s, "echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6");
	assert_ok(pod_apply(&w.pod, &conf, &err), &err);
	assert_string_equal(sandbox_pod_ok(w.s, "cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6"),
			    "1\n");
	end(&w);
}

static void without_addresses_the_pod_is_only_up(void **state)
{
	struct world w = world(state);
	struct pod_config conf = config(&w, NULL, 0, NULL, 0);
	struct cni_error err;

	conf.arp_notify = false;
	assert_ok(pod_apply(&w.pod, &conf, &err), &err);
	assert_shows(sandbox_pod_ok(w.s, "ip link show eth0"), "UP");
	assert_string_equal(sandbox_pod_ok(w.s, "cat /proc/sys/net/ipv6/conf/eth0/accept_dad "
						"/proc/sys/net/ipv6/conf/eth0/keep_addr_on_down "
						"/proc/sys/net/ipv4/conf/eth0/arp_notify"),
			    "1\n0\n0\n");
	end(&w);
}

static void route_attributes_reach_the_kernel(void **state)
{
	struct world w = world(state);
	const struct ip_config ips[] = { IP4, IP6 };
	const struct route routes[] = {
		{ .dst = net("10.1.0.0/16"), .mtu = 1300, .advmss = 1200, .priority = 77 },
		{ .dst = net("10.2.0.9/16"), .has_scope = true, .scope = 253 },
		{ .dst = net("10.3.0.0/16"), .has_table = true, .table = 1234 },
		{ .dst = net("fd01::/64"),
		  .mtu = 1290,
		  .priority = 88,
		  .has_table = true,
		  .table = 99 },
		{ .dst = net("10.4.0.0/16"), .has_gw = true, .gw = ip("10.88.7.7") },
		{ .dst = net("10.5.0.0/16"), .has_table = true, .table = 0 },
		{ .dst = net("fd05::/64"), .has_table = true, .table = 0 },
		{ .dst = net("0.0.0.0/0") },
		{ .dst = net("0.0.0.0/0"), .has_gw = true, .gw = ip("10.88.0.9") },
	};
	const struct pod_config conf = config(&w, ips, 2, routes, ARRAY_SIZE(routes));
	struct cni_error err;
	const char *out;

	assert_ok(pod_apply(&w.pod, &conf, &err), &err);
	out = sandbox_pod_ok(w.s, "ip route show table all; ip -6 route show table all");
	assert_shows(out, "10.1.0.0/16 via 10.88.0.1 dev eth0 metric 77 mtu 1300 advmss 1200");
	assert_shows(out, "10.2.0.0/16 dev eth0 scope link");
	assert_shows(out, "10.3.0.0/16 via 10.88.0.1 dev eth0 table 1234");
	assert_shows(out, "fd01::/64 via fd00:88::1 dev eth0 table 99 metric 88 mtu 1290");
	assert_shows(out, "10.4.0.0/16 via 10.88.7.7 dev eth0");
	assert_shows(out, "default via 10.88.0.1 dev eth0");
	assert_shows(out, "default via 10.88.0.9 dev eth0");
	assert_ok(pod_check(&w.pod, &conf, &err), &err);
	end(&w);
}

static void check_sees_each_difference(void **state)
{
	static const struct {
		const char *command, *message;
	} cases[] = {
		{ "ip addr del 10.88.0.5/16 dev eth0", "address 10.88.0.5/16 is missing on eth0" },
		{ "ip addr del 10.88.0.5/16 dev eth0; ip addr add 10.88.0.5/24 dev eth0",
		  "address 10.88.0.5/16 on eth0 is there as 10.88.0.5/24" },
		{ "ip addr del fd00:88::5/64 dev eth0",
		  "address fd00:88::5/64 is missing on eth0" },
		{ "ip route del 10.1.0.0/16", "route 10.1.0.0/16 of eth0" },
		{ "ip route change 10.1.0.0/16 via 10.88.0.1 mtu 1400",
		  "route 10.1.0.0/16 of eth0" },
		{ "ip route change 10.2.0.0/16 via 10.88.0.7", "route 10.2.0.0/16 via 10.88.0.1" },
		{ "ip route del default", "route 0.0.0.0/0 of eth0" },
		{ "ip route del 10.88.0.0/16", "route 10.88.0.0/16 of eth0" },
		{ "ip -6 route del default", "route ::/0 of eth0" },
		{ "ip route del 10.3.0.0/16 table 55; ip route add 10.3.0.0/16 via 10.88.0.1",
		  "route 10.3.0.0/16 of eth0" },
	};
	struct world w = world(state);
	const struct ip_config ips[] = { IP4, IP6 };
	const struct route routes[] = {
		{ .dst = net("10.1.0.0/16"), .mtu = 1300 },
		{ .dst = net("10.2.0.0/16"), .has_gw = true, .gw = ip("10.88.0.1") },
		{ .dst = net("10.3.0.0/16"), .has_table = true, .table = 55 },
		{ .dst = net("0.0.0.0/0") },
		{ .dst = net("::/0") },
	};
	struct pod_config conf = config(&w, ips, 2, routes, ARRAY_SIZE(routes));
	struct cni_error err;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct link host = w.veth;

		assert_ok(pod_apply(&w.pod, &conf, &err), &err);
		assert_ok(pod_check(&w.pod, &conf, &err), &err);
		sandbox_pod_ok(w.s, "%s", cases[i].command);
		assert_int_equal(pod_check(&w.pod, &conf, &err), -1);
		assert_int_equal(err.code, CNI_CHECK_FAILED);
		assert_shows(err.msg, cases[i].message);
		assert_ok(link_delete_index(&w.nl, host.index, host.name, &err), &err);
		w.veth = add_pod_link(&w, "vethaaa", "eth0");
		conf.index = w.veth.peer;
	}
	end(&w);
}

/* sbr and vrf move routes to other tables, tuning sets another default: none of it is damage. */
static void check_tolerates_what_chained_plugins_do(void **state)
{
	struct world w = world(state);
	const struct ip_config ips[] = { IP4 };
	const struct route routes[] = {
		{ .dst = net("0.0.0.0/0"), .has_gw = true, .gw = ip("10.88.0.1") },
		{ .dst = net("10.1.0.0/16") }
	};
	const struct pod_config conf = config(&w, ips, 1, routes, 2);
	struct cni_error err;

	assert_ok(pod_apply(&w.pod, &conf, &err), &err);
	sandbox_pod_ok(w.s,
		       "ip route del 10.1.0.0/16; ip route add 10.1.0.0/16 via 10.88.0.1 table 100;"
		       "ip route replace default via 10.88.0.77");
	assert_ok(pod_check(&w.pod, &conf, &err), &err);
	end(&w);
}

static void a_taken_address_is_named(void **state)
{
	struct world w = world(state);
	const struct ip_config ips[] = { IP4 };
	const struct pod_config conf = config(&w, ips, 1, NULL, 0);
	struct cni_error err;

	sandbox_pod_ok(w.s, "ip addr add 10.88.0.5/16 dev eth0");
	assert_int_equal(pod_apply(&w.pod, &conf, &err), -1);
	assert_int_equal(err.sys, EEXIST);
	assert_shows(err.msg, "add address 10.88.0.5/16 to eth0");
	end(&w);
}

static void an_unreachable_gateway_is_named(void **state)
{
	struct world w = world(state);
	const struct ip_config ips[] = { IP4 };
	const struct route routes[] = {
		{ .dst = net("10.1.0.0/16"), .has_gw = true, .gw = ip("192.0.2.1") }
	};
	const struct pod_config conf = config(&w, ips, 1, routes, 1);
	struct cni_error err;

	assert_int_equal(pod_apply(&w.pod, &conf, &err), -1);
	assert_shows(err.msg, "add route 10.1.0.0/16 via 192.0.2.1 dev eth0");
	assert_shows(err.details, "gateway");
	end(&w);
}

static void many_routes_take_several_batches(void **state)
{
	struct world w = world(state);
	const struct ip_config ips[] = { IP4 };
	struct route routes[200];
	const struct pod_config conf = config(&w, ips, 1, routes, ARRAY_SIZE(routes));
	struct cni_error err;

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		routes[i] = (struct route){ .dst = net("172.16.0.0/24") };
		routes[i].dst.addr.b[14] = (uint8_t)i;
	}
	assert_ok(pod_apply(&w.pod, &conf, &err), &err);
	assert_string_equal(sandbox_pod_ok(w.s, "ip route | grep -c ^172.16."), "200\n");
	assert_ok(pod_check(&w.pod, &conf, &err), &err);
	end(&w);
}

static void detection_finds_a_duplicate(void **state)
{
	struct world w = world(state);
	const struct ip_config ips[] = { { .address = net("fd00:88::1/64"), .interface = 2 } };
	struct pod_config conf = config(&w, ips, 1, NULL, 0);
	struct cni_error err;

	conf.dad = POD_DAD_ON;
	assert_int_equal(pod_apply(&w.pod, &conf, &err), -1);
	assert_int_equal(err.code, CNI_CONFLICT);
	assert_shows(err.msg, "address fd00:88::1/64 on eth0 is a duplicate");
	end(&w);
}

static void detection_lets_a_free_address_through(void **state)
{
	struct world w = world(state);
	const struct ip_config ips[] = { IP6 };
	struct pod_config conf = config(&w, ips, 1, NULL, 0);
	struct cni_error err;

	conf.dad = POD_DAD_ON;
	assert_ok(pod_apply(&w.pod, &conf, &err), &err);
	assert_null(strstr(sandbox_pod_ok(w.s, "ip -6 -o addr show dev eth0"), "tentative"));
	sandbox_pod_ok(w.s, "ping -c1 -W5 fd00:88::1");
	end(&w);
}

static void a_kernel_without_ipv6_is_told(void **state)
{
	struct world w = world(state);
	const struct ip_config ips[] = { IP4, IP6 };
	const struct pod_config both = config(&w, ips, 2, NULL, 0),
				v4 = config(&w, ips, 1, NULL, 0);
	struct cni_error err;

	/* What pod_open() finds after a boot with ipv6.disable=1. */
	(void)close(w.pod.sysctl_fd);
	w.pod.sysctl_fd = -1;
	w.pod.no_ipv6 = true;
	assert_int_equal(pod_apply(&w.pod, &both, &err), -1);
	assert_int_equal(err.code, CNI_INVALID_CONFIG);
	assert_shows(err.msg, "address fd00:88::5/64 for eth0: IPv6 is switched off");
	assert_string_equal(sandbox_pod_ok(w.s, "ip -o addr show dev eth0"), "");
	assert_ok(pod_apply(&w.pod, &v4, &err), &err);
	end(&w);
}

static void read_only_switches_are_told_unless_preset(void **state)
{
	struct world w = world(state);
	const struct ip_config ips[] = { IP4, IP6 };
	const struct pod_config both = config(&w, ips, 2, NULL, 0),
				v4 = config(&w, ips, 1, NULL, 0);
	struct cni_error err;

	pod_close(&w.pod);
	sandbox_host_ok(w.s, "mount --bind /proc/sys /proc/sys && "
			     "mount -o remount,ro,bind /proc/sys");
	assert_ok(pod_open(w.s->pod_ns, &w.pod, &err), &err);
	assert_int_equal(pod_apply(&w.pod, &both, &err), -1);
	assert_shows(err.msg, "/proc/sys/net/ipv6");
	assert_shows(err.msg, "conf/eth0/keep_addr_on_down");
	assert_shows(err.msg, "read-only");
	assert_ok(pod_apply(&w.pod, &v4, &err), &err);
	pod_close(&w.pod);

	sandbox_host_ok(w.s, "umount -l /proc/sys");
	sandbox_pod_ok(w.s, "ip addr flush dev eth0; "
			    "echo 1 > /proc/sys/net/ipv6/conf/eth0/keep_addr_on_down");
	sandbox_host_ok(w.s, "mount --bind /proc/sys /proc/sys && "
			     "mount -o remount,ro,bind /proc/sys");
	assert_ok(pod_open(w.s->pod_ns, &w.pod, &err), &err);
	assert_ok(pod_apply(&w.pod, &both, &err), &err);
	sandbox_host_ok(w.s, "umount -l /proc/sys");
	end(&w);
}

static void every_failing_step_is_an_error(void **state)
{
	struct world w = world(state);
	const struct ip_config ips[] = { IP4, IP6 };
	const struct route routes[] = { { .dst = net("0.0.0.0/0") } };
	struct pod_config conf = config(&w, ips, 2, routes, 1);
	struct cni_error err;
	int k, left;

	for (k = 0;; k++) {
		left = k;
		w.pod.nl.fail_after = &left;
		if (pod_apply(&w.pod, &conf, &err) == 0)
			break;
		assert_int_equal(err.sys, EIO);
		assert_string_not_equal(err.msg, "");
		assert_ok(link_delete(&w.nl, "vethaaa", &err), &err); /* the caller's undo */
		w.veth = add_pod_link(&w, "vethaaa", "eth0");
		conf.index = w.veth.peer;
	}
	assert_int_equal(k, 4); /* disable_ipv6, keep_addr_on_down, the batch, the wait */
	end(&w);
}

struct parallel {
	struct pod pod;
	struct pod_config conf;
	pthread_barrier_t *start;
	struct cni_error err;
	int r;
};

static void *apply_one(void *arg)
{
	struct parallel *p = arg;

	(void)pthread_barrier_wait(p->start);
	p->r = pod_apply(&p->pod, &p->conf, &p->err);
	return NULL;
}

/* containerd attaches all networks of a pod at once. */
static void two_interfaces_at_once(void **state)
{
	struct world w = world(state);
	const struct ip_config ips[2][2] = {
		{ IP4, IP6 },
		{ { .address = net("10.99.0.5/16"), .interface = 2 },
		  { .address = net("fd00:99::5/64"), .interface = 2 } },
	};
	struct parallel two[2];
	pthread_barrier_t start;
	pthread_t threads[2];

	for (int round = 0; round < 20; round++) {
		struct link other = add_pod_link(&w, "vethbbb", "eth1");
		struct cni_error err;

		sandbox_pod_ok(w.s, "echo 1 > /proc/sys/net/ipv6/conf/lo/disable_ipv6");
		assert_int_equal(pthread_barrier_init(&start, NULL, 2), 0);
		for (int i = 0; i < 2; i++) {
			two[i] = (struct parallel){ .conf = config(&w, ips[i], 2, NULL, 0),
						    .start = &start };
			assert_ok(pod_open(w.s->pod_ns, &two[i].pod, &err), &err);
		}
		two[1].conf.ifname = "eth1";
		two[1].conf.index = other.peer;
		for (int i = 0; i < 2; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, apply_one, &two[i]), 0);
		for (int i = 0; i < 2; i++) {
			assert_int_equal(pthread_join(threads[i], NULL), 0);
			assert_ok(two[i].r, &two[i].err);
			pod_close(&two[i].pod);
		}
		assert_int_equal(pthread_barrier_destroy(&start), 0);
		assert_ok(link_delete(&w.nl, "vethaaa", &err), &err);
		assert_ok(link_delete(&w.nl, "vethbbb", &err), &err);
		w.veth = add_pod_link(&w, "vethaaa", "eth0");
	}
	end(&w);
}

static void closing_what_never_opened(void **state)
{
	struct pod pod = { .icmp6_fd = -1, .sysctl_fd = -1 };
	struct sandbox *s = *state;
	struct cni_error err;

	pod_close(&pod);
	assert_int_equal(pod_open(0, &pod, &err), -1); /* standard input is no namespace */
	assert_shows(err.msg, "enter the pod's network namespace");
	pod_close(&pod);
	assert_ok(pod_open(s->pod_ns, &pod, &err), &err);
	pod_close(&pod);
	pod_close(&pod);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(dual_stack_works_at_once),
		sandbox_test(the_host_is_not_touched),
		sandbox_test(disabled_ipv6_is_switched_on),
		sandbox_test(ipv4_only_leaves_ipv6_disabled),
		sandbox_test(without_addresses_the_pod_is_only_up),
		sandbox_test(route_attributes_reach_the_kernel),
		sandbox_test(check_sees_each_difference),
		sandbox_test(check_tolerates_what_chained_plugins_do),
		sandbox_test(a_taken_address_is_named),
		sandbox_test(an_unreachable_gateway_is_named),
		sandbox_test(many_routes_take_several_batches),
		sandbox_test(detection_finds_a_duplicate),
		sandbox_test(detection_lets_a_free_address_through),
		sandbox_test(a_kernel_without_ipv6_is_told),
		sandbox_test(read_only_switches_are_told_unless_preset),
		sandbox_test(every_failing_step_is_an_error),
		sandbox_test(two_interfaces_at_once),
		sandbox_test(closing_what_never_opened),
	};

	return sandbox_run_group(tests);
}
