/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/ip.h"
#include "netlink/sock.h"

struct nl_req;
struct nlmsghdr;

/* Where a packet goes next. */
struct hop {
	int index; /* of the link */
	struct ip gw;
	bool onlink; /* gw need not be in a prefix of the link */
};
bool hop_equal(const struct hop *a, const struct hop *b);

/* A nexthop object (Linux 5.3). Routes that share a link are found by it in constant time; plain
 * IPv4 ones are all in one bucket of the kernel (overlay.md 7.1). */
struct nexthop {
	uint32_t id;
	uint8_t protocol; /* who made it, as with routes */
	bool plain;	  /* one gateway; else a group, a blackhole, one without gateway */
	struct hop hop;
};

/* All of them. err->sys == EOPNOTSUPP: this kernel has none. *ret malloc'd, the caller's. */
int nexthop_list(struct nl *nl, struct nexthop **ret, size_t *ret_n, struct cni_error *err);

/* Into a batch: make one (an id that is taken is EEXIST), or give one that is there another hop;
 * remove it, with its routes (absent is no failure); ask for it (nexthop_parse(); absent is no
 * failure). */
void nexthop_put_set(struct nl_req *req, const struct nexthop *n, bool there);
void nexthop_put_delete(struct nl_req *req, uint32_t id);
void nexthop_put_get(struct nl_req *req, uint32_t id);
/* False if the message is no nexthop. */
bool nexthop_parse(const struct nlmsghdr *nlh, struct nexthop *ret);
