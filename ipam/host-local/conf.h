/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>

#include "base/scoped.h"
#include "cni/skel.h"
#include "net/ifcfg.h"
#include "net/range.h"

/* host-local's configuration (plugins.md §2.1). stdin is the calling plugin's; ours is "ipam" in
 * it, with runtimeConfig.ipRanges, runtimeConfig.ips, args.cni.ips and CNI_ARGS' IP. */

#define HOST_LOCAL_DATA_DIR "/var/lib/cni/networks"

enum {
	HOST_LOCAL_SETS_MAX = 16,      /* addresses of one attachment */
	HOST_LOCAL_RANGES_MAX = 256,   /* alternatives within a set */
	HOST_LOCAL_REQUESTED_MAX = 64, /* addresses asked for */
	HOST_LOCAL_ROUTES_MAX = 1024,
};

struct host_local_conf {
	const char *data_dir;	 /* absolute; borrowed from the document */
	const char *resolv_conf; /* borrowed; NULL: none */
	struct range_set sets[HOST_LOCAL_SETS_MAX];
	size_t n_sets;
	struct ip requested[HOST_LOCAL_REQUESTED_MAX]; /* in the order in which they are tried */
	size_t n_requested;
	struct route *routes; /* owned */
	size_t n_routes;
};

/* Read and check everything. *ret is the caller's to free, and untouched on failure. */
int host_local_conf_parse(const struct cni_args *args, struct host_local_conf *ret,
			  struct cni_error *err);
void host_local_conf_free(struct host_local_conf *conf);

#define scoped_host_local_conf SCOPED(host_local_conf_free)

/*
 * Only the folder: what DEL and GC need to clean up although the rest is wrong. Without "ipam" it
 * is the default.
 */
int host_local_conf_data_dir(const struct cni_args *args, const char **ret, struct cni_error *err);
