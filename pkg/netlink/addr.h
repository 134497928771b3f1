/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>

#include "net/ipnet.h"
#include "netlink/sock.h"

struct nl_req;

struct addr {
	struct ipnet net;
	uint32_t flags; /* IFA_F_TENTATIVE … */
	uint8_t scope;
};

/* Addresses of one link (ifindex) of `family` (AF_UNSPEC: both). *ret malloc'd, the caller's. */
int addr_list(struct nl *nl, int index, int family, struct addr **ret, size_t *ret_n,
	      struct cni_error *err);

/* Put RTM_NEWADDR (CREATE|EXCL) into a batch; `flags`: IFA_F_NODAD … */
void addr_put_add(struct nl_req *req, int index, const char *link, const struct ipnet *net,
		  uint32_t flags);

int addr_add(struct nl *nl, int index, const char *link, const struct ipnet *net, uint32_t flags,
	     struct cni_error *err); /* EEXIST in err->sys */
int addr_delete(struct nl *nl, int index, const char *link, const struct ipnet *net,
		struct cni_error *err); /* absent: success */
