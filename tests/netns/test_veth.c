/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sandbox.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "answer.h"
#include "base/text.h"
#include "netlink/link.h"
#include "same.h"

#define ALIAS "podwire net cont eth0"

struct world {
	struct sandbox *s;
	struct nl nl;
	struct link bridge;
};

static const struct mac bridge_mac = { { 0x02, 0, 0, 0, 0, 1 } };
static const struct mac host_mac = { { 0x02, 0, 0, 0, 0, 2 } };
static const struct mac pod_mac = { { 0x0a, 0x58, 10, 88, 0, 5 } };

static struct world world(void **state)
{
	const struct bridge_spec spec = { .name = "cni0", .mac = bridge_mac };
	struct world w = { .s = *state };
	struct cni_error err;

	assert_ok(nl_open(&w.nl, &err), &err);
	assert_ok(link_add_bridge(&w.nl, &spec, &err), &err);
	assert_ok(link_get(&w.nl, "cni0", &w.bridge, &err), &err);
	return w;
}

static struct veth_spec spec_for(const struct world *w)
{
	return (struct veth_spec){ .host_name = "vethaaa",
				   .alias = ALIAS,
				   .host_mac = host_mac,
				   .master = w->bridge.index,
				   .master_name = "cni0",
				   .hairpin = true,
				   .isolated = true,
				   .mtu = 1400,
				   .pod_name = "eth0",
				   .pod_mac = pod_mac,
				   .netns_fd = w->s->pod_ns };
}

/* What another program sees, from sysfs: it is mounted once per sandbox_host() shell. */
static void a_pair_is_ready_for_use(void **state)
{
	struct world w = world(state);
	const struct veth_spec spec = spec_for(&w);
	struct link host;
	struct cni_error err;
	const char *out;

	assert_ok(link_add_veth(&w.nl, &spec, &host, &err), &err);
	assert_string_equal(host.name, "vethaaa");
	assert_string_equal(host.alias, ALIAS);
	assert_string_equal(host.kind, "veth");
	assert_string_equal(host.slave_kind, "bridge");
	assert_true(host.hairpin && host.isolated);
	assert_int_equal(host.mtu, 1400);
	assert_int_equal(host.master, w.bridge.index);
	assert_true(host.flags & IFF_UP);
	assert_memory_equal(&host.mac, &host_mac, sizeof(host_mac));

	out = sandbox_host_ok(w.s, "ip -d link show vethaaa");
	assert_shows(out, "mtu 1400");
	assert_shows(out, ",UP");
	assert_shows(out, "master cni0");
	assert_shows(out, "alias " ALIAS);
	assert_shows(out, "hairpin on");
	assert_shows(out, "isolated on");
	assert_shows(out, "addrgenmode none");
	assert_shows(out, "link/ether 02:00:00:00:00:02");
	out = sandbox_pod_ok(w.s, "ip -d link show eth0");
	assert_shows(out, "mtu 1400");
	assert_shows(out, "link/ether 0a:58:0a:58:00:05");
	assert_null(strstr(out, ",UP"));
	out = sandbox_pod_ok(w.s,
			     "cat /sys/class/net/eth0/ifindex 2>/dev/null; ip -o link show eth0");
	{
		char index[16];

		assert_true(text_format(index, sizeof(index), "%d: eth0", host.peer));
		assert_shows(out, index);
	}
	nl_close(&w.nl);
}

static void the_host_end_has_no_address_when_up(void **state)
{
	struct world w = world(state);
	const struct veth_spec spec = spec_for(&w);
	struct link host;
	struct cni_error err;

	assert_ok(link_add_veth(&w.nl, &spec, &host, &err), &err);
	sandbox_pod_ok(w.s, "ip link set eth0 up");
	assert_string_equal(sandbox_host_ok(w.s, "ip -o addr show dev vethaaa"), "");
	nl_close(&w.nl);
}

static void plain_pair_without_bridge(void **state)
{
	struct world w = world(state);
	const struct veth_spec spec = { .host_name = "vethport",
					.pod_name = "cni0.100",
					.netns_fd = -1 };
	struct link host, peer;
	struct cni_error err;

	assert_ok(link_add_veth(&w.nl, &spec, &host, &err), &err);
	assert_ok(link_get(&w.nl, "cni0.100", &peer, &err), &err);
	assert_int_equal(host.peer, peer.index);
	assert_int_equal(peer.peer, host.index);
	assert_string_equal(host.alias, "");
	assert_int_equal(host.master, 0);
	nl_close(&w.nl);
}

static void a_taken_host_name_is_told_and_left_alone(void **state)
{
	char *before;
	struct world w = world(state);
	const struct veth_spec spec = spec_for(&w);
	struct link host;
	struct cni_error err;

	sandbox_host_ok(w.s, "ip link add vethaaa type veth peer name other && "
			     "ip link set vethaaa alias theirs");
	before = sandbox_snapshot(w.s);
	assert_int_equal(link_add_veth(&w.nl, &spec, &host, &err), -1);
	assert_int_equal(err.sys, EEXIST);
	assert_shows(err.msg, "the host already has an interface vethaaa");
	assert_shows(err.details, "theirs");
	assert_unchanged(before, w.s);
	nl_close(&w.nl);
}

