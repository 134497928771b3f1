/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "conf_backup.h"
#include "netlink/link.h"

/* The inode of the pod's namespace: who it is, as long as it lives. 0: there is none. */
int64_t restore_netns(const struct cni_args *args);

/* Are these values of this namespace and link? `ifindex` 0: of this namespace. A file of the
 * reference does not say. */
bool restore_is_same(const struct tuning_backup *b, int64_t netns, int ifindex);

/*
 * Put everything in `b` back, the last change first: the queue length and others, the MAC, then
 * the kernel switches. Goes on past failures; the first is told. A link that is gone is none.
 */
int restore_values(const struct cni_args *args, const struct tuning_backup *b,
		   struct cni_error *err);
