/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "conf.h"
#include "netlink/shaper.h"

/* ADD: both directions, undone on failure. With nothing to shape nothing is opened. `result`
 * (empty) becomes prevResult and, with egress, the ifb behind it. */
int bandwidth_attach(const struct cni_args *args, const struct bandwidth_conf *conf,
		     struct cni_result *result, struct cni_error *err);

/* DEL: the ifb, whatever the configuration says by now, and the qdiscs that it asks for. */
int bandwidth_detach(const struct cni_args *args, const struct bandwidth_conf *conf,
		     struct cni_error *err);

/* GC: ifb links of this network's attachments that are not valid. */
int bandwidth_gc(const struct cni_args *args, struct cni_error *err);

/* CHECK (check.c): every part as configured; CNI_CHECK_FAILED names the one that is not. */
int bandwidth_check(const struct cni_args *args, const struct bandwidth_conf *conf,
		    struct cni_error *err);

/* What the verbs share: by what an attachment's ifb is known. The names are the reference's, of
 * network and container, and one that the interface is part of … */
void bandwidth_id(const struct owner *owner, struct shaper_id *ret);

/* … and what there is of it. The host end of the pod's interface must be there, and in prevResult.
 */
struct bandwidth_found {
	struct shaper_id id;
	struct link veth, ifb; /* ifb.index 0: none */
	struct shaper_view on;
};
int bandwidth_find(const struct cni_args *args, struct nl *host, struct bandwidth_found *ret,
		   struct cni_error *err);
