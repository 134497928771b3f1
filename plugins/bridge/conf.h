/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cni/skel.h"
#include "net/mac.h"

#define VLAN_ID_MAX 4094

struct bridge_conf {
	const char *bridge;
	bool is_gateway, is_default_gateway, force_address;
	bool ip_masq;
	bool mtu_auto; /* take the MTU of the default route's link */
	uint32_t mtu;  /* 0: the kernel's */
	bool hairpin, promisc, isolated, spoofcheck, enable_dad;
	bool pod_down; /* disableContainerInterface */
	uint32_t vlan; /* 0: none */
	bool has_trunk;
	uint8_t trunk[VLAN_ID_MAX / 8 + 1]; /* one bit per VLAN id */
	bool preserve_default_vlan;
	bool has_mac;
	struct mac mac; /* of the pod's end */
	struct cni_dns dns;
};

/*
 * Read and check everything that ADD and CHECK need (plugins.md §1.1); nothing in the kernel is
 * looked at. Strings are borrowed from args; `dns` is owned: bridge_conf_free().
 */
int bridge_conf_parse(const struct cni_args *args, struct bridge_conf *ret, struct cni_error *err);
void bridge_conf_free(struct bridge_conf *conf);

/* The bridge's name alone, for DEL, which must work whatever else the file says by now. */
const char *bridge_conf_name(const struct cni_args *args);

/* Does the port get VLANs of its own? */
bool bridge_conf_uses_vlans(const struct bridge_conf *conf);
bool bridge_conf_trunks(const struct bridge_conf *conf, unsigned id);
