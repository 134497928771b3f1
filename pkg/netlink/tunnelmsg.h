/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

#include "netlink/tunnel.h"

struct nl_req;
struct nlmsghdr;

/* Pieces of tunnel messages, for this folder and for tests: ipip is not in every kernel. */

/* False if the message is no RTM_NEWLINK. */
bool tunnel_parse(const struct nlmsghdr *nlh, struct tunnel *ret);

void tunnel_put_vxlan(struct nl_req *req, const struct tunnel_spec *spec, const struct vxlan *v);
void tunnel_put_ipip(struct nl_req *req, const struct tunnel_spec *spec, const struct ipip *ipip);
