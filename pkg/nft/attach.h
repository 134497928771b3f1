/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "net/fwnames.h"
#include "net/ifname.h"
#include "net/ipnet.h"
#include "net/mac.h"

/*
 * What pods own in our nftables tables (DESIGN.md, nftables; reference podwire.nft). An
 * attachment's items are elements of maps and sets, each with its owner in the comment; never
 * rules. Every call below opens one NETLINK_NETFILTER socket and takes the lock file itself, does
 * all in as few transactions as possible and leaves nothing open.
 */

/* The programs that own items; each has its own maps, so that one's DEL cannot take another's. */
enum nft_user {
	NFT_MASQ,     /* ipMasq of interface plugins: masq-…, pod4/6 */
	NFT_SPOOF,    /* macspoofchk: table bridge podwire */
	NFT_PORTMAP,  /* hostip4/6, hostport4/6 and their per-conditions twins, snat-…, self4/6 */
	NFT_FIREWALL, /* forward4-…; and bridges, own, isolated, which pods share */
	NFT_N_USERS,
};

enum nft_kind {
	NFT_ITEM_MASQ,	   /* pod address in masq-<subnet> */
	NFT_ITEM_POD,	   /* host veth -> pod address */
	NFT_ITEM_SPOOF,	   /* host veth . MAC that may send */
	NFT_ITEM_HOSTPORT, /* [host address .] protocol . port -> pod address . port */
	NFT_ITEM_SNAT,	   /* pod . protocol . host port in snat-<subnet>, or snat-all4 */
	NFT_ITEM_FORWARD,  /* pod address in forward4-<bit> */
	NFT_ITEM_INGRESS,  /* a bridge's ingressPolicy: elements without owner, until GC finds no
			      record that names the bridge */
	NFT_ITEM_SOURCE,   /* firewalld's zone for the pod's address: in the record alone */
};

struct nft_item {
	enum nft_kind kind;
	struct ipnet pod;      /* the pod's address with its prefix: names the subnet chains too */
	char veth[IFNAME_MAX]; /* POD, SPOOF; INGRESS: the bridge */
	struct mac mac;	       /* SPOOF */
	uint8_t protocol;      /* HOSTPORT, SNAT: IPPROTO_TCP, _UDP, _SCTP */
	bool has_host;	       /* HOSTPORT: host address given (never unspecified) */
	struct ip host;
	uint16_t host_port, pod_port;
	bool snat_all;		  /* SNAT: masquerade every client */
	char conditions[17];	  /* HOSTPORT: hash of the condition list, "" for none */
	uint8_t mark_bit;	  /* FORWARD: 0 to 31 */
	bool isolated;		  /* INGRESS: not even from the bridge itself */
	char zone[ZONE_NAME_MAX]; /* SOURCE */
};

#define NFT_ITEMS_MAX 16384

/*
 * Claim items for `owner`, in one transaction, building what is missing of the skeleton, subnet
 * chains included. The attachment's record (under the scratch folder: keys for DEL, rebuild after a
 * flush) is written before. An item that this owner already has is replaced; items of an earlier
 * ADD of the same owner and user that are not asked for any more go in the same transaction. An
 * item that another owner has: taken over if that owner is dead (no host link of its record exists
 * any more, be it after 300 ms), else CNI_CONFLICT naming the living owner and the key; a FORWARD
 * item is left to the living other instead, as it serves both. On failure nothing of this owner is
 * left, but an INGRESS item, which is nobody's. `links` (names of host-side interfaces, NULL behind
 * the last) is what proves the owner alive later. A kernel without nf_tables NAT: CNI_KERNEL naming
 * the module; nothing changed.
 */
int nft_attach(enum nft_user user, const struct owner *owner, const char *const *links,
	       const struct nft_item *items, size_t n, struct cni_error *err);

/*
 * Release whatever `owner` has under `user`: by its record, or without one by looking at the
 * comments. Compares the comment before deleting; nothing there (no table, no record) is success
 * and opens as little as possible. The items that went are handed out in *ret (malloc'd; may be
 * NULL) for conntrack.
 */
int nft_detach(enum nft_user user, const struct owner *owner, struct nft_item **ret, size_t *ret_n,
	       struct cni_error *err);

/* The same, but the record stays, as what it says is not all gone yet: nft_detach() is to follow.
 */
int nft_release(enum nft_user user, const struct owner *owner, struct cni_error *err);

/* CHECK: every item is there with this owner and these data, and the skeleton's rules stand (use
 * counts). CNI_CHECK_FAILED names what is missing. */
int nft_check(enum nft_user user, const struct owner *owner, const struct nft_item *items, size_t n,
	      struct cni_error *err);

/*
 * GC: release everything of `network` under `user` whose (container, ifname) `valid` denies. Goes
 * on past failures, reports the first. Also tries to delete subnet chains that nobody uses.
 */
struct nft_gc_call {
	const char *network;
	/* `ifname` NULL: has the container any valid one? */
	bool (*valid)(const void *arg, const char *container, const char *ifname);
	const void *arg;
};
int nft_gc(enum nft_user user, const struct nft_gc_call *call, struct cni_error *err);

/* STATUS: could nft_attach work? Changes nothing. CNI_NOT_AVAILABLE naming the missing module. */
int nft_status(struct cni_error *err);

/*
 * After somebody's `nft flush ruleset`: put table inet podwire back as the records say, so that the
 * guard of route_localnet is never missing for longer than until the next ADD of anybody. One look
 * if there are records of masquerade, host ports or forwarding, else not even a socket; a table
 * that stands, is somebody else's, or a kernel without nf_tables: nothing is done.
 */
int nft_repair(struct cni_error *err);
