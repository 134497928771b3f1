/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define IFNAME_MAX 16 /* bytes, the NUL included (IFNAMSIZ) */

/*
 * The specification's rule for interface names (cni-spec.md ENV-08): 1 to 15 bytes, not "." or
 * "..", no '/', ':' or white space (Unicode's too), and, for the kernel's sake, no '%' template.
 * NULL if valid, else what is wrong with it, for an error message.
 */
const char *ifname_problem(const char *name);

/* The attachment's identity; strings of the caller's. All of it is checked before it gets here. */
struct owner {
	const char *network;
	const char *container;
	const char *ifname;
};

/* The hash behind every name derived from an attachment; never changes. */
uint64_t owner_hash(const struct owner *o);
bool owner_equal(const struct owner *a, const struct owner *b);

/*
 * The host end of an attachment's veth: "veth" and 11 base32 characters of owner_hash. DEL and GC
 * find it without asking anybody. The reference's names are "veth" + 8 hex digits: never equal.
 */
void ifname_host_veth(const struct owner *o, char buf[IFNAME_MAX]);

/*
 * IFLA_IFALIAS of links we make: "podwire NETWORK CONTAINER IFNAME" (DESIGN.md, Netlink). Over the
 * kernel's 255 bytes the container is cut and " #" + 16 hex digits of owner_hash are appended.
 */
#define IFALIAS_TEXT 256
void ifname_alias(const struct owner *o, char buf[IFALIAS_TEXT]);

/* Does `alias` belong to network `network`? For GC; false for anybody else's alias. */
bool ifname_alias_of_network(const char *alias, const char *network);
