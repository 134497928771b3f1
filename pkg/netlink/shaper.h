/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "netlink/link.h"
#include "netlink/qdisc.h"

/*
 * A link with its traffic held to two rates (shaper.c tells how). Seen from the node: what leaves
 * through the link is held by a token bucket of its own; what comes in is sent through an ifb
 * link first, which has the other.
 */

/* By what an ifb is known. */
#define SHAPER_NAMES 2
struct shaper_id {
	char names[SHAPER_NAMES][IFNAME_MAX]; /* the first if that is free, else the second */
	char alias[IFALIAS_TEXT];	      /* for people, and for GC */
	struct mac mac;			      /* no other link has it */
};

/* What there is on link and ifb (index 0: none). A qdisc that is absent has the handle 0. */
struct shaper_view {
	struct qdisc root, inner, entry;
	struct qdisc ifb_root, ifb_inner;
	struct redirect redirect;
};
int shaper_look(struct nl *nl, const struct link *link, const struct link *ifb,
		struct shaper_view *ret, struct cni_error *err);

struct shaper_spec {
	const struct link *link;
	const struct tbf *out; /* what leaves through the link; rate 0: as it comes */
	const struct tbf *in;  /* what comes in; rate 0: as it comes, and no ifb */
	const struct shaper_id *id;
	bool fq_codel; /* below each token bucket, instead of its own queue */
};

/*
 * Shape a link that has no root qdisc (with `out`) and no ingress qdisc (with `in`). A failure
 * leaves nothing; what the kernel has no code for is told by the module's name. The second name
 * taken is err->sys EEXIST; links that have either are never touched. *ret_ifb: index 0 without
 * `in`.
 */
int shaper_add(struct nl *nl, const struct shaper_spec *spec, struct link *ret_ifb,
	       struct cni_error *err);

struct shaper_parts {
	const struct link *link, *ifb; /* index 0: none */
	bool root, entry;	       /* of link; another's, by kind or handle, is left alone */
};
/* Take it off, in one round trip. What is gone already is success; goes on past failures. */
int shaper_remove(struct nl *nl, const struct shaper_parts *parts, struct cni_error *err);
