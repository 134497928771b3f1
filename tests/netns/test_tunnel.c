/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sandbox.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "answer.h"
#include "netlink/link.h"
#include "netlink/offload.h"
#include "netlink/tunnel.h"

static const struct tunnel_spec spec = { .name = "vx1",
					 .mtu = 1400,
					 .mac = { { 2, 0, 0, 0, 0, 7 } } };

static struct vxlan wanted(struct sandbox *s, struct nl *nl)
{
	struct vxlan v = { .vni = 7, .has_local = true, .port = 8472, .udp_csum = true };
	struct cni_error err;
	struct link under;

	sandbox_host_ok(s, "ip link add under type bridge && ip addr add 192.0.2.1/24 dev under && "
			   "ip link set under up");
	assert_ok(nl_open(nl, &err), &err);
	assert_ok(link_get(nl, "under", &under, &err), &err);
	assert_true(ip_parse("192.0.2.1", &v.local));
	v.link = under.index;
	return v;
}

static void a_vxlan_is_as_asked_for(void **state)
{
	struct sandbox *s = *state;
	struct cni_error err;
	const char *out;
	struct tunnel t;
	struct nl nl;
	struct vxlan v = wanted(s, &nl);

	v.gbp = true;
	v.udp_csum = false;
	assert_ok(link_add_vxlan(&nl, &spec, &v, &err), &err);
	out = sandbox_host_ok(s, "ip -d link show vx1");
	assert_shows(out, "mtu 1400");
	assert_shows(out, "link/ether 02:00:00:00:00:07");
	assert_shows(out, "vxlan id 7 local 192.0.2.1 dev under");
	assert_shows(out, "dstport 8472 nolearning");
	assert_shows(out, " noudpcsum noudp6zerocsumtx noudp6zerocsumrx gbp");
	assert_null(strstr(out, ",UP"));
	assert_ok(tunnel_get(&nl, "vx1", &t, &err), &err);
	assert_string_equal(t.link.kind, "vxlan");
	assert_true(t.vxlan.vni == v.vni && t.vxlan.link == v.link && t.vxlan.port == v.port);
	assert_true(t.vxlan.has_local && ip_equal(&t.vxlan.local, &v.local));
	assert_true(t.vxlan.gbp && !t.vxlan.udp_csum && !t.vxlan.learning);
	assert_false(t.vxlan.has_remote || t.vxlan.external);
	nl_close(&nl);
}

static int count(const struct tunnel *t, void *arg, struct cni_error *err)
{
	(void)err;
	assert_string_equal(t->link.kind, "vxlan");
	*(int *)arg += 1;
	return 0;
}

/* Made by ip(8): what is read is what it was told, and other kinds are not listed. */
static void the_vxlans_of_others_are_read(void **state)
{
	struct sandbox *s = *state;
	struct cni_error err;
	struct tunnel t;
	struct nl nl;
	int n = 0;

	(void)wanted(s, &nl);
	sandbox_host_ok(
	    s, "ip link add vxa type vxlan id 9 group 239.1.1.1 dev under dstport 4789 ttl 3;"
	       "ip link add vxb type vxlan external dstport 4790;"
	       "ip link add vxc type vxlan id 10 local fd00::1 dstport 4791");
	assert_ok(tunnel_each(&nl, "vxlan", count, &n, &err), &err);
	assert_int_equal(n, 3);
	assert_ok(tunnel_get(&nl, "vxa", &t, &err), &err);
	assert_true(t.vxlan.has_remote && t.vxlan.learning && t.vxlan.udp_csum && t.vxlan.ttl == 3);
	assert_false(t.vxlan.has_local);
	assert_ok(tunnel_get(&nl, "vxb", &t, &err), &err);
	assert_true(t.vxlan.external && t.vxlan.port == 4790);
	assert_ok(tunnel_get(&nl, "vxc", &t, &err), &err);
	assert_true(t.vxlan.has_local && ip_family(&t.vxlan.local) == AF_INET6);
	assert_int_equal(tunnel_get(&nl, "none", &t, &err), -1);
	assert_int_equal(err.sys, ENODEV);
	nl_close(&nl);
}

static void what_packets_leave_is_counted(void **state)
{
	struct sandbox *s = *state;
	struct cni_error err;
	struct tunnel t;
	struct nl nl;
	struct vxlan v = wanted(s, &nl);

	assert_ok(link_add_vxlan(&nl, &spec, &v, &err), &err);
	sandbox_host_ok(s, "ip link set vx1 up; ip addr add 10.1.0.1/24 dev vx1; "
			   "ip neigh add 10.1.0.2 lladdr 02:00:00:00:00:08 dev vx1 nud permanent; "
			   "bridge fdb add 02:00:00:00:00:08 dst 192.0.2.2 dev vx1; "
			   "ping -c1 -W0.1 10.1.0.2 >/dev/null || true");
	assert_ok(tunnel_get(&nl, "vx1", &t, &err), &err);
	assert_true(t.counters.tx_packets >= 1 && t.counters.tx_bytes >= 84);
	nl_close(&nl);
}

static void a_kind_that_is_missing_is_named(void **state)
{
	struct sandbox *s = *state;
	const struct ipip ipip = { .ttl = 0 };
	bool known = false;
	char *before = sandbox_snapshot(s), *after;
	struct cni_error err;
	struct nl nl;

	assert_ok(nl_open(&nl, &err), &err);
	assert_ok(tunnel_known(&nl, "vxlan", &known, &err), &err);
	assert_true(known);
	assert_ok(tunnel_known(&nl, "nosuchkind", &known, &err), &err);
	assert_false(known);
	after = sandbox_snapshot(s);
	assert_string_equal(before, after);
	assert_ok(tunnel_known(&nl, "ipip", &known, &err), &err);
	if (!known) {
		assert_int_equal(
		    link_add_ipip(&nl, &(struct tunnel_spec){ .name = "t" }, &ipip, &err), -1);
		assert_int_equal(err.sys, EOPNOTSUPP);
		assert_shows(err.msg, "kernel module ipip");
	}
	free(before);
	free(after);
	nl_close(&nl);
}

static void checksums_are_switched_off(void **state)
{
	struct sandbox *s = *state;
	struct cni_error err;
	bool on = false;
	struct nl nl;
	struct vxlan v = wanted(s, &nl);

	assert_ok(link_add_vxlan(&nl, &spec, &v, &err), &err);
	assert_ok(offload_tx_checksum("vx1", &on, &err), &err);
	assert_true(on);
	assert_ok(offload_set_tx_checksum(&nl, "vx1", false, &err), &err);
	assert_ok(offload_tx_checksum("vx1", &on, &err), &err);
	assert_false(on);
	assert_int_equal(offload_tx_checksum("none", &on, &err), -1);
	assert_int_equal(err.sys, ENODEV);
	nl_close(&nl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(a_vxlan_is_as_asked_for),
		sandbox_test(the_vxlans_of_others_are_read),
		sandbox_test(what_packets_leave_is_counted),
		sandbox_test(a_kind_that_is_missing_is_named),
		sandbox_test(checksums_are_switched_off),
	};

	return sandbox_run_group(tests);
}
