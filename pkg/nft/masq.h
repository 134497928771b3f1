/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>

#include "net/ifcfg.h"
#include "nft/attach.h"

/*
 * ipMasq as every interface plugin offers it: each of the pod's addresses is masqueraded towards
 * everything outside its own subnet and multicast. Two elements per address (masq and the host
 * veth's index), no rule. Errors as nft_attach().
 */
int nft_masq_attach(const struct owner *owner, const char *veth, const struct ip_config *ips,
		    size_t n, struct cni_error *err);
int nft_masq_check(const struct owner *owner, const char *veth, const struct ip_config *ips,
		   size_t n, struct cni_error *err);
