/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "sandbox.h"

#include <stdbool.h>

#include "overlay/overlay.h"

/* A host with an underlay and an overlay of a few nodes over it, n1 being the host. */

#define NODES_MAX 12

struct cluster {
	struct sandbox *s;
	struct nl nl;
	struct overlay o;
	struct overlay_node nodes[NODES_MAX];
	char names[NODES_MAX][16];
	struct overlay_report report;
	char lines[8192]; /* of cluster_differ() */
};

struct ipnet net_of(const char *text);
struct ip ip_of(const char *text);

/*
 * Link `under` is up with 192.168.50.1/24 and fd50::1/64, MTU 1500. A vxlan, IPv4 only unless
 * o.has6 is set, of network 10.244.0.0/16 and fd44::/48; node i + 1 is "n<i + 1>", 192.168.50.<i +
 * 1> and fd50::<i + 1>, with 10.244.<i + 1>.0/24 and fd44:0:0:<i + 1>::/64.
 */
void cluster_begin(struct cluster *c, struct sandbox *s, size_t n);
void cluster_end(struct cluster *c);

/* It must succeed; how many objects it changed. */
size_t cluster_apply(struct cluster *c);
/* The lines, each with its newline. */
const char *cluster_differ(struct cluster *c);
bool cluster_probe(struct cluster *c);

/* What ip(8) and bridge(8) see of it, and of all routes and nexthops. The caller frees it. */
char *cluster_seen(struct cluster *c);
