/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * On a kernel without bridge VLAN filtering these tests hold the message; run under another one
 * (tests/vm/run) they hold what the bridge does.
 */
#include "sandbox.h"

#include <errno.h>
#include <string.h>

#include "answer.h"
#include "base/scoped.h"
#include "netlink/link.h"
#include "netlink/vlan.h"

/* What the kernel can do, asked without our code. */
static bool has_filtering(struct sandbox *s)
{
	return sandbox_host(s, "ip link add probe type bridge vlan_filtering 1 && "
			       "ip -d link show probe | grep -q 'vlan_filtering 1'") == 0;
}

static struct nl opened(struct sandbox *s, bool filtering, struct link *port)
{
	const struct bridge_spec spec = { .name = "br0", .vlan_filtering = filtering };
	struct cni_error err;
	struct nl nl;

	assert_ok(nl_open(&nl, &err), &err);
	assert_ok(link_add_bridge(&nl, &spec, &err), &err);
	sandbox_host_ok(s, "ip link add p0 type veth peer name other && "
			   "ip link set p0 master br0 && "
			   "ip link add more type veth peer name evenmore && "
			   "ip link set more master br0");
	assert_ok(link_get(&nl, "p0", port, &err), &err);
	return nl;
}

static void vlans_come_and_go(void **state)
{
	static const struct port_vlan want[] = { { .id = 7, .pvid = true, .untagged = true },
						 { .id = 100 },
						 { .id = 101 },
						 { .id = 102 },
						 { .id = 4094 } };
	static const struct port_vlan old[] = { { .id = 1 } };
	scoped_free struct port_vlan *found = NULL;
	struct sandbox *s = *state;
	struct cni_error err;
	struct link port;
	scoped_nl struct nl nl = { .sk = NULL };
	size_t n;

	if (!has_filtering(s))
		return;
	nl = opened(s, true, &port);
	for (int i = 0; i < 2; i++) { /* present and absent are success */
		assert_ok(vlan_add(&nl, port.index, "p0", want, ARRAY_SIZE(want), &err), &err);
		assert_ok(vlan_delete(&nl, port.index, "p0", old, 1, &err), &err);
	}
	sandbox_host_ok(s,
			"bridge -compressvlans vlan show dev p0 | tr -d '\\n' | tr -s ' \\t' ' '");
	assert_non_null(strstr(s->out, "p0 7 PVID Egress Untagged 100-102 4094"));
	assert_ok(vlan_list(&nl, port.index, &found, &n, &err), &err);
	assert_int_equal(n, ARRAY_SIZE(want));
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(found[i].id, want[i].id);
		assert_int_equal(found[i].pvid, want[i].pvid);
		assert_int_equal(found[i].untagged, want[i].untagged);
	}
	sandbox_host_ok(s, "bridge vlan show dev more | grep -q '1 PVID'"); /* not that port's */
}

static void every_vlan_there_is(void **state)
{
	static struct port_vlan odd[2047];
	scoped_free struct port_vlan *found = NULL;
	struct sandbox *s = *state;
	struct cni_error err;
	struct link port;
	scoped_nl struct nl nl = { .sk = NULL };
	size_t n;

	if (!has_filtering(s))
		return;
	nl = opened(s, true, &port);
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		odd[i].id = (uint16_t)(2 * i + 1);
	odd[0].pvid = odd[0].untagged = true;
	assert_ok(vlan_add(&nl, port.index, "p0", odd, ARRAY_SIZE(odd), &err), &err);
	assert_ok(vlan_list(&nl, port.index, &found, &n, &err), &err);
	assert_int_equal(n, ARRAY_SIZE(odd));
	assert_ok(vlan_delete(&nl, port.index, "p0", odd, ARRAY_SIZE(odd), &err), &err);
	assert_string_equal(sandbox_host_ok(s, "bridge vlan show dev p0 | grep -c '^p0' || :"),
			    "0\n");
}

static void a_kernel_without_them_is_told(void **state)
{
	static const struct bridge_spec spec = { .name = "br1", .vlan_filtering = true };
	static const struct port_vlan want = { .id = 7 };
	struct sandbox *s = *state;
	struct port_vlan *found;
	struct cni_error err;
	struct link port;
	scoped_nl struct nl nl = opened(s, false, &port);
	size_t n;

	if (has_filtering(s))
		return;
	assert_int_equal(link_add_bridge(&nl, &spec, &err), -1);
	assert_non_null(strstr(err.msg, "CONFIG_BRIDGE_VLAN_FILTERING"));
	assert_int_equal(vlan_add(&nl, port.index, "p0", &want, 1, &err), -1);
	assert_int_equal(err.sys, EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "CONFIG_BRIDGE_VLAN_FILTERING"));
	assert_non_null(strstr(err.msg, "add VLANs to bridge port p0"));
	assert_int_equal(vlan_list(&nl, port.index, &found, &n, &err), -1);
	assert_non_null(strstr(err.msg, "CONFIG_BRIDGE_VLAN_FILTERING"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(vlans_come_and_go),
		sandbox_test(every_vlan_there_is),
		sandbox_test(a_kernel_without_them_is_told),
	};

	return sandbox_run_group(tests);
}
