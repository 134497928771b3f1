/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "cni/skel.h"

#define TUNING_DATA_DIR	   "/run/cni/tuning"
#define TUNING_DIR_MAX	   1024 /* bytes of dataDir */
#define TUNING_SYSCTLS_MAX 256
#define TUNING_PATH	   256	/* bytes of a path below /proc/sys, the NUL included */
#define TUNING_VALUE_MAX   4096 /* bytes of a switch's value, the NUL included */

struct tuning_sysctl {
	const char *key; /* as written: what the allow-list is asked about */
	const char *value;
	char path[TUNING_PATH]; /* below /proc/sys: net/ipv4/conf/eth0/log_martians */
};

struct tuning_conf {
	struct tuning_sysctl *sysctls; /* in the file's order */
	size_t n_sysctls;
	struct link_values link;
	bool mtu_both_ends; /* never without link.has_mtu */
	const char *data_dir;
};

/*
 * Read and check everything (plugins.md §3.3); nothing in the kernel is looked at. Strings are
 * borrowed from args, the array is owned: tuning_conf_free().
 */
int tuning_conf_parse(const struct cni_args *args, struct tuning_conf *ret, struct cni_error *err);
void tuning_conf_free(struct tuning_conf *conf);

/* The folder of backup files alone, for DEL and GC, which must work whatever else the file says by
 * now; the default where dataDir could not have been used. */
const char *tuning_conf_data_dir(const struct cni_args *args);

/* Is this a path below /proc/sys that we may touch: under net/, no empty component, no "." and
 * ".."? */
bool tuning_path_valid(const char *path);
