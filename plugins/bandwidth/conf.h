/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "cni/skel.h"
#include "net/tbf.h"

struct bandwidth_conf {
	struct tbf ingress, egress; /* to the pod, from the pod; rate 0: as it comes */
	bool fq_codel;
};

/*
 * Read and check everything (plugins.md §3.4): a rate of at least 8 bit/s with a burst of 8 to
 * 2^35 - 9 bits that is not too small for it. Rates at top level, any of the four, be it 0, make
 * those of the runtime ignored. Nothing to free.
 */
int bandwidth_conf_parse(const struct cni_args *args, struct bandwidth_conf *ret,
			 struct cni_error *err);

/* Does it ask for anything? */
bool bandwidth_conf_shapes(const struct bandwidth_conf *conf);
