/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "overlay/side.h"

/* What is wrong with the device. */
struct device_fault {
	bool absent;
	const char *other; /* an attribute that only a new device can have; NULL: none */
	bool mac, mtu, down, offload;
	bool address;	     /* ours is missing */
	struct ipnet *stale; /* malloc'd: addresses that should not be there */
	size_t n_stale;
};
int device_compare(struct nl *nl, const struct side *s, struct device_fault *ret,
		   struct cni_error *err);
bool device_right(const struct device_fault *f);
/* Make it right; s->tunnel is what came of it. */
int device_ensure(struct nl *nl, struct side *s, struct overlay_report *report,
		  struct cni_error *err);
/* The device as it should be. */
struct vxlan device_vxlan(const struct side *s);
struct ipip device_ipip(const struct side *s);
