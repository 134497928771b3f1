/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "net/ipnet.h"

/*
 * What pods across nodes need of nftables: masquerade that leaves their addresses alone among each
 * other, a mark by which FORWARD of iptables lets their packets pass (nft/xtables.h), and who may
 * send VXLAN packets to this node. It is a table of its own for each network,
 * "inet podwire-overlay-NETWORK", with a constant number of rules; what grows with the nodes are
 * elements of sets. It holds nothing of a pod's: one transaction makes it, or makes it again.
 */
struct nft_overlay {
	const char *network; /* the configuration's name */
	bool has4, has6;
	struct ipnet net4, net6; /* all pods, on all nodes; never a default route */
	struct ipnet own4, own6; /* this node's part of it */
	bool masquerade;
	bool random_fully;	      /* its ports are taken at random, not near the pod's */
	const struct ipnet *non_masq; /* pods keep their address towards these; may overlap; */
	size_t n_non_masq;	      /* a family that the network has not is passed over */
	uint32_t forward_mark;	      /* bits set in what pods send or get by way of this node; 0 */
	uint16_t vxlan_port;	      /* 0: nothing about senders */
	bool drop_strangers;	      /* else they are counted only */
	const struct ip *senders;     /* addresses of all nodes, this one included, in any order; */
	size_t n_senders;	      /* with has4 those of IPv4 count, with has6 those of IPv6 */
};

/* What came to the VXLAN port from an address that is no node's, since the rules were made. */
struct nft_overlay_strangers {
	uint64_t packets, bytes;
};

/*
 * Make the table say what `o` says, in one transaction that no packet sees half of. Reads first:
 * *ret_changed is false where nothing had to be written. Other senders change these elements alone
 * and the counters go on; anything else, and whatever hands have done to the table, makes it anew.
 * Neither masquerade nor forward_mark nor vxlan_port: the table goes. A table of this name that is
 * not ours, or a kernel without nf_tables NAT: CNI_KERNEL naming it; nothing is changed.
 */
int nft_overlay_apply(const struct nft_overlay *o, bool *ret_changed, struct cni_error *err);

/* Absent, or somebody else's, is success; then nothing is made or opened but a socket. */
int nft_overlay_remove(const char *network, struct cni_error *err);

/*
 * For ADD, at a constant cost and without a lock: does the table stand with all its rules, and are
 * these `senders` in it (a few to look for, or none; others are not asked about)? A foreign table
 * does not stand: nft_overlay_apply() says so then.
 */
int nft_overlay_probe(const struct nft_overlay *o, bool *ret_stands, struct cni_error *err);

/*
 * CHECK and show: every difference between table and `o` as a line of text; and the strangers'
 * counters of both families, if `ret` is not NULL (0 without a table). Changes nothing.
 */
int nft_overlay_differ(const struct nft_overlay *o, void (*line)(void *arg, const char *text),
		       void *arg, struct nft_overlay_strangers *ret, struct cni_error *err);

/* STATUS: could nft_overlay_apply() work? Changes nothing. CNI_NOT_AVAILABLE naming what lacks. */
int nft_overlay_status(const struct nft_overlay *o, struct cni_error *err);
