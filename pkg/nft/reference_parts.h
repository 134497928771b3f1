/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/scoped.h"
#include "nft/reference.h"
#include "nft/tx.h"
#include "nft/xtables_read.h"

/* What the files of the reference share. */

#define REF_NAT	     "nat"
#define REF_CHAIN    256 /* bytes, the NUL included, of nftables' names */
#define REF_HOSTPORT "cni_hostport"
#define REF_DNAT     "CNI-HOSTPORT-DNAT" /* where their pods' host ports are asked for */

/* A chain, or (NULL) its table, and whether it is there. */
struct ref_chain {
	uint16_t family;
	const char *table;
	const char *chain;
	bool there;
	uint32_t use; /* of a table: chains, sets and so on that are in it */
};

/* In one send. A socket that is not open, or a kernel that does not answer: nothing is there. */
int ref_look(struct nft_tx *tx, struct ref_chain *chains, size_t n, struct cni_error *err);

/* A look needs a socket; without netfilter in the kernel there is none, and nothing to find. Who
 * may not have one finds nothing either: a DEL that needs no socket otherwise must not fail for it.
 */
int ref_open(struct nft_tx *tx, struct cni_error *err);

/* One table with things of theirs, while it is read and changed. */
struct ref_table {
	struct nft_tx *tx;
	uint16_t family;
	const char *name;
	bool legacy;	    /* of legacy xtables, which the program iptables reads and changes */
	bool keep_top;	    /* somebody else uses what their pods share: it stays */
	char *listing;	    /* legacy: what iptables -S said */
	struct ref_op *ops; /* what is to go */
	size_t n, cap;
	struct cni_error doubt; /* a ref_has() that got no answer: the plan is worth nothing */
};

/*
 * One transaction (legacy: one iptables-restore): `plan` reads rules and notes what is to go. It is
 * called again when the ruleset changed meanwhile. Chains and rules that `top` was said for stay
 * where they are if the kernel finds them in use.
 */
struct ref_plan {
	int (*make)(struct ref_table *t, void *arg, struct cni_error *err);
	void *arg;
	bool reads; /* only: no lock is taken */
};
int ref_run(struct ref_table *t, const struct ref_plan *plan, struct cni_error *err);

/* The same for iptables' table nat, of both kinds and families: those where `there` says so, and
 * the legacy ones that have `text` somewhere. Goes on past failures, reports the first. */
int ref_run_nat(struct nft_tx *tx, const bool there[2], const char *text,
		const struct ref_plan *plan, struct cni_error *err);

/* Each rule of the chain, or (NULL) of the table; `each` returns -1 without memory. */
int ref_each(struct ref_table *t, const char *chain,
	     int (*each)(const struct xtables_rule *r, void *arg), void *arg,
	     struct cni_error *err);
bool ref_has(struct ref_table *t, const char *chain); /* false in doubt, and ref_run() fails then */

/* To be called by a plan. -1 without memory. */
int ref_drop_rule(struct ref_table *t, const char *chain, uint64_t handle, bool top);
int ref_drop_chain(struct ref_table *t, const char *chain, bool top); /* and its rules; once */
int ref_drop_table(struct ref_table *t);

/* Legacy xtables; of tables in use only. */
bool ref_legacy_has(bool four, const char *text);
int ref_legacy_list(struct ref_table *t, struct cni_error *err);
int ref_legacy_restore(const struct ref_table *t, const char *batch, struct cni_error *err);

/* The container in a comment: `name: "NETWORK" id: "CONTAINER"` behind `prefix`; NULL for any other
 * comment or network. The comment is cut after it. */
char *ref_comment_container(char *comment, const char *prefix, const char *network);
#define REF_DNAT_COMMENT "dnat "

/* A table of their nftables backend, all of whose chains are theirs. */
struct ref_own {
	uint16_t family;
	const char *name;
	const char *const *chains; /* NULL behind the last; first those with pods' rules */
	size_t n_pods;
};
/* Their rules for which `doomed` says so go, and the table with the last. */
int ref_run_own(struct nft_tx *tx, const struct ref_own *own,
		bool (*doomed)(const struct xtables_rule *r, void *arg), void *arg,
		struct cni_error *err);

/* Is the address one of the attachment's, as far as is known? */
bool ref_is_pod(const struct nft_reference *of, bool has, const struct ip *address);
