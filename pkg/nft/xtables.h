/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "net/ipnet.h"

/* Who asks for no others has these. */
#define XTABLES_ADMIN	 "CNI-ADMIN"
#define XTABLES_MARK_BIT 12 /* not portmap's 13, kube-proxy's 14, kubelet's 15 */

/*
 * What NFT_FIREWALL needs in a table that is not ours: iptables' own `filter`, whose chain FORWARD
 * may drop what no rule of that very chain accepts (kernel.md (b) 13). Two rules at its top, the
 * same for all pods, which stay on the node: a jump to the administrator's chain, made if missing,
 * and one that accepts packets with the mark.
 */
struct xtables_forward {
	bool four, six; /* in iptables', in ip6tables' */
	uint8_t mark_bit;
	const char *admin; /* name of the administrator's chain */
	bool own_only; /* touch only a FORWARD of iptables-nft that exists: make no table, run no
			  program */
};

/*
 * Put in what is missing, for both kinds of iptables. One of nf_tables: directly, by the nftables
 * transaction that iptables-nft would send; a table that is not there yet is made where a program
 * iptables-nft is installed, since whoever then sets the policy to DROP finds the rule in place.
 * Legacy xtables: by running iptables, where its table is in use or nothing but that is installed.
 * No iptables at all: nothing, as nothing drops. What earlier ADDs on
 * this node asked for is seen to as well. Usually one look, without the lock. *ret_put (or NULL)
 * becomes true if rules of iptables-nft had to be put in, and is left alone if not.
 */
int xtables_forward_ensure(const struct xtables_forward *asked, bool *ret_put,
			   struct cni_error *err);

/* CHECK: CNI_CHECK_FAILED names what is missing. Changes nothing. */
int xtables_forward_check(const struct xtables_forward *asked, struct cni_error *err);

/* Delete the rules that the reference's firewall plugin made for these addresses in its chain
 * CNI-FORWARD, of either kind of iptables. None there: success. Goes on past failures, reports the
 * first. */
int xtables_release(const struct ipnet *pods, size_t n, struct cni_error *err);
