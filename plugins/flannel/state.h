/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <limits.h>

#include "cni/delegate_conf.h"

/*
 * State files: the delegate's configuration of each attachment, so that DEL does not depend on
 * today's. DIR/CONTAINER, where the reference keeps its own; where that is another network's
 * already, DIR/CONTAINER:INTERFACE (no container ID has a colon in it).
 */
struct flannel_state {
	char name[NAME_MAX + 1]; /* where it is or is to be; "": too long to be a file's */
	bool found;		 /* there is a file */
	bool damaged;		 /* it is no configuration of a delegate: empty, cut off, a link */
	struct delegate_conf conf; /* owned; unless damaged */
};

void flannel_state_free(struct flannel_state *s);

/* The attachment's file, or the name for one. Fails only if it cannot be looked at (CNI_IO). */
int state_load(const struct cni_args *args, const char *dir, struct flannel_state *ret,
	       struct cni_error *err);

/* Put the configuration in place, whole; the folder is made (0700, with its parents) if it is
 * missing. */
int state_save(const char *dir, const struct flannel_state *at, const struct delegate_conf *conf,
	       struct cni_error *err);

/* Absent is success. */
int state_remove(const char *dir, const struct flannel_state *at, struct cni_error *err);

/* GC: remove this network's files whose attachments are not valid, and what killed writers left.
 * Damaged files and those of others stay. */
int state_gc(const struct cni_args *args, const char *dir, struct cni_error *err);

/* STATUS: could files be kept there? CNI_IO when something else stands in the way. */
int state_status(const char *dir, struct cni_error *err);
