/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fuzz_message.h"
#include "nft/overlay_parts.h"

#include "../../pkg/nft/overlay_look.c" /* its readers of messages are nobody else's */

static struct ipnet net(const char *text)
{
	struct ipnet n;

	FUZZ_CHECK(ipnet_parse(text, &n));
	return n;
}

/* What should be there: everything that there can be. */
static void init(struct overlay_look *ret)
{
	const struct nft_overlay o = {
		.network = "podnet",
		.has4 = true,
		.has6 = true,
		.net4 = net("10.244.0.0/16"),
		.own4 = net("10.244.1.0/24"),
		.net6 = net("fd00:244::/48"),
		.own6 = net("fd00:244:0:1::/64"),
		.masquerade = true,
		.random_fully = true,
		.vxlan_port = 8472,
		.drop_strangers = true,
	};
	struct nft_tx tx = { .seq = 1 };
	struct cni_error err;

	FUZZ_CHECK(overlay_look_init(&tx, &o, ret, &err) == 0);
	nft_tx_close(&tx);
}

/* The first byte behind the header says to which question the message is the answer. */
static void read_one(struct overlay_look *look, const uint8_t *data, size_t size, uint8_t filler)
{
	struct nlmsghdr *nlh = fuzz_message(data, size, 0, filler);
	const size_t item = data[0] % (look->n + 1);
	const struct nft_origin origin = { .what = "x",
					   .item = item < look->n ? item : ITEM_RULES };

	forget(look);
	FUZZ_CHECK(look_answer(nlh, &origin, look) == 0);
	free(nlh);
}

static size_t standing(const struct overlay_look *look)
{
	size_t n = 0;

	for (size_t i = 0; i < look->n; i++)
		n += look->pieces[i].stands;
	return n;
}

/* What we want is the same as itself and as nothing else that we want. */
static void tell_apart(const struct overlay_look *look)
{
	for (size_t i = 0; i < look->n; i++) {
		for (size_t k = 0; k < look->n; k++)
			FUZZ_CHECK(same_piece(&look->pieces[i], look->pieces[k].nlh) == (i == k) ||
				   type_of(&look->pieces[i]) != type_of(&look->pieces[k]));
	}
}

/* An answer about table, set, chain or rule of any bytes: one piece stands at most, the table is
 * ours or somebody's, and what stands behind the message has no influence. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t head = sizeof(struct nlmsghdr) + sizeof(struct nfgenmsg);
	struct overlay_look a, b;

	if (size < head)
		return 0;
	size -= size % NLMSG_ALIGNTO; /* as the kernel's messages are padded */
	init(&a);
	init(&b);
	if (size == head)
		tell_apart(&a); /* once is enough */
	read_one(&a, data, size, 0);
	read_one(&b, data, size, 0xff);
	FUZZ_CHECK(standing(&a) <= 1 && standing(&a) == standing(&b));
	FUZZ_CHECK(a.others <= 1 && a.others == b.others && a.others + standing(&a) <= 1);
	FUZZ_CHECK(a.there == b.there && a.foreign == b.foreign && a.comment == b.comment);
	FUZZ_CHECK(!a.foreign || a.comment);
	FUZZ_CHECK(a.strangers.packets == b.strangers.packets);
	FUZZ_CHECK(!overlay_sound(&a));
	overlay_look_free(&a);
	overlay_look_free(&b);
	return 0;
}
