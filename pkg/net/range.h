/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "net/ipnet.h"

struct cni_error;

/* A pool of addresses within one subnet (plugins.md §2.1). */
struct ip_range {
	struct ipnet subnet;  /* no host bits */
	struct ip start, end; /* both included, start <= end */
	struct ip gateway;
};

/* Alternatives of one family: an attachment gets one address of each set. */
struct range_set {
	size_t n;
	struct ip_range *r; /* owned by whoever parsed it */
};

/* What the user wrote: absent parts get the reference's defaults in range_complete(). */
struct range_text {
	struct ipnet subnet;
	bool has_start, has_end, has_gateway;
	struct ip start, end, gateway;
};

/*
 * Fill in defaults (gateway and start: network + 1; end: IPv4 broadcast - 1, IPv6 the last) and
 * check: big enough, no host bits, bounds inside and in order. CNI_INVALID_CONFIG with the
 * reference's texts ("Network 192.0.2.0/31 too small to allocate from").
 */
int range_complete(const struct range_text *in, struct ip_range *ret, struct cni_error *err);

bool range_contains(const struct ip_range *r, const struct ip *ip);
bool range_overlaps(const struct ip_range *a, const struct ip_range *b);
void range_print(const struct ip_range *r, char *buf, size_t cap); /* "A-B" */
void range_set_print(const struct range_set *set, char *buf,
		     size_t cap); /* "A-B,C-D", cut if long */

/* The range of the set that holds `ip`, or NULL. */
const struct ip_range *range_set_find(const struct range_set *set, const struct ip *ip);

/* One family, no overlap within the set: "invalid range set N: …" is added by the caller. */
int range_set_check(const struct range_set *set, struct cni_error *err);
bool range_set_overlaps(const struct range_set *a, const struct range_set *b);

/*
 * Round robin: walk every address of a set once, beginning after `last` if that lies in the set
 * (itself coming last), else at the first. Skips each range's gateway.
 */
struct range_iter {
	const struct range_set *set;
	size_t range;
	struct ip cur, first;
	bool begun;
};

void range_iter_init(struct range_iter *it, const struct range_set *set,
		     const struct ip *last /* NULL: none */);
bool range_iter_next(struct range_iter *it, struct ip *ret_ip, const struct ip_range **ret_range);
