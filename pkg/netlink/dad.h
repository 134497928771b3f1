/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "netlink/sock.h"

/*
 * Wait until no IPv6 address of the link is tentative any more, at most ADDR_SECONDS. An address
 * that somebody else has is CNI_CONFLICT naming it; no outcome in time is CNI_TRY_AGAIN, unless the
 * link has no carrier: nobody can be asked then, and that is nobody's mistake.
 */
int dad_wait(struct nl *nl, int index, const char *ifname, struct cni_error *err);
