/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the records say, for what is kept in them beside our tables' elements. */
#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "nft/recorded.h"
#include "nft/session.h"

bool nft_forwarded_by_other(const struct owner *owner, const struct ip *ip)
{
	const struct nft_item item = { .kind = NFT_ITEM_FORWARD, .pod = ipnet_host(ip) };
	struct nft_elem elems[NFT_ITEM_ELEMS];
	const struct nft_elem *wanted = &elems[0];
	scoped_nft_tx struct nft_tx tx = { 0 };
	struct elem_found found;
	struct cni_error ignored;
	char text[OWNER_TEXT];

	(void)item_elems(&item, elems);
	owner_text(owner, text);
	return nft_tx_open(&tx, &ignored) == 0 &&
	       elem_get(&tx, &wanted, 1, &found, &ignored) == 0 && found.elem.set[0] != '\0' &&
	       strcmp(found.owner, text) != 0;
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
