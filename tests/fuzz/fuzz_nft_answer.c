/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fuzz_message.h"
#include "nft/tx.h"

#include "../../pkg/nft/tx.c" /* its reader of answers is nobody else's */

#define FIRST 7 /* sequence number */
#define COUNT 3 /* messages: two changes and the question of the ruleset's generation */

struct outcome {
	bool well, has_genid, handed_out;
	uint32_t genid;
	int errors[COUNT], sys;
};

static int seen(const struct nlmsghdr *nlh, const struct nft_origin *origin, void *arg)
{
	FUZZ_CHECK(nlh->nlmsg_type != NLMSG_ERROR && nlh->nlmsg_type != NLMSG_DONE);
	FUZZ_CHECK(origin->item < 2);
	*(bool *)arg = true;
	return 0;
}

static void check_verdict(const struct outcome *o, const struct nft_origin *origins,
			  const struct cni_error *err)
{
	for (size_t i = 0; i < COUNT; i++)
		FUZZ_CHECK(origins[i].error >= 0 && (!o->well || origins[i].error == 0));
	if (o->well)
		return;
	fuzz_error(err);
	FUZZ_CHECK(err->sys > 0 && strstr(err->msg, "nftables") != NULL);
}

/* One message of any bytes, and what it makes of a transaction that has not been answered yet. */
static struct outcome read_one(const uint8_t *data, size_t size, uint8_t filler)
{
	struct nft_origin origins[COUNT] = { { .what = "first wish", .item = 0 },
					     { .what = "second", .module = "nft_nat", .item = 1 },
					     { .what = "question", .item = NFT_GENERATION } };
	struct nft_tx tx = { .first = FIRST, .origins = origins, .n = COUNT };
	struct nlmsghdr *nlh = fuzz_message(data, size, 0, filler);
	struct outcome o = { 0 };
	struct answers a = { .each = seen, .arg = &o.handed_out };
	struct cni_error err = { 0 };

	memcpy(&nlh->nlmsg_type, data + offsetof(struct nlmsghdr, nlmsg_type),
	       sizeof(nlh->nlmsg_type));
	take_message(&tx, &a, nlh);
	o.well = judge(&tx, &a, &err) == 0;
	o.sys = o.well ? 0 : err.sys;
	o.has_genid = tx.has_genid;
	o.genid = tx.genid;
	for (size_t i = 0; i < COUNT; i++)
		o.errors[i] = origins[i].error;
	check_verdict(&o, origins, &err);
	FUZZ_CHECK(!o.well || nlh->nlmsg_type == NLMSG_ERROR);
	FUZZ_CHECK(!o.has_genid || nlh->nlmsg_seq == FIRST + 2);
	free(nlh);
	return o;
}

/* An answer of any bytes: success is nothing but an acknowledgement, an error is one errno and
 * names nftables, and what stands behind the answer has no influence. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome a, b;

	if (size < sizeof(struct nlmsghdr))
		return 0;
	size -=
	    size % NLMSG_ALIGNTO; /* libmnl reads the padding, which the kernel's messages have */
	a = read_one(data, size, 0);
	b = read_one(data, size, 0xff);
	FUZZ_CHECK(a.well == b.well && a.has_genid == b.has_genid && a.genid == b.genid &&
		   a.handed_out == b.handed_out && a.sys == b.sys &&
		   memcmp(a.errors, b.errors, sizeof(a.errors)) == 0);
	return 0;
}
