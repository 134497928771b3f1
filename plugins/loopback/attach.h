/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "cni/skel.h"

/* Take "lo" of the pod up; its addresses are the result, or what came before us in a chain. On
 * failure it is as it was. */
int loopback_attach(const struct cni_args *args, struct cni_result *result, struct cni_error *err);

/* Take it down; no namespace, nothing to do. */
int loopback_detach(const struct cni_args *args, struct cni_error *err);

/* CNI_CHECK_FAILED when it is down. */
int loopback_check(const struct cni_args *args, struct cni_error *err);
