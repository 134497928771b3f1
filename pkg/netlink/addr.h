/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>

#include "net/ipnet.h"
#include "netlink/sock.h"

struct nl_req;

struct addr {
	struct ipnet net;
	int index;	/* of its link */
	uint32_t flags; /* IFA_F_TENTATIVE … */
	uint8_t scope;
};

/* Addresses of one link (ifindex; 0: of all) of `family` (AF_UNSPEC: both). *ret malloc'd, the
 * caller's. */
int addr_list(struct nl *nl, int index, int family, struct addr **ret, size_t *ret_n,
	      struct cni_error *err);

/* Put RTM_NEWADDR (CREATE|EXCL) into a batch; `flags`: IFA_F_NODAD … */
void addr_put_add(struct nl_req *req, int index, const char *link, const struct ipnet *net,
		  uint32_t flags);

int addr_add(struct nl *nl, int index, const char *link, const struct ipnet *net, uint32_t flags,
	     struct cni_error *err); /* EEXIST in err->sys */
int addr_delete(struct nl *nl, int index, const char *link, const struct ipnet *net,
		struct cni_error *err); /* absent: success */

/* Into a batch: remove it; absent is no failure. */
void addr_put_delete(struct nl_req *req, int index, const char *link, const struct ipnet *net);

/*
 * Wait until packets to `addr` are delivered here. An IPv6 address is in the list at once, but the
 * kernel makes its local route later, from a work queue of the whole machine (12 ms seen under
 * load, more than 5 s with 128 chains at once and others on both cores), nodad or not. At most
 * ADDR_LOCAL_SECONDS, then CNI_TRY_AGAIN. IPv4: returns at once. Counts as one call for fail_after.
 */
#define ADDR_SECONDS	   5
#define ADDR_LOCAL_SECONDS 10
int addr_wait(struct nl *nl, const char *link, const struct ip *addr, struct cni_error *err);
