/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fuzz_message.h"
#include "nft/conntrack.h"

#include "../../pkg/nft/conntrack.c" /* its reader of messages is nobody else's */

static struct hunt read_one(const uint8_t *data, size_t size, uint8_t filler)
{
	struct nlmsghdr *nlh = fuzz_message(data, size, 0, filler);
	struct nft_item item = { .kind = NFT_ITEM_HOSTPORT,
				 .protocol = IPPROTO_UDP,
				 .host_port = 53,
				 .pod_port = 5353 };
	struct hunt hunt = { .items = &item, .n = 1 };

	FUZZ_CHECK(ipnet_parse("10.1.0.2/16", &item.pod));
	FUZZ_CHECK(hunt_entry(nlh, NULL, &hunt) == 0);
	free(nlh);
	hunt.items = NULL;
	return hunt;
}

/* An entry of conntrack of any bytes: what is taken for a flow to the pod's host port is UDP and
 * goes there, and what stands behind the message has no influence. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hunt a, b;

	if (size < sizeof(struct nlmsghdr) + sizeof(struct nfgenmsg))
		return 0;
	size -=
	    size % NLMSG_ALIGNTO; /* libmnl reads the padding, which the kernel's messages have */
	a = read_one(data, size, 0);
	b = read_one(data, size, 0xff);
	FUZZ_CHECK(a.n_found == b.n_found && a.n_found <= 1);
	FUZZ_CHECK(a.n_found == 0 || (a.found[0].protocol == IPPROTO_UDP &&
				      a.found[0].dport == 53 && ip_is4(&a.found[0].dst)));
	free(a.found);
	free(b.found);
	return 0;
}
