/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/scoped.h"

struct mnl_socket;
struct nlmsghdr;

/*
 * One NETLINK_NETFILTER socket and the messages being put together for it: a transaction (all or
 * nothing) or a list of questions. See tx.c for how it works.
 */
#define NFT_NO_ITEM    SIZE_MAX
#define NFT_GENERATION (SIZE_MAX - 1) /* the question of nft_tx_ask_generation() */

/* Where a message came from, and what the kernel said to it. */
struct nft_origin {
	const char *what;   /* for errors: "map hostport4"; lives as long as the transaction */
	const char *module; /* what may be missing if the kernel does not know it; or NULL */
	size_t item;	    /* the caller's number for it, or NFT_NO_ITEM */
	int error;	    /* errno of its answer, 0: none */
};

struct nft_tx {
	struct mnl_socket *sk; /* NULL: not open */
	uint32_t portid;
	uint32_t seq;	  /* of the next message */
	int64_t deadline; /* CLOCK_MONOTONIC, ms: until then a busy kernel is asked again */
	bool has_genid;	  /* commit only if nobody changed the ruleset since it was read */
	uint32_t genid;
	uint8_t *buf;
	size_t len, cap;
	uint32_t first; /* sequence number of origins[0] */
	struct nft_origin *origins;
	size_t n, origins_cap;
	bool broken;	 /* no memory: nothing will be sent */
	int *fail_after; /* tests: fail the send when this counter, decremented, gets below 0 */
};

#define NFT_TX_SECONDS 2

/* A kernel without nfnetlink: CNI_KERNEL naming it. */
int nft_tx_open(struct nft_tx *tx, struct cni_error *err);
void nft_tx_close(struct nft_tx *tx); /* closed or never opened: nothing happens */
#define scoped_nft_tx SCOPED(nft_tx_close)

void nft_tx_begin(struct nft_tx *tx); /* forget what was put together; start a transaction */
void nft_tx_ask(struct nft_tx *tx);   /* the same, for questions */

/* One more question: the ruleset's generation. Its answer is not handed out but kept in `genid` for
 * the next transaction; until it comes there is none. */
void nft_tx_ask_generation(struct nft_tx *tx);

/*
 * Begin one message (`type` without subsystem is nftables': NFT_MSG_NEWRULE …); there is room for
 * NFT_MSG_ROOM bytes behind the header. NULL without memory: put nothing, the send will fail.
 * nft_tx_end() closes the message that was begun last.
 */
#define NFT_MSG_ROOM ((size_t)8192)
struct nlmsghdr *nft_tx_msg(struct nft_tx *tx, uint16_t type, uint16_t family, uint16_t flags,
			    const struct nft_origin *origin);
void nft_tx_end(struct nft_tx *tx, struct nlmsghdr *nlh);

/*
 * Send the transaction. -1: err->sys is the errno of the first failed message and err says which
 * one it was; every origin's error is filled in, and nothing was changed. ERESTART: the ruleset
 * changed since has_genid's number was read; look again until nft_tx_expired().
 * `dry`: let the kernel check it and change nothing.
 */
int nft_tx_commit(struct nft_tx *tx, bool dry, struct cni_error *err);

/*
 * Send the questions. Each answer goes to `each` with the question's origin; refusals are in
 * the origins' error and are not a failure of this call. -1 only if the socket fails or `each`
 * does. EINTR in err->sys: a dump was disturbed, ask again.
 */
int nft_tx_query(struct nft_tx *tx,
		 int (*each)(const struct nlmsghdr *nlh, const struct nft_origin *origin,
			     void *arg),
		 void *arg, struct cni_error *err);

/* After a query that asked for the generation, which nf_tables never refuses: is there none in this
 * kernel? nfnetlink answers EINVAL for a subsystem that it cannot load. */
bool nft_tx_unanswered(const struct nft_tx *tx);

bool nft_tx_expired(const struct nft_tx *tx);
/* Somebody changed the ruleset, or the kernel was busy: is another try worth it, and is there time?
 */
bool nft_tx_again(const struct nft_tx *tx, const struct cni_error *err);
void nft_tx_restart(struct nft_tx *tx); /* the deadline: NFT_TX_SECONDS from now */
