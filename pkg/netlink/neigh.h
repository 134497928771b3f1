/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "net/ip.h"
#include "netlink/sock.h"

/* Forget a neighbour entry; absent is success. A dead pod's address must not keep its MAC
 * (kernel.md (c)). */
int neigh_delete(struct nl *nl, int index, const struct ip *ip, struct cni_error *err);
