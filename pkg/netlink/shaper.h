/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "netlink/link.h"
#include "netlink/qdisc.h"

/*
 * A link with its traffic held to two rates (shaper.c tells how). Seen from the node: what leaves
 * through the link is held by a token bucket of its own; what comes in is sent through an ifb
 * link first, which has the other.
 */
#define SHAPER_NAMES 2 /* places where an attachment's ifb may be */

/* What there is. Absent: a link's index is 0, a qdisc's handle is 0. */
struct shaper_view {
	struct link link;
	struct link ifb[SHAPER_NAMES]; /* any link of that name, whatever its kind */
	struct qdisc root, entry;      /* of link; unread when it was named, not numbered */
	struct qdisc inner, ifb_root, ifb_inner; /* only shaper_look_closely() reads these */
	struct redirect redirect;		 /* the same */
};

/* One round trip. By number the link must be there (err->sys ENODEV); by name it may be absent. */
int shaper_look(struct nl *nl, int index, const char *const names[SHAPER_NAMES],
		struct shaper_view *ret, struct cni_error *err);
int shaper_look_name(struct nl *nl, const char *name, const char *const names[SHAPER_NAMES],
		     struct shaper_view *ret, struct cni_error *err);
/* The rest of it, for CHECK: *view as shaper_look() left it, the ifb in place `ifb`. */
int shaper_look_closely(struct nl *nl, size_t ifb, struct shaper_view *view, struct cni_error *err);

struct shaper_spec {
	const struct link *link;
	const struct tbf *out; /* what leaves through the link; rate 0: as it comes */
	const struct tbf *in;  /* what comes in; rate 0: as it comes, and no ifb */
	const char *ifb;       /* its name, which must be free */
	const char *alias;
	struct mac mac; /* no other ifb has it: a failure deletes by name and MAC */
	bool fq_codel;	/* below each token bucket, instead of its own queue */
};

/*
 * Shape a link that has neither root nor ingress qdisc: two round trips, one without `in`. A
 * failure leaves nothing; what the kernel has no code for is told by the module's name. A name
 * that somebody took meanwhile is err->sys EEXIST, and that link's alias may be ours then.
 */
int shaper_add(struct nl *nl, const struct shaper_spec *spec, struct cni_error *err);

struct shaper_parts {
	int link;	       /* 0: its qdiscs stay */
	bool root, entry;      /* which; another's, by kind or handle, is left alone */
	int ifb[SHAPER_NAMES]; /* 0: none */
};
/* Take it off, in one round trip. What is gone already is success; goes on past failures. */
int shaper_remove(struct nl *nl, const struct shaper_parts *parts, struct cni_error *err);
