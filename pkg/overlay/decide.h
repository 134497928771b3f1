/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "overlay/side.h"

/* nexthops.c: Decide each want's nhid and its need. */
int nexthops_decide(struct side *s, struct cni_error *err);

/* decide.c: Fill each want's needs and what is kept. CNI_CONFLICT through s->conflict: see there.
 */
int decide(struct side *s, struct cni_error *err);
int decide_conflict(const struct side *s, struct cni_error *err); /* raise it, if there is one */
