/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/num.h"
#include "base/scoped.h"
#include "netlink/fdb.h"
#include "netlink/neigh.h"
#include "netlink/req.h"
#include "netlink/route.h"
#include "netlink/tunnel.h"
#include "overlay/overlay.h"

/*
 * Programs the entries of many nodes, in the namespace that it is started in:
 *
 *   overlay podwire LOCAL NODES   as `overlay apply` does: all, again, one node more, one less
 *   overlay flannel LOCAL NODES   as flannel does: a new socket for each request, plain routes, and
 *                                 at a restart everything once more
 *
 * Prints one line of JSON: nanoseconds, and the peak of memory in KiB before and after.
 */
static uint64_t now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

/* KiB. Not getrusage()'s, which remembers who started us. */
static long peak(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char text[128];
	long kib = 0;

	while (f != NULL && fgets(text, sizeof(text), f) != NULL)
		(void)sscanf(text, "VmHWM: %ld kB", &kib);
	if (f != NULL)
		(void)fclose(f);
	return kib;
}

static void must(int r, const struct cni_error *err)
{
	if (r == 0)
		return;
	(void)fprintf(stderr, "%s (%s)\n", err->msg, err->details);
	exit(1);
}

static struct ip number(uint32_t n)
{
	const uint8_t b[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
			       (uint8_t)n };

	return ip_from_bytes(b, sizeof(b));
}

/* Node i: 10.x.y.0/24, at an address of 198.18.0.0/15; the first is ours. */
static struct overlay_node *make_nodes(size_t n, const struct ip *local)
{
	struct overlay_node *nodes = calloc(n, sizeof(*nodes));

	for (size_t i = 0; nodes != NULL && i < n; i++) {
		const struct ip subnet = number((10U << 24) + ((uint32_t)i << 8));

		nodes[i] = (struct overlay_node){
			.name = "node",
			.has4 = true,
			.public4 =
			    i == 0 ? *local : number((198U << 24) + (18U << 16) + (uint32_t)i),
			.local4 = *local,
			.subnet4 = ipnet_make(&subnet, 24),
		};
	}
	return nodes;
}

static struct overlay overlay_of(const struct overlay_node *nodes, size_t n)
{
	const struct ip network = number(10U << 24);

	return (struct overlay){
		.backend = OVERLAY_VXLAN,
		.has4 = true,
		.network4 = ipnet_make(&network, 8),
		.device4 = "flannel.1",
		.vni = 1,
		.port = 8472,
		.nodes = nodes,
		.n = n,
	};
}

static uint64_t apply(const struct overlay_node *nodes, size_t n)
{
	const struct overlay o = overlay_of(nodes, n);
	struct overlay_report report;
	struct cni_error err;
	uint64_t begin = now();
	struct nl nl;

	must(nl_open(&nl, &err), &err);
	must(overlay_apply(&nl, &o, &report, &err), &err);
	nl_close(&nl);
	return now() - begin;
}

static void podwire(const struct overlay_node *nodes, size_t n)
{
	long before = peak();
	/* The last node comes and goes. */
	uint64_t first = apply(nodes, n - 1), again = apply(nodes, n - 1), more = apply(nodes, n),
		 less = apply(nodes, n - 1);

	(void)printf("{\"first\": %lu, \"again\": %lu, \"more\": %lu, \"less\": %lu, "
		     "\"before\": %ld, \"peak\": %ld}\n",
		     first, again, more, less, before, peak());
}

/* One request of flannel's: a socket of its own. */
static void send_alone(struct nl_req *req)
{
	struct cni_error err;
	struct nl nl;

	must(nl_open(&nl, &err), &err);
	must(nl_call(&nl, req, &err), &err);
	nl_close(&nl);
}

static void add_peer(struct nl_req *req, const struct overlay_node *node, int index,
		     const struct mac *mac)
{
	const struct neigh neigh = { .ip = node->subnet4.addr, .mac = *mac };
	const struct hop_route route = {
		.dst = node->subnet4,
		.protocol = RTPROT_BOOT,
		.hop = { .index = index, .gw = node->subnet4.addr, .onlink = true },
	};

	nl_begin(req);
	neigh_put_set(req, index, &neigh);
	send_alone(req);
	nl_begin(req);
	fdb_put_set(req, index, mac, &node->public4);
	send_alone(req);
	nl_begin(req);
	route_put_hop(req, &route);
	send_alone(req);
}

static uint64_t replay(const struct overlay_node *nodes, size_t n, int index)
{
	const struct overlay o = overlay_of(nodes, n);
	uint64_t begin = now();
	struct nl_req req;

	for (size_t i = 1; i < n; i++) {
		const struct mac mac = overlay_vtep_mac(&o, &nodes[i], AF_INET);

		add_peer(&req, &nodes[i], index, &mac);
	}
	return now() - begin;
}

static void flannel(const struct overlay_node *nodes, size_t n)
{
	struct cni_error err;
	struct tunnel t;
	struct nl nl;

	/* The device alone, by our means: it is not what is compared. */
	(void)apply(nodes, 1);
	must(nl_open(&nl, &err), &err);
	must(tunnel_get(&nl, "flannel.1", &t, &err), &err);
	nl_close(&nl);
	(void)printf("{\"first\": %lu", replay(nodes, n - 1, t.link.index));
	(void)printf(", \"again\": %lu}\n", replay(nodes, n - 1, t.link.index));
}

int main(int argc, char **argv)
{
	scoped_free struct overlay_node *nodes = NULL;
	struct ip local;
	uint64_t n;

	if (argc != 4 || !ip_parse(argv[2], &local) || !num_parse(argv[3], 65000, &n) || n < 2) {
		(void)fprintf(stderr, "usage: overlay podwire|flannel LOCAL NODES\n");
		return 2;
	}
	nodes = make_nodes(n, &local);
	if (nodes == NULL)
		return 1;
	if (strcmp(argv[1], "podwire") == 0)
		podwire(nodes, n);
	else
		flannel(nodes, n);
	return 0;
}
