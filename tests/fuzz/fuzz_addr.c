/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fuzz_message.h"
#include "netlink/addr.h"

#include "../../pkg/netlink/addr.c" /* its reader of messages is nobody else's */

static struct found read_one(const uint8_t *data, size_t size, uint8_t filler)
{
	struct nlmsghdr *nlh = fuzz_message(data, size, RTM_NEWADDR, filler);
	const struct ifaddrmsg *ifa = attr_header(nlh, sizeof(*ifa));
	struct found found = { .index = ifa == NULL ? 0 : (int)ifa->ifa_index };
	struct cni_error err;

	FUZZ_CHECK(take_addr(nlh, &found, &err) == 0);
	free(nlh);
	return found;
}

/* An address message of any bytes: at most one address, which can be printed and read again, and
 * what stands behind the message has no influence. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct found a, b;
	struct ipnet again;
	char text[IPNET_TEXT];

	if (size < sizeof(struct nlmsghdr))
		return 0;
	a = read_one(data, size, 0);
	b = read_one(data, size, 0xff);
	FUZZ_CHECK(a.n == b.n && a.n <= 1);
	if (a.n == 1) {
		FUZZ_CHECK(ipnet_equal(&a.list[0].net, &b.list[0].net));
		FUZZ_CHECK(a.list[0].flags == b.list[0].flags &&
			   a.list[0].scope == b.list[0].scope);
		ipnet_print(&a.list[0].net, text);
		FUZZ_CHECK(ipnet_parse(text, &again) && ipnet_equal(&a.list[0].net, &again));
	}
	free(a.list);
	free(b.list);
	return 0;
}
