/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "cni/result.h"

struct cni_error;

#define RESOLV_CONF_MAX (1u << 20)

/*
 * Read a resolv.conf(5) into a result's DNS, which must be empty: nameserver (first argument),
 * domain (the last one wins), search and options (all of all lines). Comments (# ;) and lines
 * without an argument are skipped, unknown ones too. CNI_IO if the file cannot be read.
 */
int resolv_read(const char *path, struct cni_dns *dns, struct cni_error *err);
