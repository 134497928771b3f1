/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "conf.h"
#include "firewalld.h"
#include "nft/attach.h"
#include "nft/xtables.h"

/* What ADD makes and CHECK looks for. */
struct firewall_plan {
	struct owner owner;
	struct nft_item *items; /* owned; none: prevResult has no address, nothing is to be done */
	size_t n;
	struct xtables_forward forward;
	struct firewalld *fw; /* owned; NULL: not used */
};

/*
 * From prevResult and the configuration; whether firewalld is used is found out here. Every address
 * of prevResult is meant, whatever interface it belongs to, as in the reference. CNI_INVALID_CONFIG
 * for an ingressPolicy without a bridge; CNI_KERNEL if firewalld is demanded and does not run.
 */
int firewall_plan_make(const struct cni_args *args, const struct firewall_conf *conf,
		       struct firewall_plan *ret, struct cni_error *err);
/* STATUS: `backend: firewalld` needs one that runs. */
int firewall_demand(struct cni_error *err);

void firewall_plan_free(struct firewall_plan *p);
#define scoped_plan SCOPED(firewall_plan_free)
