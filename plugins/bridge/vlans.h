/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "conf.h"
#include "netlink/link.h"
#include "netlink/vlan.h"

/*
 * The VLANs of bridge ports (plugins.md §1.1, step 5). A list is malloc'd and the caller's.
 */

/* What the pod's port carries: vlan as PVID and untagged, each of vlanTrunk tagged; a trunk without
 * vlan keeps VLAN 1 as the native one. */
int vlans_of_pod(const struct bridge_conf *conf, struct port_vlan **ret, size_t *ret_n,
		 struct cni_error *err);

/* Give the port these VLANs; others that it has are removed unless preserveDefaultVlan. Adds before
 * it removes, so that a port with the right VLANs is never without them. */
int vlans_apply(struct nl *host, const struct bridge_conf *conf, const struct link *port,
		const struct port_vlan *vlans, size_t n, struct cni_error *err);

/* Does the port carry all of them with these flags, and, unless preserveDefaultVlan, no other?
 * CNI_CHECK_FAILED names the VLAN if not. */
int vlans_check(struct nl *host, const struct bridge_conf *conf, const struct link *port,
		const struct port_vlan *vlans, size_t n, struct cni_error *err);
