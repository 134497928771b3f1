/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/scoped.h"
#include "net/ifname.h"
#include "net/ip.h"
#include "store/index.h"

struct cni_error;

/*
 * Address reservations of one network, in the reference host-local's folder: <data_dir>/<network>.
 * An open store holds the folder's lock, the same flock that the reference takes; so everything
 * between open and close happens at one instant for all programs that honour it. What belongs to
 * whom is decided by the address files alone. Owners' `network` is not looked at: the folder is the
 * network.
 */
struct store {
	int dir;
	int lock;
	bool temp;	   /* a whole record lies ready under a temporary name… */
	uint64_t temp_for; /* …for this owner (index_hash) */
	struct index index;
	char path[PATH_MAX]; /* for messages */
};

#define scoped_store SCOPED(store_close)
#define STORE_CLOSED                                                                               \
	{                                                                                          \
		.dir = -1, .lock = -1, .index = {.folder = -1, .dir = -1 }                         \
	}

/* <data_dir>/<network>. CNI_INVALID_CONFIG if it is too long for a path. */
int store_path(const char *data_dir, const char *network, char buf[PATH_MAX],
	       struct cni_error *err);

/*
 * Open and lock, waiting FS_LOCK_SECONDS at most (CNI_TRY_AGAIN). With `create` the folder is made
 * (0755, with parents); without it, an absent folder is CNI_IO with err->sys == ENOENT, and
 * nothing but a missing lock file is made in an existing one. `s` must be STORE_CLOSED.
 */
int store_open(struct store *s, const char *data_dir, const char *network, bool create,
	       struct cni_error *err);
void store_close(struct store *s);

/* Reserve `ip` for `o`. *ret_got false: somebody has it. An empty file is no reservation and is
 * taken over. */
int store_claim(struct store *s, const struct owner *o, const struct ip *ip, bool *ret_got,
		struct cni_error *err);

/*
 * The addresses of `o`: those whose files name container and interface; if there is none, those
 * that name the container only. At most STORE_OWNED_MAX are looked at.
 */
#define STORE_OWNED_MAX INDEX_CANDIDATES

struct owned {
	struct ip ip[STORE_OWNED_MAX];
	size_t n;
};

int store_find(const struct store *s, const struct owner *o, struct owned *ret,
	       struct cni_error *err);

/* Release one address that store_find() or store_claim() gave for `o`; absent is success. */
int store_drop(struct store *s, const struct owner *o, const struct ip *ip, struct cni_error *err);

/* Release everything that store_find() gives, and what a crash left of it. Nothing there is
 * success; goes on past failures and reports the first. */
int store_release(struct store *s, const struct owner *o, struct cni_error *err);

/*
 * Release every reservation that `keep` refuses, and every empty file. `ifname` is "" for
 * old-format files. Files that name no container are left alone. Goes on past failures, reports the
 * first.
 */
typedef bool (*store_keep_fn)(void *ctx, const char *container, const char *ifname);
int store_gc(struct store *s, store_keep_fn keep, void *ctx, struct cni_error *err);

/* Where round robin stands: last_reserved_ip.<set> in the folder `dir`. False: absent or damaged;
 * a lost hint is no reason not to allocate. */
bool store_last(int dir, size_t set, struct ip *ret);
int store_set_last(struct store *s, size_t set, const struct ip *ip, struct cni_error *err);
