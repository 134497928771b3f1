/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "conf_backup.h"
#include "netlink/link.h"
#include "netlink/pod.h"

/* What ADD shares with DEL: the open link, and putting things back. */

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

/* Who the pod's namespace is: its cookie, which is never given again, unlike the inode, or the
 * inode where the kernel has no cookies (before 5.14). */
int tuning_netns(const struct cni_args *args, int64_t *ret, struct cni_error *err);

/* Are these values of this namespace and link (`ifindex` 0: any)? A file of the reference does not
 * say whose they are: DEL believes it, ADD replaces it. */
bool tuning_is_same(const struct tuning_backup *b, bool adding, int64_t netns, int ifindex);

/*
 * Put everything in `b` back, the last change first: the queue length and others, the MAC, then
 * the kernel switches (`undo`: as switches.h says). Goes on past failures; the first is told. A
 * link that is gone is none.
 */
int tuning_restore(const struct cni_args *args, const struct tuning_backup *b, bool undo,
		   struct cni_error *err);
