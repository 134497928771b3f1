/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "net/ipnet.h"
#include "nft/attach.h"

/*
 * What the reference's plugins made in tables of their own, and in iptables' nat: found by the
 * names, hashes and comments that they give, in all of their backends (iptables of nf_tables and of
 * legacy xtables, nftables). One look at the chains by name, and nothing more, where there is none;
 * else the rules of the chains that they share are read. See reference.c.
 */

/* An attachment, and the addresses that its rules may be about; none (unknown): any. */
struct nft_reference {
	struct owner owner;
	const struct ipnet *pods;
	size_t n;
};

/* DEL of an interface plugin: its masquerade and its check for spoofed MACs. */
int nft_reference_release_masq(const struct nft_reference *of, struct cni_error *err);
/* DEL of portmap: its host ports; and what all pods share, with the last one. */
int nft_reference_release_ports(const struct nft_reference *of, struct cni_error *err);

/* GC: the same for every attachment of the network that is not valid, by the comments. Those of
 * iptables name no interface, so a container with any valid one stays; those of the nftables host
 * ports and of the MAC check name no network: they are left alone. */
int nft_reference_gc_masq(const struct nft_gc_call *call, struct cni_error *err);
int nft_reference_gc_ports(const struct nft_gc_call *call, struct cni_error *err);

/* ADD of portmap: CNI_CONFLICT if another container of theirs has one of the host ports among
 * `items`: the same address or all of them (decision 011). */
int nft_reference_held(const struct owner *owner, const struct nft_item *items, size_t n,
		       struct cni_error *err);
