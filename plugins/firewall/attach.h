/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "conf.h"

/* ADD: the pod may forward and be forwarded to; undone on failure. `result` (empty) becomes
 * prevResult. Without an address nothing is opened. */
int firewall_attach(const struct cni_args *args, const struct firewall_conf *conf,
		    struct cni_result *result, struct cni_error *err);

/* DEL: everything that this attachment has, whatever the configuration says by now; for a pod that
 * the reference's plugin attached, the rules and zone entries of prevResult's addresses. */
int firewall_detach(const struct cni_args *args, struct cni_error *err);

/* CHECK: elements, the rules in FORWARD, the zone. Nothing is changed. */
int firewall_check(const struct cni_args *args, const struct firewall_conf *conf,
		   struct cni_error *err);

int firewall_gc(const struct cni_args *args, struct cni_error *err);
