/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <linux/netlink.h>

#include "fuzz.h"

/* A netlink message of the `size` bytes, at least a header, with 64 more behind it that do not
 * belong to it and differ between `filler`s; the caller frees it. */
static inline struct nlmsghdr *fuzz_message(const uint8_t *data, size_t size, uint16_t type,
					    uint8_t filler)
{
	const size_t behind = 64;
	struct nlmsghdr *nlh = malloc(size + behind);

	FUZZ_CHECK(nlh != NULL);
	memcpy(nlh, data, size);
	memset((uint8_t *)nlh + size, filler, behind);
	nlh->nlmsg_len = (uint32_t)size;
	nlh->nlmsg_type = type;
	return nlh;
}
