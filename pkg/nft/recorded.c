/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the records say, for what is kept in them beside our tables' elements. */
#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "nft/recorded.h"
#include "nft/session.h"

/* A mark is a bit of 32, each with its sets. */
#define MARK_BITS 32

bool nft_forwarded_by_other(const struct owner *owner, const struct ip *ip)
{
	struct nft_item item = { .kind = NFT_ITEM_FORWARD, .pod = ipnet_host(ip) };
	scoped_nft_tx struct nft_tx tx = { 0 };
	struct nft_elem elems[MARK_BITS];
	const struct nft_elem *wanted[MARK_BITS];
	struct elem_found found[MARK_BITS];
	struct cni_error ignored;
	char text[OWNER_TEXT];

	for (uint8_t bit = 0; bit < MARK_BITS; bit++) {
		item.mark_bit = bit;
		(void)item_elems(&item, &elems[bit]);
		wanted[bit] = &elems[bit];
	}
	owner_text(owner, text);
	if (nft_tx_open(&tx, &ignored) < 0 || elem_get(&tx, wanted, MARK_BITS, found, &ignored) < 0)
		return false;
	for (size_t i = 0; i < MARK_BITS; i++) {
		if (found[i].elem.set[0] != '\0' && strcmp(found[i].owner, text) != 0)
			return true;
	}
	return false;
}

int nft_recorded(enum nft_user user, const struct owner *owner, struct nft_item **ret,
		 size_t *ret_n, struct cni_error *err)
{
	scoped_record struct nft_record record = { 0 };
	scoped_fd int run = -1;

	*ret = NULL;
	*ret_n = 0;
	if (fs_run_dir(false, &run, err) < 0 ||
	    record_read(run, user, owner_hash(owner), &record, err) < 0)
		return err->sys == ENOENT ? 0 : -1;
	if (!owner_equal(&record.owner, owner))
		return 0;
	*ret = take_ptr(&record.items);
	*ret_n = record.n;
	return 0;
}

struct telling {
	int (*each)(const struct nft_recorded *recorded, void *arg, struct cni_error *err);
	void *arg;
};

static int tell_record(const struct nft_record *r, void *arg, struct cni_error *err)
{
	const struct telling *telling = arg;
	struct nft_recorded recorded;

	if (r == NULL)
		return 0; /* damaged: the next who writes mends it */
	recorded = (struct nft_recorded){ .owner = &r->owner,
					  .alive = record_alive(r, owner_hash(&r->owner)),
					  .items = r->items,
					  .n = r->n };
	return telling->each(&recorded, telling->arg, err);
}

int nft_each_recorded(enum nft_user user,
		      int (*each)(const struct nft_recorded *recorded, void *arg,
				  struct cni_error *err),
		      void *arg, struct cni_error *err)
{
	struct telling telling = { .each = each, .arg = arg };
	scoped_fd int run = -1, lock = -1;

	if (fs_run_dir(false, &run, err) < 0)
		return err->sys == ENOENT ? 0 : -1;
	if (session_lock(run, &lock, err) < 0)
		return -1;
	return record_each(run, user, tell_record, &telling, err);
}
