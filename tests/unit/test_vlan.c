/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The development kernel has no bridge VLAN filtering: here the bytes, under tests/vm the effect.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <linux/if_bridge.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/scoped.h"
#include "netlink/req.h"
#include "netlink/vlanmsg.h"

static void ranges_and_the_native_one(void **state)
{
	static const struct port_vlan vlans[] = {
		{ .id = 99, .pvid = true, .untagged = true }, /* alone, though 100 follows */
		{ .id = 100 },
		{ .id = 101 },
		{ .id = 102 },
		{ .id = 104 },
		{ .id = 105, .untagged = true },
	};
	static const uint8_t want[] = {
		/* nlmsghdr: length 76, RTM_SETLINK, REQUEST */
		76, 0, 0, 0, 19, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		/* ifinfomsg: AF_BRIDGE, index 5 */
		7, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		/* IFLA_AF_SPEC with five IFLA_BRIDGE_VLAN_INFO */
		44, 0, 26, 0x80, 8, 0, 2, 0, 6, 0, 99, 0,	    /* PVID, untagged */
		8, 0, 2, 0, 8, 0, 100, 0,			    /* range begin */
		8, 0, 2, 0, 16, 0, 102, 0,			    /* range end */
		8, 0, 2, 0, 0, 0, 104, 0, 8, 0, 2, 0, 4, 0, 105, 0, /* untagged */
	};
	struct nl_req req;

	(void)state;
	nl_begin(&req);
	assert_int_equal(vlan_put(&req, RTM_SETLINK, 5, vlans, ARRAY_SIZE(vlans)),
			 ARRAY_SIZE(vlans));
	assert_false(req.broken);
	assert_int_equal(req.len, sizeof(want));
	assert_memory_equal(req.buf, want, sizeof(want));
}

static void hundreds_of_ranges_take_several_messages(void **state)
{
	static struct port_vlan odd[2047];
	struct nl_req req;
	size_t done = 0, messages = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		odd[i].id = (uint16_t)(2 * i + 1);
	while (done < ARRAY_SIZE(odd)) {
		nl_begin(&req);
		done += vlan_put(&req, RTM_SETLINK, 5, odd + done, ARRAY_SIZE(odd) - done);
		assert_false(req.broken);
		messages++;
	}
	assert_int_equal(done, ARRAY_SIZE(odd));
	assert_in_range(messages, 2, 8);
}

static void answers_are_spread_out(void **state)
{
	/* As the kernel sends them: an entry with its range's end inside, one without. */
	_Alignas(8) static const uint8_t answer[] = {
		60, 0, 0, 0, 112, 0, 2,	  0,	0, 0, 0, 0, 0,	 0, 0, 0, 7,  0, 0, 0,
		5,  0, 0, 0, 12,  0, 1,	  0x80, 8, 0, 1, 0, 6,	 0, 1, 0, 24, 0, 1, 0x80,
		8,  0, 1, 0, 0,	  0, 100, 0,	6, 0, 2, 0, 103, 0, 0, 0, 4,  0, 3, 0,
	};
	struct vlan_found f = { .port = 5 }, other = { .port = 6 };
	struct cni_error err;

	(void)state;
	assert_int_equal(vlan_take((const void *)answer, &f, &err), 0);
	assert_int_equal(f.n, 5);
	assert_true(f.list[0].id == 1 && f.list[0].pvid && f.list[0].untagged);
	for (size_t i = 1; i < 5; i++)
		assert_true(f.list[i].id == 99 + i && !f.list[i].pvid && !f.list[i].untagged);
	free(f.list);
	assert_int_equal(vlan_take((const void *)answer, &other, &err), 0);
	assert_int_equal(other.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_and_the_native_one),
		cmocka_unit_test(hundreds_of_ranges_take_several_messages),
		cmocka_unit_test(answers_are_spread_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
