/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <libnftnl/rule.h>
#include <linux/netlink.h>

#include "fuzz.h"
#include "nft/xtables_read.h"

static bool same(const struct xtables_rule *a, const struct xtables_rule *b)
{
	return a->handle == b->handle && a->other == b->other && a->has_mark == b->has_mark &&
	       a->mark == b->mark && a->mask == b->mask && a->has_from == b->has_from &&
	       a->has_to == b->has_to && a->accepts == b->accepts && strcmp(a->jump, b->jump) == 0;
}

/* A rule message of any bytes: understood the same way twice, with texts that end; and a rule of
 * which no expression was understood neither accepts a mark nor an address. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nlmsghdr *nlh;
	struct nftnl_rule *rule = nftnl_rule_alloc();
	struct xtables_rule first, second;

	FUZZ_CHECK(rule != NULL);
	if (size < sizeof(*nlh) + 4) { /* what libmnl checks before anybody parses */
		nftnl_rule_free(rule);
		return 0;
	}
	nlh = malloc(size);
	FUZZ_CHECK(nlh != NULL);
	memcpy(nlh, data, size);
	nlh->nlmsg_len = (uint32_t)size;
	if (nftnl_rule_nlmsg_parse(nlh, rule) >= 0) {
		bool four = data[0] % 2 == 0;

		xtables_rule_read(rule, four, &first);
		xtables_rule_read(rule, four, &second);
		FUZZ_CHECK(same(&first, &second));
		FUZZ_CHECK(memchr(first.jump, '\0', sizeof(first.jump)) != NULL);
		FUZZ_CHECK(!first.has_from || ip_is4(&first.from) == four || !four);
	}
	nftnl_rule_free(rule);
	free(nlh);
	return 0;
}
