/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "conf.h"

/* ADD: everything that is configured, or nothing. `result` (empty) becomes prevResult with the
 * interface's new MAC and MTU. Without any key nothing is opened. */
int tuning_attach(const struct cni_args *args, const struct tuning_conf *conf,
		  struct cni_result *result, struct cni_error *err);

/* DEL: put back what the backup file says, whatever the configuration says by now, and remove it.
 */
int tuning_detach(const struct cni_args *args, struct cni_error *err);

/* CHECK: what is configured, and only that. */
int tuning_check(const struct cni_args *args, const struct tuning_conf *conf,
		 struct cni_error *err);

int tuning_gc(const struct cni_args *args, struct cni_error *err);

/* CNI_NOT_AVAILABLE: the allow-list cannot be honoured, or old values cannot be kept. */
int tuning_status(const struct cni_args *args, const struct tuning_conf *conf,
		  struct cni_error *err);
