/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "base/scoped.h"
#include "cni/skel.h"
#include "net/overlay.h"

#define OVERLAY_NODES_MAX      65536
#define OVERLAY_NODES_FILE_MAX ((size_t)32 << 20)
#define OVERLAY_NODE_NAME_MAX  253 /* bytes: a DNS name's */

/* Nodes as the list has them, in its order. */
struct overlay_nodes {
	struct overlay_node *nodes; /* owned, with their names */
	size_t n, cap;
};

void overlay_nodes_free(struct overlay_nodes *list);

#define scoped_overlay_nodes SCOPED(overlay_nodes_free)

/* "nodes" of the configuration. `o` says which families there are. */
int overlay_nodes_parse(const json_t *array, const struct overlay *o, struct overlay_nodes *ret,
			struct cni_error *err);

/* The same list as the text of a file, which `what` names in errors. */
int overlay_nodes_read(const char *text, size_t len, const char *what, const struct overlay *o,
		       struct overlay_nodes *ret, struct cni_error *err);

/*
 * The list as a whole: no two nodes with one name, public address, or overlapping subnets.
 * CNI_INVALID_CONFIG names both. n log n.
 */
int overlay_nodes_check(const struct overlay_nodes *list, struct cni_error *err);

/* A node as the list would have it. NULL: no memory. */
json_t *overlay_node_encode(const struct overlay_node *node);

/* Who this machine is, as far as a list can tell. */
struct overlay_self {
	const char *node;      /* the key "node", or NULL */
	const char *host;      /* the host name */
	const struct ip *addr; /* local addresses, sorted by ip_cmp() */
	size_t n;
};

/*
 * Which node is ours: the one that "node" names; else the one with a local address of ours as
 * publicIP, publicIPv6, localIP or localIPv6, the host name deciding between several; else the one
 * with the host's name. CNI_INVALID_CONFIG: none, or several; says what was compared. Its addresses
 * must be here, which is checked too.
 */
int overlay_nodes_self(const struct overlay_nodes *list, const struct overlay *o,
		       const struct overlay_self *self, size_t *ret_index, struct cni_error *err);
