/* SPDX-License-Identifier: GPL-2.0-or-later */
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
#include "netlink/sock.h"

static const struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC, .ifi_index = 7 };

static void one_message_byte_for_byte(void **state)
{
	static const uint8_t want[] = {
		/* nlmsghdr: length 60, RTM_NEWLINK, REQUEST|EXCL, sequence and port still 0 */
		60, 0, 0, 0, 16, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0,
		/* ifinfomsg: index 7 */
		0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		/* IFLA_IFNAME "ab", its NUL, one byte of padding */
		7, 0, 3, 0, 'a', 'b', 0, 0,
		/* IFLA_LINKINFO, nested, with IFLA_INFO_KIND u8, u16 */
		20, 0, 18, 0x80, 5, 0, 1, 0, 9, 0, 0, 0, 6, 0, 2, 0, 0x34, 0x12, 0, 0
	};
	struct nl_req req;

	(void)state;
	nl_begin(&req);
	nl_msg(&req, RTM_NEWLINK, NLM_F_EXCL, &ifi, sizeof(ifi));
	nl_put_str(&req, IFLA_IFNAME, "ab");
	nl_nest(&req, IFLA_LINKINFO);
	nl_put_u8(&req, 1, 9);
	nl_put_u16(&req, 2, 0x1234);
	nl_end(&req);
	assert_false(req.broken);
	assert_int_equal(req.n, 1);
	assert_int_equal(req.len, sizeof(want));
	assert_memory_equal(req.buf, want, sizeof(want));
}

