/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "conf.h"
#include "netlink/sock.h"
#include "nft/overlay.h"
#include "overlay/overlay.h"
#include "stamp.h"

/*
 * This node's side of the overlay: device, routes and entries (pkg/overlay), rules (pkg/nft), and
 * the stamp that says what was made. The order of it is told at the top of standing.c.
 */
struct overlay_standing {
	struct nl nl;
	struct overlay overlay;	    /* with nodes and self; device names are the configuration's */
	struct overlay_nodes list;  /* what overlay.nodes are: all, or a stamp's few */
	char file[OVERLAY_FILE_ID]; /* which nodesFile was read, for the stamp */
	struct overlay_report report;
	bool rules_changed;
};

void overlay_standing_free(struct overlay_standing *side);

#define scoped_overlay_standing SCOPED(overlay_standing_free)

/* Read all nodes and find ours; nothing is changed. `side` is fresh: { .nl = { 0 } }. */
int overlay_standing_load(const struct overlay_conf *conf, struct overlay_standing *side,
			  struct cni_error *err);

/* Program everything, under the network's lock; first refuse what cannot be (nothing is changed
 * then). `side` is fresh, and has all nodes afterwards. */
int overlay_standing_apply(const struct overlay_conf *conf, struct overlay_standing *side,
			   struct cni_error *err);

/* ADD: does it stand? At a constant cost; if not, overlay_standing_apply(). side->report has the
 * MTUs.
 */
int overlay_standing_ensure(const struct overlay_conf *conf, struct overlay_standing *side,
			    struct cni_error *err);

/* What differs, as lines, of a loaded side. `strangers` may be NULL. */
int overlay_standing_differ(const struct overlay_conf *conf, struct overlay_standing *side,
			    void (*line)(void *arg, const char *text), void *arg,
			    struct nft_overlay_strangers *strangers, struct cni_error *err);

/* Why an apply of a loaded side would be refused, if it would; nothing is changed. */
int overlay_standing_refused(const struct overlay_conf *conf, struct overlay_standing *side,
			     struct cni_error *err);

/* The MTU for pods of a loaded side that stands. */
int overlay_standing_look(struct overlay_standing *side, uint32_t *ret_mtu, struct cni_error *err);

/* Does it stand, or could it be programmed here? Any code but CNI_OK says no. `side` is fresh. */
int overlay_standing_status(const struct overlay_conf *conf, struct overlay_standing *side,
			    struct cni_error *err);

/* Take everything away, the stamp last; absent is success. Nodes are not read. */
int overlay_standing_remove(const struct overlay_conf *conf, struct cni_error *err);

/* What pods' links get: that of the smaller family. */
uint32_t overlay_standing_mtu(const struct overlay_standing *side);
