/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "attach.h"

/*
 * isGateway: complete the gateways of an IPAM result (the subnet's first address where IPAM gave
 * none) and, for isDefaultGateway, its default routes, one per family. Pure: no kernel.
 */
int gateway_complete(const struct bridge_conf *conf, struct cni_result *result,
		     struct cni_error *err);

/*
 * Put the gateways on the bridge, or with a VLAN on the interface BRIDGE.VLAN (a veth pair whose
 * other end is a port with that VLAN; its name goes to `target`), and switch forwarding on for
 * their families. Idempotent; several ADDs may do it at once. A bridge with another address is
 * CNI_CONFLICT unless forceAddress.
 */
int gateway_install(struct nl *host, const struct bridge_conf *conf, const struct link *bridge,
		    const struct cni_result *result, struct link *target, struct cni_error *err);

/* CHECK of the above. */
int gateway_check(struct nl *host, const struct bridge_conf *conf, const struct cni_result *result,
		  struct cni_error *err);

/* "cni0.100"; the names of the pair are functions of bridge and VLAN. */
void gateway_vlan_name(const struct bridge_conf *conf, char name[IFNAME_MAX]);
