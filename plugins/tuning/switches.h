/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "conf_backup.h"

/*
 * Kernel switches of the pod. /proc/sys/net means the namespace of whoever opens it, so these are
 * called there, by switches_call(). A switch that cannot be read (route.flush) is written all the
 * same, and neither remembered nor compared. White space never makes a difference.
 */
struct switches {
	const struct tuning_conf *conf; /* not for restoring */
	struct tuning_backup *b;	/* not for applying and comparing */
	const struct cni_args *args;	/* whose backup file; adding only */
	bool undo;			/* restoring: of an ADD that fails */
	int sys_fd;			/* the pod's /proc/sys; switches_call() opens it */
};

/* Call some of the four below in the pod; without any switch nothing is entered. */
int switches_call(int netns_fd, int (*fn)(void *switches, struct cni_error *err),
		  const struct switches *s, struct cni_error *err);

/* Add the present values of those that will be changed to `b`. A switch that does not exist is
 * CNI_INVALID_CONFIG naming key and path. Nothing is changed. */
int switches_remember(void *switches, struct cni_error *err);

/* In the file's order, up to the first that fails. They are written even if they have the value:
 * some pass it on to every interface. One that has it and cannot be written (a read-only /proc/sys
 * which is preset right) is fine. */
int switches_apply(void *switches, struct cni_error *err);

/*
 * Put back the old values, the last first, of those that still have what we gave them: others are
 * somebody else's by now. One that passes its value on to every interface is put back only by an
 * ADD that fails. Goes on past failures, the first is told. A switch that is gone (with its
 * interface) is none.
 */
int switches_restore(void *switches, struct cni_error *err);

/* CNI_CHECK_FAILED naming the first that differs. */
int switches_compare(void *switches, struct cni_error *err);
