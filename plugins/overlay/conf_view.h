/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "conf.h"

/* What `show` has found, as values; everything is borrowed. */
struct overlay_view_device {
	const char *name;
	bool exists, up;
	uint32_t mtu;
	struct mac mac;
	struct overlay_view_counters {
		uint64_t packets, bytes, errors, dropped;
	} received, sent;
};

struct overlay_view_node {
	const struct overlay_node *node;
	int version; /* 4 or 6 */
	const char *reached;
	bool stands;
};

struct overlay_view {
	const char *file;
	const struct overlay_conf *conf;
	const struct overlay *overlay; /* with all nodes */
	struct overlay_view_device devices[2];
	size_t n_devices;
	const struct overlay_view_node *nodes;
	size_t n_nodes;
	char *const *differences;
	size_t n_differences;
	uint64_t stranger_packets, stranger_bytes;
};

/* As a JSON document; the caller's. */
int overlay_view_json(const struct overlay_view *v, char **ret, struct cni_error *err);

/* A node's public address and subnet of that version. */
void overlay_view_addresses(const struct overlay_view_node *n, char public[IP_TEXT],
			    char subnet[IPNET_TEXT]);
