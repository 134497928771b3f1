/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "cni/skel.h"
#include "netlink/link.h"
#include "netlink/pod.h"

/* The pod's link and, where it is asked for, the host end of its veth. */
struct tune {
	struct pod pod;
	struct nl host; /* open only with the host end */
	struct link link, host_end;
};

/* CNI_KERNEL with ENODEV when the pod has no such link; CNI_INVALID_CONFIG when the host end is
 * asked for and the link is no veth with its other end here. */
int tune_open(const struct cni_args *args, bool host_end, struct tune *ret, struct cni_error *err);
void tune_close(struct tune *t); /* opened or not */
#define scoped_tune SCOPED(tune_close)
