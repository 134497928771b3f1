/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "nft/skeleton.h"

/* What skeleton.c puts and skeleton_look.c compares. */
struct chain_def {
	const char *name;
	const char *type; /* of a base chain, else NULL */
	uint32_t hook;
	int32_t priority;
	unsigned rules; /* its own, and */
	unsigned refs; /* rules elsewhere that go to it: together the kernel's use count at least */
	const char *comment;
};

extern const struct chain_def inet_chains[];
extern const size_t n_inet_chains;
extern const struct chain_def bridge_chains[];
extern const size_t n_bridge_chains;

#define SKELETON_FIXED_SETS 8
size_t skeleton_fixed_sets(enum nft_user user, struct set_name out[SKELETON_FIXED_SETS]);
