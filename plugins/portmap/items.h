/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "conf.h"
#include "net/ipnet.h"
#include "nft/attach.h"

/* Where a pod's ports lead to: at most one address of each family. */
struct pod_addresses {
	bool has4, has6;
	struct ipnet v4, v6;
};

/* The first address of each family that belongs to the interface of this call. */
struct pod_addresses portmap_pod(const struct cni_args *args);

/*
 * Mappings and addresses to nftables items: pure. Mappings that say the same twice count once; two
 * that lead one host port to different places are CNI_INVALID_CONFIG. *ret is malloc'd, the
 * caller's; a mapping whose hostIP is of a family that the pod lacks gives nothing, as in the
 * reference.
 */
int portmap_items(const struct portmap_conf *conf, const struct pod_addresses *pod,
		  const char conditions[17], struct nft_item **ret, size_t *ret_n,
		  struct cni_error *err);

/* Does a client at 127.0.0.1 (::1) reach any of them? Only with snat. */
bool portmap_wants_loopback(const struct portmap_conf *conf, const struct nft_item *items, size_t n,
			    bool four);
