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
