/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "base/scoped.h"
#include "nft/elem.h"
#include "nft/record.h"
#include "nft/skeleton.h"
#include "nft/tx.h"

/*
 * One writer's turn: the lock file in the scratch folder (GENID alone starves at 64 writers), and
 * the socket. The nft_*() calls of attach.h open one each; tests open one themselves, to let
 * its k-th send fail.
 */
struct nft_session {
	struct nft_tx tx;
	int run;      /* the scratch folder */
	int lock;     /* held as long as it is open */
	bool rebuilt; /* its time was counted from anew, which happens once */
};

/* The lock alone, for who needs no socket: at most FS_LOCK_SECONDS. It goes with its descriptor. */
int session_lock(int run, int *ret_lock, struct cni_error *err);

int session_open(struct nft_session *s, struct cni_error *err);
void session_close(struct nft_session *s);
#define scoped_session SCOPED(session_close)

/* In the scratch folder while a table is built and filled; left by who was killed over it. */
#define SESSION_UNDER_WAY "rebuild"

/*
 * Make the table of `user` sound: nothing if it is. Else build it, or put its rules again, and
 * give all living owners what they had by their records (but not `except`, who is about to say what
 * it wants), in one transaction. `chains` as in skeleton_look(), which was called then.
 */
int session_build(struct nft_session *s, enum nft_user user, uint64_t except,
		  struct subnet_chain *chains, size_t n, struct cni_error *err);

/* The bodies of nft_attach() and nft_detach() in a session. `want` is what the record will say. */
int session_attach(struct nft_session *s, enum nft_user user, const struct nft_record *want,
		   struct cni_error *err);

/* A growing list of elements. */
struct elems {
	struct nft_elem *e;
	size_t n, cap;
	bool broken; /* no memory */
};
void elems_free(struct elems *list);
#define scoped_elems SCOPED(elems_free)
void elems_add(struct elems *list, const struct nft_elem *e);
void elems_add_items(struct elems *list, const struct nft_item *items, size_t n);

/* What has `owner` for comment among `list` is deleted, in one transaction; what went is left in
 * `list`. No table: nothing goes. */
int session_release(struct nft_session *s, enum nft_user user, const char *owner,
		    struct elems *list, struct cni_error *err);
/* The same without asking: these are ours. Absent ones are fine. */
int session_delete(struct nft_session *s, enum nft_user user, struct elems *list,
		   struct cni_error *err);

/* GC: the elements of ingressPolicies whose bridges no record names any more. A record that cannot
 * be read might: then nothing goes. */
int ingress_gc(struct nft_session *s, struct cni_error *err);

/* Every element of `user` that `pick` wants. */
int session_find(struct nft_tx *tx, enum nft_user user,
		 bool (*pick)(const struct elem_found *found, void *arg), void *arg,
		 struct elems *ret, struct cni_error *err);
/* Every one with `owner` for comment. */
int session_find_owned(struct nft_tx *tx, enum nft_user user, const char *owner, struct elems *ret,
		       struct cni_error *err);
