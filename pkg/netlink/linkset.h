/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "net/ifcfg.h"
#include "netlink/link.h"
#include "netlink/sock.h"

/* Changes of a link that is in use already. */

/* Take from `link` each property that `want` has and `v` does not have yet. */
void link_values_take(struct link_values *v, const struct link *link,
		      const struct link_values *want);

/*
 * Give link `now` what `want` says and `now` does not have, the MAC excepted: one sendmsg, or none
 * when nothing differs. After a failure (the first is told) the others are made all the same.
 */
int link_set_values(struct nl *nl, const struct link *now, const struct link_values *want,
		    struct cni_error *err);

/*
 * Change the MAC and keep what the kernel drops on that occasion: permanent neighbours always;
 * where the driver cannot do it while the link is up (EBUSY), it is taken down for it, and the
 * link's unicast routes of all tables and its IPv6 addresses are put back as well. The kernel
 * announces the IPv4 addresses by gratuitous ARP. All of it is one sendmsg of at most NL_REQ_MSGS
 * messages, where that suffices: being killed leaves before or after. Goes on past failures, the
 * first is told.
 */
int link_change_mac(struct nl *nl, int index, const char *name, const struct mac *mac,
		    struct cni_error *err);

/*
 * The host end of `inside`, a link read in the namespace `netns_fd`, whose name and number mean
 * nothing here: numbers are per namespace, so the end must lead to this number in this very
 * namespace. err->sys == ENODEV when there is none: no veth, or its other end is elsewhere.
 */
int link_host_end(struct nl *host, int netns_fd, const struct link *inside, struct link *ret,
		  struct cni_error *err);
