/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "conf.h"
#include "netlink/shaper.h"

/* ADD: both directions, undone on failure. With nothing to shape nothing is opened. `result`
 * (empty) becomes prevResult and, with egress, the ifb behind it. */
int bandwidth_attach(const struct cni_args *args, const struct bandwidth_conf *conf,
		     struct cni_result *result, struct cni_error *err);

/* DEL: all that the attachment has, whatever the configuration says by now. */
int bandwidth_detach(const struct cni_args *args, struct cni_error *err);

/* GC: ifb links of this network's attachments that are not valid. */
int bandwidth_gc(const struct cni_args *args, struct cni_error *err);

/* CHECK (check.c): every part as configured; CNI_CHECK_FAILED names the one that is not. */
int bandwidth_check(const struct cni_args *args, const struct bandwidth_conf *conf,
		    struct cni_error *err);

/*
 * What the verbs share: where the attachment's ifb may be: [0] the reference's name, of network and
 * container, and [1] one that the interface is part of, for a container with two interfaces in one
 * network …
 */
struct bandwidth_names {
	char text[SHAPER_NAMES][IFNAME_MAX];
	const char *list[SHAPER_NAMES]; /* the same */
};
void bandwidth_names(const struct owner *owner, struct bandwidth_names *ret);

/* … the host end of the pod's interface, which prevResult must list, and what is on it … */
int bandwidth_find(const struct cni_args *args, struct nl *host,
		   const struct bandwidth_names *names, struct shaper_view *ret,
		   struct cni_error *err);

/* … and whose the link at one of the names is. */
enum bandwidth_place {
	BANDWIDTH_FREE,
	BANDWIDTH_OURS,	   /* this attachment's; or, at the first name, the Go plugin's */
	BANDWIDTH_SIBLING, /* another attachment's */
	BANDWIDTH_FOREIGN,
};
enum bandwidth_place bandwidth_place(const struct shaper_view *view, size_t i,
				     const struct owner *owner);
