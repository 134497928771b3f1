/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fuzz_message.h"
#include "nft/skeleton.h"

#include "../../pkg/nft/skeleton_look.c" /* its readers of messages are nobody else's */

struct seen {
	struct skeleton found;
	struct subnet_chain chains[2];
	struct list list, sets;
};

static const char *first_set(const struct seen *seen)
{
	return ((const struct set_name *)seen->sets.items)[0].name;
}

/* The first byte behind the header says to which question the message is the answer. */
static void read_one(const uint8_t *data, size_t size, uint8_t filler, struct seen *ret)
{
	struct nlmsghdr *nlh = fuzz_message(data, size, 0, filler);
	const size_t items[] = { ITEM_TABLE, 0, 6, n_inet_chains };
	struct nft_origin origin = { .what = "x", .item = items[data[0] % ARRAY_SIZE(items)] };
	struct look look = { .user = NFT_FIREWALL,
			     .found = &ret->found,
			     .defs = inet_chains,
			     .n_defs = n_inet_chains,
			     .chains = ret->chains,
			     .n = 2 };

	*ret = (struct seen){ .found = { .sound = true, .base_sound = true } };
	(void)text_format(ret->chains[0].name, NFT_NAME, "mark-12");
	(void)text_format(ret->chains[1].name, NFT_NAME, "masq-10.1.0.0-16");
	FUZZ_CHECK(look_answer(nlh, &origin, &look) == 0);
	FUZZ_CHECK(list_chain(nlh, &origin, &ret->list) == 0);
	FUZZ_CHECK(list_set(nlh, &origin, &ret->sets) == 0);
	free(nlh);
}

/* An answer about table, chain or set of any bytes: it makes a skeleton at most worse, a
 * table is ours, somebody's or none, names end, and what stands behind the message has no
 * influence. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t head = sizeof(struct nlmsghdr) + sizeof(struct nfgenmsg);
	struct seen a, b;

	if (size < head)
		return 0;
	size -=
	    size % NLMSG_ALIGNTO; /* libmnl reads the padding, which the kernel's messages have */
	read_one(data, size, 0, &a);
	read_one(data, size, 0xff, &b);
	FUZZ_CHECK(!(a.found.there && a.found.foreign) && a.found.there == b.found.there);
	FUZZ_CHECK(a.found.foreign == b.found.foreign && a.found.layout == b.found.layout);
	FUZZ_CHECK(a.found.sound == b.found.sound && (a.found.base_sound || !a.found.sound));
	FUZZ_CHECK(!(skeleton_is_older(&a.found) && skeleton_is_newer(&a.found)));
	FUZZ_CHECK(!a.chains[1].there && a.chains[0].use == b.chains[0].use);
	FUZZ_CHECK(a.list.n <= 1 && a.list.n == b.list.n && a.sets.n <= 1 && a.sets.n == b.sets.n);
	FUZZ_CHECK(a.list.n == 0 ||
		   strnlen(((struct chain_found *)a.list.items)[0].name, NFT_NAME) < NFT_NAME);
	FUZZ_CHECK(a.sets.n == 0 || strcmp(first_set(&a), first_set(&b)) == 0);
	free(a.list.items);
	free(b.list.items);
	free(a.sets.items);
	free(b.sets.items);
	return 0;
}
