/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "net/ip.h"
#include "net/mac.h"
#include "netlink/sock.h"

struct nl_req;
struct nlmsghdr;

/* An entry of a vxlan's own table: frames to `mac` go to the tunnel's end `dst`. */
struct fdb {
	struct mac mac;
	bool has_dst;
	struct ip dst;
	bool odd; /* with a port, VNI, link or nexthop group of its own */
};

/* Permanent entries of one link's own table. *ret malloc'd, the caller's. */
int fdb_list(struct nl *nl, int index, struct fdb **ret, size_t *ret_n, struct cni_error *err);

/* Into a batch, as for neighbours. Setting replaces the destination of a unicast MAC. */
void fdb_put_set(struct nl_req *req, int index, const struct mac *mac, const struct ip *dst);
void fdb_put_delete(struct nl_req *req, int index, const struct fdb *f);
void fdb_put_get(struct nl_req *req, int index, const struct mac *mac);
/* False if the message is no permanent entry of link `index`. */
bool fdb_parse(const struct nlmsghdr *nlh, int index, struct fdb *ret);
