/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "conf_backup.h"

/*
 * Kernel switches of the pod: /proc/sys/net means the namespace of whoever opens it, so each of
 * these goes into `netns_fd` and comes back. A switch that has the value already, but for white
 * space, is not written: a read-only /proc/sys which is preset right is fine. One that cannot be
 * read (route.flush) is written all the same, and neither remembered nor checked.
 */

/* Add the present values of those that will be changed to `b`. A switch that does not exist is
 * CNI_INVALID_CONFIG naming key and path. Nothing is changed. */
int switches_remember(int netns_fd, const struct tuning_conf *conf, struct tuning_backup *b,
		      struct cni_error *err);

/* In the file's order, up to the first that fails. */
int switches_apply(int netns_fd, const struct tuning_conf *conf, struct cni_error *err);

/* Put back the old values, the last first; goes on past failures, the first is told. A switch that
 * is gone (with its interface) is none. */
int switches_restore(int netns_fd, const struct tuning_backup *b, struct cni_error *err);

/* CNI_CHECK_FAILED naming the first that differs. */
int switches_check(int netns_fd, const struct tuning_conf *conf, struct cni_error *err);
