/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/ip.h"

struct cni_error;

/*
 * Which addresses may belong to an attachment: a hint that is never believed, next to the address
 * files, which are the truth (docs/decisions/009-address-index.md). All of it is called under the
 * store's lock. Nothing fails because the index cannot be written: it is then kept in memory for
 * this one call, and whoever comes next builds it anew.
 */
#define INDEX_DIR	 ".podwire" /* inside the network's folder; mode 0700 */
#define INDEX_CANDIDATES 512	    /* more than fit into one entry */

struct index_pair {
	uint64_t hash;
	struct ip ip;
};

struct index {
	int folder;    /* borrowed: the network's folder */
	int dir;       /* INDEX_DIR, or -1 */
	int sys;       /* errno: why dir is -1 */
	bool on_disk;  /* the entries on disk are complete */
	bool changed;  /* the folder is not as the stamp says: stamp it at the end */
	bool in_pairs; /* `pairs` is the index, since it is not on disk */
	struct index_pair *pairs;
	size_t n, cap;
};

/*
 * Open and make usable: if the stamp says that somebody else changed the folder, read all address
 * files once and bring the entries up to date. `create`: make INDEX_DIR if it is absent. An error
 * (CNI_IO) only if the folder itself cannot be read. Pair with index_close() in either case.
 */
int index_open(struct index *ix, int folder, bool create, struct cni_error *err);

/* Read all address files and bring the entries up to date, whatever the stamp says. */
int index_rebuild(struct index *ix, struct cni_error *err);

/* Stamp the folder if it was changed and the entries are complete; free everything. */
void index_close(struct index *ix);

/* The name of an owner's entry. An `ifname` of "" stands for old-format files. */
uint64_t index_hash(const char *container, const char *ifname);

/* The addresses that may belong to `hash`. CNI_IO: the entry cannot be read, which is not to be
 * taken for "none". */
int index_get(const struct index *ix, uint64_t hash, struct ip ret[INDEX_CANDIDATES], size_t *ret_n,
	      struct cni_error *err);

/*
 * The folder was changed; to be called after the change, never before: dying in between must leave
 * the stamp wrong, so that the index is rebuilt.
 */
void index_add(struct index *ix, uint64_t hash, const struct ip *ip);
void index_remove(struct index *ix, uint64_t hash, const struct ip *ip);
void index_touch(struct index *ix); /* another change, not of a reservation */