static void a_header_inside_a_nest(void **state)
{
	const struct nlattr *tb[3], *inner[3];
	struct nl_req req;

	(void)state;
	nl_begin(&req);
	nl_msg(&req, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	nl_nest(&req, 1);
	nl_raw(&req, &ifi, sizeof(ifi));
	nl_put_u32(&req, 2, 0xdeadbeef);
	nl_end(&req);
	attr_parse((const struct nlmsghdr *)(const void *)req.buf, sizeof(ifi), tb, 2);
	assert_int_equal(attr_len(tb[1]), sizeof(ifi) + 8);
	attr_parse_bytes((const uint8_t *)attr_data(tb[1], 0) + sizeof(ifi),
			 (const uint8_t *)attr_data(tb[1], 0) + attr_len(tb[1]), inner, 2);
	assert_int_equal(attr_u32(inner[2]), 0xdeadbeef);
}

static void messages_of_a_batch_are_aligned(void **state)
{
	struct nl_req req;

	(void)state;
	nl_begin(&req);
	for (int i = 0; i < 3; i++) {
		nl_msg(&req, RTM_GETLINK, 0, &ifi, sizeof(ifi));
		nl_what(&req, "message %d", i);
		nl_put(&req, IFLA_IFALIAS, "xyz", 3);
	}
	assert_int_equal(req.n, 3);
	assert_int_equal(req.msgs[1].offset, 16 + 16 + 8);
	assert_int_equal(req.msgs[2].offset, 2 * (16 + 16 + 8));
	assert_string_equal(req.msgs[2].what, "message 2");
	/* 3 bytes of text, padded: the next message starts where the kernel looks for it. */
	assert_int_equal(((const struct nlmsghdr *)(const void *)req.buf)->nlmsg_len, 40);
}

static void mistakes_stick(void **state)
{
	struct nl nl = { .sk = NULL };
	struct cni_error err;
	struct nl_req req;

	(void)state;
	nl_begin(&req);
	nl_put_u32(&req, 1, 1); /* no message yet */
	assert_true(req.broken);
	nl_msg(&req, RTM_GETLINK, 0, &ifi, sizeof(ifi));
	assert_int_equal(req.n, 0);
	assert_int_equal(nl_call(&nl, &req, &err), -1);
	assert_int_equal(err.code, CNI_INTERNAL);

	nl_begin(&req);
	nl_msg(&req, RTM_GETLINK, 0, &ifi, sizeof(ifi));
	nl_end(&req); /* nothing was begun */
	assert_true(req.broken);

	nl_begin(&req);
	nl_msg(&req, RTM_GETLINK, 0, &ifi, sizeof(ifi));
	nl_nest(&req, 1);
	nl_msg(&req, RTM_GETLINK, 0, &ifi, sizeof(ifi)); /* the nest is still open */
	assert_true(req.broken);
}

static void overflow_is_remembered(void **state)
{
	static const uint8_t big[4000];
	struct nl_req req;

	(void)state;
	nl_begin(&req);
	nl_msg(&req, RTM_GETLINK, 0, &ifi, sizeof(ifi));
	for (int i = 0; i < 4; i++)
		nl_put(&req, 1, big, sizeof(big));
	assert_false(req.broken);
	nl_put(&req, 1, big, sizeof(big));
	assert_true(req.broken);
	assert_true(req.len <= sizeof(req.buf));

	nl_begin(&req);
	nl_msg(&req, RTM_GETLINK, 0, &ifi, sizeof(ifi));
	nl_put(&req, 1, big, (size_t)-8);
	assert_true(req.broken);

	nl_begin(&req);
	nl_msg(&req, RTM_GETLINK, 0, &ifi, sizeof(ifi));
	for (int i = 0; i < 5; i++)
		nl_raw(&req, big, sizeof(big));
	assert_true(req.broken);
	assert_true(req.len <= sizeof(req.buf));

	nl_begin(&req);
	for (int i = 0; i <= NL_REQ_MSGS; i++)
		nl_msg(&req, RTM_GETLINK, 0, &ifi, sizeof(ifi));
	assert_true(req.broken);

	nl_begin(&req);
	nl_msg(&req, RTM_GETLINK, 0, &ifi, sizeof(ifi));
	for (int i = 0; i <= NL_REQ_NEST; i++)
		nl_nest(&req, 1);
	assert_true(req.broken);
}

static void places_of_the_configuration_are_noted(void **state)
{
	const struct jpath root = { .up = NULL, .key = "bridge" };
	struct nl_req req;

	(void)state;
	nl_begin(&req);
	nl_msg(&req, RTM_NEWLINK, 0, &ifi, sizeof(ifi));
	nl_put_u32(&req, 1, 1);
	nl_from(&req, &root);
	nl_put_u32(&req, 2, 2);
	nl_put_u32(&req, 3, 3);
	assert_int_equal(req.n_origins, 1);
	assert_int_equal(req.origins[0].offset, 16 + 16 + 8);
	assert_string_equal(req.origins[0].path, "bridge");
	for (int i = 0; i < 20; i++) {
		nl_from(&req, &root);
		nl_put_u32(&req, 4, 4);
	}
	assert_false(req.broken);
}

/* What the kernel would have to be broken to send; the reader must only not fall over it. */
static void bad_attributes_end_the_walk(void **state)
{
	_Alignas(8) static const uint8_t bytes[] = {
		8, 0, 1, 0, 1, 2, 3, 4, /* fine */
		6, 0, 2, 0, 7, 0, 0, 0, /* a short number */
		3, 0, 3, 0,		/* shorter than its own header */
		8, 0, 4, 0, 9, 9, 9, 9, /* never reached */
	};
	_Alignas(8) static const uint8_t beyond[] = { 200, 0, 1, 0, 1, 2, 3, 4 };
	const struct nlattr *tb[5];
	char text[3];

	(void)state;
	attr_parse_bytes(bytes, bytes + sizeof(bytes), tb, 4);
	assert_int_equal(attr_u32(tb[1]), 0x04030201);
	assert_int_equal(attr_u16(tb[2]), 7);
	assert_int_equal(attr_u32(tb[2]), 0);
	assert_null(tb[3]);
	assert_null(tb[4]);
	attr_str(tb[1], text, sizeof(text));
	assert_memory_equal(text, "\1\2", 3);
	attr_str(NULL, text, sizeof(text));
	assert_string_equal(text, "");
	attr_parse_bytes(beyond, beyond + sizeof(beyond), tb, 4);
	assert_null(tb[1]);
	attr_parse_bytes(bytes, bytes + 6, tb, 4);
	assert_null(tb[1]);
	attr_parse_bytes(bytes, bytes, tb, 4);
	assert_null(tb[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_message_byte_for_byte),
		cmocka_unit_test(a_header_inside_a_nest),
		cmocka_unit_test(messages_of_a_batch_are_aligned),
		cmocka_unit_test(mistakes_stick),
		cmocka_unit_test(overflow_is_remembered),
		cmocka_unit_test(places_of_the_configuration_are_noted),
		cmocka_unit_test(bad_attributes_end_the_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