static void a_taken_pod_name_is_told_and_left_alone(void **state)
{
	char *before;
	struct world w = world(state);
	const struct veth_spec spec = spec_for(&w);
	struct link host;
	struct cni_error err;

	sandbox_pod_ok(w.s, "ip link add eth0 type veth peer name other");
	before = sandbox_snapshot(w.s);
	assert_int_equal(link_add_veth(&w.nl, &spec, &host, &err), -1);
	assert_int_equal(err.sys, EEXIST);
	assert_shows(err.msg, "the pod already has an interface eth0");
	assert_unchanged(before, w.s);
	nl_close(&w.nl);
}

/* Every call fails once: whatever the stage, nothing is left. */
static void every_failing_call_leaves_nothing(void **state)
{
	struct world w = world(state);
	const struct veth_spec spec = spec_for(&w);
	struct link host;
	struct cni_error err;
	int k, left;

	for (k = 0;; k++) {
		char *before = sandbox_snapshot(w.s);

		left = k;
		w.nl.fail_after = &left;
		if (link_add_veth(&w.nl, &spec, &host, &err) == 0) {
			free(before);
			break;
		}
		w.nl.fail_after = NULL;
		assert_int_equal(err.sys, EIO);
		assert_unchanged(before, w.s);
	}
	assert_int_equal(k, 2);
	nl_close(&w.nl);
}

/* The kernel refuses one message of the batch while the others run. */
static void every_refused_message_leaves_nothing(void **state)
{
	static char long_alias[300];
	struct world w = world(state);
	struct veth_spec bad[4];
	struct link host;
	struct cni_error err;

	/* A bridge that once had a port looks a little different for ever. */
	assert_ok(link_add_veth(&w.nl,
				&(struct veth_spec){ .host_name = "first",
						     .master = w.bridge.index,
						     .pod_name = "eth9",
						     .netns_fd = w.s->pod_ns },
				&host, &err),
		  &err);
	assert_ok(link_delete(&w.nl, "first", &err), &err);
	memset(long_alias, 'x', sizeof(long_alias) - 1);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = spec_for(&w);
	bad[0].alias = long_alias; /* message 2 */
	bad[1].master = 9999;	   /* message 1 */
	bad[2].mtu = 10;	   /* message 1 */
	bad[3].host_mac.b[0] = 1;  /* message 1: a multicast address */
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char *before = sandbox_snapshot(w.s);

		assert_int_equal(link_add_veth(&w.nl, &bad[i], &host, &err), -1);
		assert_int_not_equal(err.sys, 0);
		assert_unchanged(before, w.s);
	}
	nl_close(&w.nl);
}

static void ignored_without_ipv6_on_the_host(void **state)
{
	struct world w = world(state);
	struct veth_spec spec = spec_for(&w);
	struct link host;
	struct cni_error err;

	/* Below 1280 bytes a link has no IPv6 at all: the kernel answers as with ipv6.disable=1. */
	spec.mtu = 1000;
	assert_ok(link_add_veth(&w.nl, &spec, &host, &err), &err);
	assert_int_equal(host.mtu, 1000);
	nl_close(&w.nl);
}

static void the_1024th_port_gets_its_own_message(void **state)
{
	struct world w = world(state);
	struct veth_spec spec = spec_for(&w);
	char name[IFNAME_MAX], peer[IFNAME_MAX];
	struct cni_error err = { .code = CNI_OK };
	struct link host;
	int n = 0;

	spec.host_name = name;
	spec.pod_name = peer;
	for (; n < 1100; n++) {
		assert_true(text_format(name, sizeof(name), "veth%d", n));
		assert_true(text_format(peer, sizeof(peer), "peer%d", n));
		if (link_add_veth(&w.nl, &spec, &host, &err) < 0)
			break;
	}
	assert_int_equal(n, 1023);
	assert_int_equal(err.code, CNI_EXHAUSTED);
	assert_int_equal(err.sys, EXFULL);
	assert_string_equal(err.msg, "bridge cni0 already has 1,023 ports, the kernel's limit: use "
				     "another bridge for further pods");
	assert_int_equal(link_get(&w.nl, name, &host, &err), -1);
	assert_int_equal(err.sys, ENODEV);
	nl_close(&w.nl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(a_pair_is_ready_for_use),
		sandbox_test(the_host_end_has_no_address_when_up),
		sandbox_test(plain_pair_without_bridge),
		sandbox_test(a_taken_host_name_is_told_and_left_alone),
		sandbox_test(a_taken_pod_name_is_told_and_left_alone),
		sandbox_test(every_failing_call_leaves_nothing),
		sandbox_test(every_refused_message_leaves_nothing),
		sandbox_test(ignored_without_ipv6_on_the_host),
		sandbox_test(the_1024th_port_gets_its_own_message),
	};

	return sandbox_run_group(tests);
}
