/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "nft/attach.h"
#include "nft/session.h"

/* The theory of operation is in attach.c. */

/* What went, as far as conntrack wants to know. */
static int hand_out(const struct elems *gone, struct nft_item **ret, size_t *ret_n,
		    struct cni_error *err)
{
	struct nft_item *items;
	size_t n = 0;

	if (ret == NULL)
		return 0;
	items = calloc(gone->n + 1, sizeof(*items));
	if (items == NULL)
		return cni_fail_sys_code(err, CNI_INTERNAL, ENOMEM, "list what was released");
	for (size_t i = 0; i < gone->n; i++)
		n += item_from_elem(&gone->e[i], &items[n]);
	*ret = items;
	*ret_n = n;
	return 0;
}

/*
 * No lock, and nothing created, if there is nothing. With the records complete (the usual case) not
 * even a socket: a pod without a record has no elements.
 */
static int anything_there(enum nft_user user, uint64_t hash, bool *ret, struct cni_error *err)
{
	scoped_record struct nft_record record = { 0 };
	scoped_nft_tx struct nft_tx tx = { 0 };
	struct cni_error no_record = { 0 };
	struct skeleton found;
	scoped_fd int run = -1;

	if (fs_run_dir(false, &run, &no_record) == 0) {
		*ret = record_read(run, user, hash, &record, &no_record) == 0 ||
		       no_record.sys != ENOENT;
		if (*ret || !record_missing(run))
			return 0;
	}
	if (nft_tx_open(&tx, err) < 0) {
		*ret = false;
		return err->sys == EPROTONOSUPPORT ? 0 : -1; /* no netfilter at all: no element */
	}
	if (skeleton_look(&tx, user, NULL, 0, &found, err) < 0)
		return -1;
	*ret = found.there;
	return 0;
}

/* What went is in the empty `ret`. */
static int detach(enum nft_user user, const struct owner *owner, bool keep_record,
		  struct elems *ret, struct cni_error *err)
{
	scoped_session struct nft_session s = { .run = -1, .lock = -1 };
	scoped_record struct nft_record record = { 0 };
	uint64_t hash = owner_hash(owner);
	char text[OWNER_TEXT];
	bool there;

	if (anything_there(user, hash, &there, err) < 0)
		return -1;
	owner_text(owner, text);
	if (there && session_open(&s, err) < 0)
		return -1;
	if (there && record_read(s.run, user, hash, &record, err) == 0 &&
	    owner_equal(&record.owner, owner))
		elems_add_items(ret, record.items, record.n);
	else if (there && session_find_owned(&s.tx, user, text, ret, err) < 0)
		return -1;
	if (!there)
		return 0;
	if (session_release(&s, user, text, ret, err) < 0)
		return -1;
	return keep_record ? 0 : record_remove(s.run, user, hash, err);
}

int nft_detach(enum nft_user user, const struct owner *owner, struct nft_item **ret, size_t *ret_n,
	       struct cni_error *err)
{
	scoped_elems struct elems gone = { 0 };

	if (detach(user, owner, false, &gone, err) < 0)
		return -1;
	return hand_out(&gone, ret, ret_n, err);
}

int nft_release(enum nft_user user, const struct owner *owner, struct cni_error *err)
{
	scoped_elems struct elems gone = { 0 };

	return detach(user, owner, true, &gone, err);
}
