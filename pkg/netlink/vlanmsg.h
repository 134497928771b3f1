/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "netlink/vlan.h"

struct nl_req;
struct nlmsghdr;

/*
 * Put one message (type RTM_SETLINK or RTM_DELLINK) for as many of the `n` VLANs as fit and return
 * how many those are. For vlan.c and for tests on kernels without VLAN filtering.
 */
size_t vlan_put(struct nl_req *req, uint16_t type, int port, const struct port_vlan *vlans,
		size_t n);

/* VLANs that an RTM_NEWVLAN tells of; *list grows and stays the caller's to free. */
struct vlan_found {
	int port;
	struct port_vlan *list;
	size_t n, cap;
};
int vlan_take(const struct nlmsghdr *nlh, void *found, struct cni_error *err);
