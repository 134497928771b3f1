/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "conf.h"

/* ADD: host ports, and what lets loopback clients in; undone on failure. Without mappings nothing
 * is opened. `result` (empty) becomes prevResult. */
int portmap_attach(const struct cni_args *args, const struct portmap_conf *conf,
		   struct cni_result *result, struct cni_error *err);

/* DEL: everything that this attachment has, whatever the configuration says by now. */
int portmap_detach(const struct cni_args *args, struct cni_error *err);

/* CHECK: every element, and the switch for 127.0.0.1; surroundings that break host ports are said
 * on stderr. Nothing is changed. */
int portmap_check(const struct cni_args *args, const struct portmap_conf *conf,
		  struct cni_error *err);

int portmap_gc(const struct cni_args *args, struct cni_error *err);
