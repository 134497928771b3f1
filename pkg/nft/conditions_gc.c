/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation.
 *
 * A list of conditions goes when nobody needs it: no record names it (a record outlives a flushed
 * table, and is what the next ADD fills it from) and its maps are empty. We hold the lock, so no
 * writer of ours changes that meanwhile. Chain and maps go in one transaction (takedown.c); the
 * file goes last, so that what was begun is found again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <linux/netfilter.h>

#include "base/fs.h"
#include "base/text.h"
#include "nft/conditions_run.h"
#include "nft/session.h"
#include "nft/takedown.h"

struct list {
	const char *hash;
	bool used; /* a record or an element needs it */
};

static const char *const map_names[] = { "hostip4", "hostport4", "hostip6", "hostport6" };

bool conditions_is_hash(const char *name)
{
	return strspn(name, "0123456789abcdef") == 16 && name[16] == '\0';
}

/* ---- who needs it */

static int see_record(const struct nft_record *r, void *arg, struct cni_error *err)
{
	struct list *list = arg;

	(void)err; /* a damaged one speaks by its elements */
	for (size_t i = 0; r != NULL && i < r->n; i++)
		list->used = list->used || strcmp(r->items[i].conditions, list->hash) == 0;
	return 0;
}

static int find_users(struct nft_session *s, struct list *list, const struct set_name *sets,
		      struct cni_error *err)
{
	if (record_each(s->run, NFT_PORTMAP, see_record, list, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(map_names) && !list->used; i++) {
		bool empty;

		if (set_is_empty(&s->tx, sets[i].name, &empty, err) < 0)
			return -1;
		list->used = !empty;
	}
	return 0;
}

/* ---- away with it */

static int remove_file(int run, const char *hash, struct cni_error *err)
{
	scoped_fd int folder = openat(run, CONDITIONS_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (folder < 0 && errno == ENOENT)
		return 0;
	if (folder < 0)
		return cni_fail_sys_code(err, CNI_IO, errno, "open the folder " CONDITIONS_FOLDER);
	return fs_remove_at(folder, hash, err);
}

int conditions_drop_unused(struct nft_session *s, const char *hash, struct cni_error *err)
{
	struct set_name sets[ARRAY_SIZE(map_names)];
	struct list list = { .hash = hash };
	char chain[NFT_NAME];

	(void)text_format(chain, sizeof(chain), CONDITIONS_CHAIN "%s", hash);
	for (size_t i = 0; i < ARRAY_SIZE(map_names); i++)
		(void)text_format(sets[i].name, NFT_NAME, "%s-%s", map_names[i], hash);
	if (find_users(s, &list, sets, err) < 0)
		return -1;
	if (list.used)
		return 0;
	if (take_down(&s->tx, chain, sets, ARRAY_SIZE(sets), err) < 0)
		return cni_wrap(err, "take away unused conditions");
	return remove_file(s->run, hash, err);
}

/* ---- all of them */

static int gc_chains(struct nft_session *s, struct cni_error *err)
{
	static const char prefix[] = CONDITIONS_CHAIN;
	scoped_free struct chain_found *chains = NULL;
	struct cni_error first = { 0 };
	size_t n = 0;

	if (skeleton_chains(&s->tx, NFPROTO_INET, &chains, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const char *hash = chains[i].name + strlen(prefix);

		if (strncmp(chains[i].name, prefix, strlen(prefix)) == 0 &&
		    conditions_is_hash(hash) && conditions_drop_unused(s, hash, err) < 0)
			cni_keep_first(&first, err);
	}
	*err = first;
	return first.code == CNI_OK ? 0 : -1;
}

/* Files of lists whose chain is gone. */
static int gc_files(struct nft_session *s, struct cni_error *err)
{
	scoped_fd int folder =
	    openat(s->run, CONDITIONS_FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	scoped_dir DIR *dir = folder < 0 ? NULL : fdopendir(folder);
	const struct dirent *d;

	if (dir == NULL)
		return 0;
	(void)take_fd(&folder); /* closed with dir */
	while ((d = readdir(dir)) != NULL) {
		if (strncmp(d->d_name, ".tmp-", 5) == 0) /* of a program killed while it wrote */
			(void)unlinkat(dirfd(dir), d->d_name, 0);
		else if (conditions_is_hash(d->d_name) &&
			 conditions_drop_unused(s, d->d_name, err) < 0)
			return -1;
	}
	return 0;
}

int conditions_gc(struct nft_session *s, struct cni_error *err)
{
	return gc_chains(s, err) < 0 ? -1 : gc_files(s, err);
}
