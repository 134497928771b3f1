/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>

#include "net/ifname.h"
#include "netlink/sock.h"

/*
 * GC of host links: delete every link of `kind` whose alias says that it belongs to `network` and
 * whose name is not among `names` (the host veths of the valid attachments, any order; sorted in
 * place). A link without our alias is never touched. Goes on past failures and reports the first.
 */
int owned_links_gc(struct nl *nl, const char *kind, const char *network, char (*names)[IFNAME_MAX],
		   size_t n, struct cni_error *err);

/*
 * The host-side interfaces whose end means the pod's end, as proof of life for nft_attach(): our
 * own bridge plugin's veth, which results before 0.3.0 do not tell, and those of `names` (`n` of
 * them, from prevResult) that exist. Bridges do not count, nor pairs with both ends on the host
 * (the gateway of a bridge's VLAN): they outlive every pod. `names` must live as long as *ret.
 */
#define OWNED_LINKS_MAX 16
struct owned_links {
	const char *names[OWNED_LINKS_MAX + 1]; /* NULL behind the last */
	char veth[IFNAME_MAX];
};
void owned_links_of_pod(struct nl *nl, const struct owner *owner, const char *const *names,
			size_t n, struct owned_links *ret);
