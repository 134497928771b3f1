/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "conf.h"
#include "shape.h"

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

/* What the verbs share: the token buckets of both directions, NULL where there is none … */
struct bandwidth_shape {
	struct tbf ingress, egress;
	const struct tbf *out, *in; /* of the host end: ingress, egress; or NULL */
};
int bandwidth_shape_of(const struct bandwidth_conf *conf, struct bandwidth_shape *ret,
		       struct cni_error *err);

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
