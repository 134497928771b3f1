/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "cni/skel.h"
#include "conf.h"

/* What the verbs do to the folder of reservations. */

/* Reserve one address of each range set and fill the (empty) result with them, the routes and the
 * DNS. On failure everything that this call reserved is released. */
int host_local_add(const struct owner *o, const struct host_local_conf *conf,
		   struct cni_result *result, struct cni_error *err);

/* Release all addresses of the owner. Nothing there, not even the folder, is success. */
int host_local_del(const struct owner *o, const char *data_dir, struct cni_error *err);

/* CNI_CHECK_FAILED unless the owner has an address in each range set, and `prev` (NULL: not given)
 * lists it. */
int host_local_check(const struct owner *o, const struct host_local_conf *conf,
		     const struct cni_result *prev, struct cni_error *err);

/* Release whatever belongs to none of args->valid. */
int host_local_gc(const struct cni_args *args, const char *data_dir, struct cni_error *err);

/* CNI_NOT_AVAILABLE: an ADD would fail now (pool full, folder not writable, disk full). Changes
 * nothing and takes no lock. */
int host_local_status(const char *network, const struct host_local_conf *conf,
		      struct cni_error *err);
