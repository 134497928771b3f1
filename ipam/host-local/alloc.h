/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "net/range.h"
#include "store/store.h"

struct cni_error;

/* Choosing an address of a range set: the reference's order, without its probing file by file. */

/* One set of one ADD. */
struct alloc {
	const struct range_set *set;
	size_t index;		      /* of the set, for last_reserved_ip and messages */
	const struct ip *requested;   /* NULL: any */
	struct ip ip;		      /* out: reserved now */
	const struct ip_range *range; /* out: the range that holds it */
};

/*
 * Reserve an address. `owned` is what the owner has already: any of it in this set is
 * CNI_CONFLICT, unless an address was requested. CNI_EXHAUSTED: no address is free.
 */
int alloc_address(struct store *s, const struct owner *o, const struct owned *owned,
		  struct alloc *a, struct cni_error *err);

/* Is there an address that alloc_address() could give out of set number `index`? Looks at the
 * folder without its lock; in constant time where round robin finds one soon. */
int alloc_has_free(int dir, const struct range_set *set, size_t index, bool *ret,
		   struct cni_error *err);
