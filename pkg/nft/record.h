/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/scoped.h"
#include "nft/attach.h"

/*
 * What an owner has in our tables, as one small readable file,
 * attachments/<user>-<owner_hash> below the scratch folder: the keys for DEL and GC, proof of life
 * for others, and everything that is needed to fill a flushed table again. Written before the
 * kernel is changed, removed after. A file is outside input: parsed strictly, and bounded.
 */
struct nft_record {
	char *text; /* the file; the owner's strings point into it */
	struct owner owner;
	char (*links)[IFNAME_MAX];
	uint32_t *indexes; /* of the links, which may be renamed; 0: not known; NULL: none is */
	size_t n_links;
	struct nft_item *items;
	size_t n;
};

#define RECORD_MAX	 (4u << 20) /* bytes of a file */
#define RECORD_LINKS_MAX 1024
#define RECORD_FOLDER	 "attachments"

/*
 * Make the folder, for a writer. If it was missing although there are tables already (`tables`),
 * the records of what is in them are lost: the folder is marked, and record_missing() says so from
 * then on.
 */
int record_folder_make(int run, bool (*tables)(void *arg), void *arg, struct cni_error *err);

/* Can an owner without a record have elements? (The folder is missing, or was lost once.) */
bool record_missing(int run);

/* Is there a record of `user`? No folder: false. */
bool record_any(int run, enum nft_user user);

void record_free(struct nft_record *r); /* an empty one: nothing happens */
#define scoped_record SCOPED(record_free)

const char *record_user_text(enum nft_user user); /* "masq", "spoof", "portmap", "firewall" */

/* `run` is the scratch folder. */
int record_write(int run, enum nft_user user, const struct nft_record *r, struct cni_error *err);

/* By the owner's hash. Absent (file or folder): err->sys == ENOENT. Damaged: CNI_DECODE with the
 * line. `ret` must be empty. */
int record_read(int run, enum nft_user user, uint64_t hash, struct nft_record *ret,
		struct cni_error *err);
int record_remove(int run, enum nft_user user, uint64_t hash, struct cni_error *err);

/* Text to record and back, for tests too. `text` becomes ret's (freed by record_free) if it
 * succeeds. */
int record_parse(char *text, struct nft_record *ret, struct cni_error *err);
int record_print(const struct nft_record *r, char **ret, struct cni_error *err);

/* Every record of `user`. A damaged one is handed out as an error: each(NULL, its error) decides.
 * -1 stops. For the holder of the lock: what killed writers left is removed. */
int record_each(int run, enum nft_user user,
		int (*each)(const struct nft_record *r, void *arg, struct cni_error *err),
		void *arg, struct cni_error *err);

/*
 * Does a link of this owner still exist? Any of the record's, by its name or its index, or the host
 * veth that we would have made for it. `r` NULL: by the hash alone. A record without links cannot
 * be proven dead: true.
 */
bool record_alive(const struct nft_record *r, uint64_t hash);

/*
 * The owner of an element, by its record (read into the empty `r`, which stays so without one),
 * not proven dead? An address or a host interface is given to one pod at a time, so without a
 * record the missing host veth is proof enough; for a host port it is not, since portmap may stand
 * behind interface plugins whose links we do not know.
 */
bool record_owner_alive(int run, enum nft_user user, uint64_t hash, struct nft_record *r);
