/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cni/skel.h"

/* One direction. Both 0: as it comes; else a rate of at least 8 and a burst of 8 to 2^35 - 16. */
struct bandwidth_rate {
	uint64_t rate;	/* bits per second */
	uint64_t burst; /* bits */
};

struct bandwidth_conf {
	struct bandwidth_rate ingress, egress; /* to the pod, from the pod */
	const char *at;			       /* the path in front of the keys, for errors */
	bool fq_codel;
};

/*
 * Read and check everything (plugins.md §3.4). Rates at top level, any of the four, be it 0, make
 * those of the runtime ignored. Nothing to free.
 */
int bandwidth_conf_parse(const struct cni_args *args, struct bandwidth_conf *ret,
			 struct cni_error *err);

/* Does it ask for anything? */
bool bandwidth_conf_shapes(const struct bandwidth_conf *conf);
