/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "cni/delegate_conf.h"
#include "env.h"

/* The delegate's configuration out of ours, which flannel_conf_parse() has passed, and the daemon's
 * file. */
int flannel_delegate_build(const struct cni_args *args, const struct subnet_env *env,
			   struct delegate_conf *ret, struct cni_error *err);

/* CHECK: is what came from the daemon's file still the same? CNI_CHECK_FAILED names what is not. */
int flannel_delegate_compare(const struct delegate_conf *kept, const struct delegate_conf *wanted,
			     struct cni_error *err);
