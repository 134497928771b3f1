/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "net/ip.h"
#include "net/mac.h"
#include "netlink/sock.h"

struct nl_req;
struct nlmsghdr;

/* Forget a neighbour entry; absent is success. A dead pod's address must not keep its MAC
 * (kernel.md (c)). */
int neigh_delete(struct nl *nl, int index, const struct ip *ip, struct cni_error *err);

/* A neighbour entry that stays until somebody removes it. */
struct neigh {
	struct ip ip;
	struct mac mac;
};

/* Permanent entries of `family` on one link. *ret malloc'd, the caller's. */
int neigh_list(struct nl *nl, int family, int index, struct neigh **ret, size_t *ret_n,
	       struct cni_error *err);

/* Into a batch: make or replace it; remove it (absent is no failure); ask for it (the answer goes
 * through neigh_parse(); absent is no failure, nor a kernel that cannot be asked). */
void neigh_put_set(struct nl_req *req, int index, const struct neigh *n);
void neigh_put_delete(struct nl_req *req, int index, const struct ip *ip);
void neigh_put_get(struct nl_req *req, int index, const struct ip *ip);
/* False if the message is no permanent neighbour entry of link `index`. */
bool neigh_parse(const struct nlmsghdr *nlh, int index, struct neigh *ret);
