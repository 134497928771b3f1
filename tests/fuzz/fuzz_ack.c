/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/rtnetlink.h>

#include "fuzz_message.h"
#include "netlink/sock.h"

#include "../../pkg/netlink/sock.c" /* its reader of answers is nobody else's */

#define FIRST 7 /* sequence number */

static const char *const wishes[] = { "first wish", "second wish" };

/* Two messages, each with an attribute that comes from the configuration; the second may fail. */
static void build(struct nl_req *req)
{
	const struct jpath root = { 0 };
	const struct jpath at = { .up = &root, .key = "mtu" };

	nl_begin(req);
	for (size_t i = 0; i < ARRAY_SIZE(wishes); i++) {
		nl_msg(req, RTM_NEWLINK, 0, &(struct ifinfomsg){ 0 }, sizeof(struct ifinfomsg));
		nl_what(req, "%s", wishes[i]);
		nl_from(req, &at);
		nl_put_u32(req, IFLA_MTU, 1400);
	}
	nl_tolerate(req, EEXIST);
	nl_module(req, "veth");
}

struct outcome {
	bool done, failed, asked, dumped, dump_failed;
	size_t where;
	struct cni_error err, dump_err;
};

static int seen(const struct nlmsghdr *nlh, void *arg, struct cni_error *err)
{
	(void)err;
	FUZZ_CHECK(nlh->nlmsg_type >= NLMSG_MIN_TYPE);
	*(bool *)arg = true;
	return 0;
}

static int replied(const struct nlmsghdr *nlh, size_t i, void *arg, struct cni_error *err)
{
	FUZZ_CHECK(i < ARRAY_SIZE(wishes));
	return seen(nlh, arg, err);
}

/* Which of the two messages the answer is to, counted on from there. */
static uint32_t index_of(const uint8_t *data)
{
	uint32_t seq;

	memcpy(&seq, data + offsetof(struct nlmsghdr, nlmsg_seq), sizeof(seq));
	return seq - FIRST;
}

/* The same answer to a call and to a dump. */
static struct outcome read_one(const uint8_t *data, size_t size, uint8_t filler)
{
	struct nlmsghdr *nlh = fuzz_message(data, size, 0, filler);
	struct outcome o = { .where = SIZE_MAX };
	struct nl_req req;
	struct call c = { .req = &req, .first = FIRST, .err = &o.err };
	const struct nl_dump dump = { .each = seen, .arg = &o.asked };
	struct dumping d = { .req = &req, .dump = &dump, .seq = FIRST, .err = &o.dump_err };

	build(&req);
	req.reply = replied;
	req.reply_arg = &o.asked;
	memcpy(&nlh->nlmsg_type, data + offsetof(struct nlmsghdr, nlmsg_type),
	       sizeof(nlh->nlmsg_type));
	call_answer(&c, nlh);
	dump_answer(&d, nlh);
	o.done = c.done;
	o.failed = c.failed;
	o.where = c.failed ? req.failed : SIZE_MAX;
	o.dumped = d.done;
	o.dump_failed = d.failed;
	free(nlh);
	return o;
}

static void check_failure(bool failed, size_t i, const struct cni_error *err)
{
	if (!failed)
		return;
	fuzz_error(err);
	FUZZ_CHECK(err->sys > 0 && i < ARRAY_SIZE(wishes));
	FUZZ_CHECK(strstr(err->msg, wishes[i]) != NULL);
}

/* An answer of any bytes: only the last message's ends a call, a failure tells whose it is and why,
 * and what stands behind the answer has no influence. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome a, b;

	if (size < sizeof(struct nlmsghdr))
		return 0;
	a = read_one(data, size, 0);
	b = read_one(data, size, 0xff);
	FUZZ_CHECK(a.done == b.done && a.failed == b.failed && a.asked == b.asked &&
		   a.where == b.where && a.dumped == b.dumped && a.dump_failed == b.dump_failed);
	FUZZ_CHECK(!a.done || index_of(data) == ARRAY_SIZE(wishes) - 1);
	FUZZ_CHECK(!a.failed || index_of(data) == a.where);
	FUZZ_CHECK(!(a.dumped || a.dump_failed) || index_of(data) == 0);
	check_failure(a.failed, a.where, &a.err);
	check_failure(a.dump_failed, 0, &a.dump_err);
	if (a.failed)
		FUZZ_CHECK(strcmp(a.err.msg, b.err.msg) == 0 &&
			   strcmp(a.err.details, b.err.details) == 0);
	return 0;
}
