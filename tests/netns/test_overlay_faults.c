/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each call to the kernel fails once: what is left harms nobody, and the next run makes it right.
 */
#include "overlay_world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "base/scoped.h"
#include "same.h"

/* Something to do at `from`, so that `wanted` is seen afterwards. */
struct trial {
	const char *from; /* a command */
	enum overlay_backend backend;
	bool direct, plain;
	size_t n;
	bool whole; /* at no time leads a route to nothing */
};

/* No route leads through the device to where there is no neighbour with an FDB entry. */
static const char whole[] =
    "for gw in $(ip route | sed -n 's/.* via \\(10.244[0-9.]*\\) dev flannel.1 .*/\\1/p'); do "
    "mac=$(ip neigh show $gw dev flannel.1 nud permanent | sed 's/.*lladdr \\([0-9a-f:]*\\) "
    ".*/\\1/'); "
    "bridge fdb show dev flannel.1 | grep -q \"^$mac dst\" || echo $gw; done";

static void fail_each(struct sandbox *s, const struct trial *t)
{
	struct cluster c;
	struct cni_error err;
	char *wanted, *after;
	int left, k;

	cluster_begin(&c, s, t->n);
	c.o.has6 = true;
	c.o.backend = t->backend;
	c.o.direct_routing = t->direct;
	c.o.plain_routes = t->plain;
	(void)cluster_apply(&c);
	wanted = cluster_seen(&c);
	for (k = 0; k < 100; k++) {
		sandbox_host_ok(s, "%s", t->from);
		left = k;
		c.nl.fail_after = &left;
		if (overlay_apply(&c.nl, &c.o, &c.report, &err) == 0)
			break;
		c.nl.fail_after = NULL;
		if (strstr(err.msg, "(test fault)") == NULL &&
		    strstr(err.details, "(test fault)") == NULL)
			fail_msg("%d: %s (%s)", k, err.msg, err.details);
		if (t->whole)
			assert_string_equal(sandbox_host_ok(s, "%s", whole), "");
		(void)cluster_apply(&c);
		after = cluster_seen(&c);
		assert_same(after, wanted);
		free(after);
		assert_int_equal(cluster_apply(&c), 0);
	}
	assert_in_range(k, 8, 60);
	c.nl.fail_after = NULL;
	free(wanted);
	cluster_end(&c);
}

static void a_new_overlay(void **state)
{
	static const struct trial t = {
		"ip link del flannel.1 2>/dev/null; ip link del flannel-v6.1 "
		"2>/dev/null; true",
		OVERLAY_VXLAN,
		false,
		false,
		3,
		true
	};

	fail_each(*state, &t);
}

static void a_wrong_device_and_stale_nodes(void **state)
{
	static const struct trial t = {
		"ip link del flannel-v6.1; ip link del flannel.1; ip link add flannel.1 type vxlan "
		"id 1 dev "
		"under local 192.168.50.1 dstport 4789 nolearning; ip link set flannel.1 up; "
		"ip addr add 10.244.55.0/32 dev flannel.1; ip addr add 10.244.56.0/32 dev "
		"flannel.1;"
		"ip neigh add 10.244.9.0 dev flannel.1 lladdr 02:00:00:00:00:01 nud permanent;"
		"ip route add 10.244.9.0/24 via 10.244.9.0 dev flannel.1 onlink",
		OVERLAY_VXLAN, false, true, 3
	};

	fail_each(*state, &t);
}

static void repairs_in_place(void **state)
{
	static const struct trial t = {
		"ip link set flannel.1 mtu 1300; ip link set flannel.1 address 02:00:00:00:00:02; "
		"ip route replace 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink; "
		"ip route add 10.244.77.0/24 via 10.244.2.0 dev flannel.1 onlink; "
		"ip -6 addr flush dev flannel-v6.1 scope global; ip nexthop flush",
		OVERLAY_VXLAN, true, false, 4
	};

	fail_each(*state, &t);
}

static void direct_routes(void **state)
{
	static const struct trial t = { "ip nexthop flush; ip -6 route flush proto 112; "
					"ip route replace 10.244.3.0/24 via 192.168.50.9;"
					"ip route add 10.244.80.0/24 via 192.168.50.9 proto 112",
					OVERLAY_HOST_GW, false, false, 4 };

	fail_each(*state, &t);
}

static void a_removal(void **state)
{
	struct cluster c;
	struct cni_error err;
	char *before;
	int left, k;

	cluster_begin(&c, *state, 3);
	c.o.has6 = c.o.direct_routing = true;
	c.nodes[2].public4 = ip_of("198.51.100.3");
	sandbox_host_ok(c.s, "for i in 1 2 3 4 5 6 7 8 9; do ip -6 route get fd50::1 | "
			     "grep -q ^local && break; sleep 0.1; done");
	before = sandbox_snapshot(c.s);
	for (k = 0; k < 60; k++) {
		(void)cluster_apply(&c);
		left = k;
		c.nl.fail_after = &left;
		if (overlay_remove(&c.nl, &c.o, &err) == 0)
			break;
		c.nl.fail_after = NULL;
		assert_int_equal(err.sys, EIO);
		assert_ok(overlay_remove(&c.nl, &c.o, &err), &err);
	}
	assert_in_range(k, 6, 40);
	c.nl.fail_after = NULL;
	assert_ok(overlay_remove(&c.nl, &c.o, &err), &err);
	assert_unchanged(before, c.s);
	cluster_end(&c);
}

/* The question of ADD: a failure is no answer. */
static void a_question(void **state)
{
	struct overlay_report report;
	struct cluster c;
	struct cni_error err;
	bool stands;
	int left, k;

	cluster_begin(&c, *state, 3);
	(void)cluster_apply(&c);
	for (k = 0; k < 60; k++) {
		left = k;
		c.nl.fail_after = &left;
		stands = false;
		if (overlay_probe(&c.nl, &c.o, &stands, &report, &err) == 0)
			break;
		assert_false(stands);
	}
	assert_true(stands);
	/* The underlay's link and address, the device and its address, the entries, the nexthops.
	 */
	assert_int_equal(k, 7);
	c.nl.fail_after = NULL;
	cluster_end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(a_new_overlay),	sandbox_test(a_wrong_device_and_stale_nodes),
		sandbox_test(repairs_in_place), sandbox_test(direct_routes),
		sandbox_test(a_removal),	sandbox_test(a_question),
	};

	return sandbox_run_group(tests);
}
