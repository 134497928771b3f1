/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "netlink/link.h"

struct nl_req;
struct nlmsghdr;

/* Pieces of link messages that several files of this folder send or read. */

/* False if the message is no RTM_NEWLINK. */
bool link_parse(const struct nlmsghdr *nlh, struct link *ret);

void link_put_get(struct nl_req *req, int index, const char *name); /* index 0: by name */
void link_put_list(struct nl_req *req, const char *kind);	    /* to be dumped */
/* Begin a change of link `index`; 0: an IFLA_IFNAME that names it must follow. */
void link_put_set(struct nl_req *req, int index, unsigned flags, unsigned mask);
void link_put_inet(struct nl_req *req, int devconf, uint32_t value); /* an IPv4 switch of it */
/* Whole messages for a link that is being made; index 0: it goes by its name, as in the batch that
 * creates it. No IPv6 link-local address: only before it goes up. `kind` is for errors. */
void link_put_no_link_local(struct nl_req *req, int index, const char *kind, const char *name);
void link_put_up(struct nl_req *req, int index, const char *kind, const char *name);
