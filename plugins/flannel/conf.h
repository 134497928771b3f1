/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "cni/skel.h"

struct flannel_conf {
	const char *subnet_file; /* what the daemon decided for this node */
	const char *data_dir;	 /* where delegates' configurations are kept */
};

#define FLANNEL_DIR_MAX 1024 /* bytes of dataDir */

/*
 * Read and check everything (overlay.md §4.1, §4.2 rule 3); no file is looked at. Strings are
 * borrowed from args. What `delegate` becomes is conf_delegate.h's.
 */
int flannel_conf_parse(const struct cni_args *args, struct flannel_conf *ret,
		       struct cni_error *err);

/* dataDir alone, for DEL, which must work whatever else the file says by now. */
int flannel_conf_data_dir(const struct cni_args *args, const char **ret, struct cni_error *err);
