/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "conf_stamp.h"

/*
 * What was programmed last for a network, one small file per network below the scratch folder
 * (/run/podwire/overlay/stamp-NETWORK): so ADD can tell that nothing has changed, and ask the
 * kernel about a few peers, without reading the list of nodes. It is a hint: one that is missing,
 * damaged or of another version only costs an apply.
 */
/* The folder of stamps and locks; with `create` it is made. Without: err->sys ENOENT. */
int overlay_run_dir(bool create, int *ret_fd, struct cni_error *err);

/* False: there is none to be believed. *ret must not be copied; it is to be freed. */
bool overlay_stamp_read(int dir, const char *network, struct overlay_stamp *ret);

/* Of what stands now: `o` has all nodes, of which some are chosen. */
int overlay_stamp_write(int dir, const struct overlay_conf *conf, const struct overlay *o,
			const char *file, struct cni_error *err);
int overlay_stamp_remove(int dir, const char *network, struct cni_error *err);

/* The lock of a network; see fs_lock_at(). */
int overlay_lock(int dir, const char *network, int *ret_lock, struct cni_error *err);
