/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netlink/sock.h"

/* VLANs of one bridge port: read by RTM_GETVLAN (Linux 5.6), which asks for one port alone, and
 * changed by AF_BRIDGE RTM_SETLINK and RTM_DELLINK. A kernel without VLAN filtering answers
 * EOPNOTSUPP: the message names CONFIG_BRIDGE_VLAN_FILTERING. */
struct port_vlan {
	uint16_t id; /* 1..4094 */
	bool pvid, untagged;
};

/* *ret malloc'd, the caller's; ranges are spread out. */
int vlan_list(struct nl *nl, int port, struct port_vlan **ret, size_t *ret_n,
	      struct cni_error *err);
/* Consecutive ids of equal flags become a range; one message does unless there are hundreds of
 * ranges. Present (absent) is success. */
int vlan_add(struct nl *nl, int port, const char *name, const struct port_vlan *vlans, size_t n,
	     struct cni_error *err);
int vlan_delete(struct nl *nl, int port, const char *name, const struct port_vlan *vlans, size_t n,
		struct cni_error *err);
