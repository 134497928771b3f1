/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/masq.h"

#include <stdlib.h>
#include <string.h>

#include "base/scoped.h"

static bool first_of_family(const struct ip_config *ips, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (ip_is4(&ips[k].address.addr) == ip_is4(&ips[i].address.addr))
			return false;
	}
	return true;
}

/* The host veth is a key of its own in pod4 and pod6: it takes one address per family. */
static size_t make_items(const char *veth, const struct ip_config *ips, size_t n,
			 struct nft_item **ret)
{
	struct nft_item *items = calloc(n + 2, sizeof(*items));
	size_t used = 0;

	*ret = items;
	for (size_t i = 0; items != NULL && i < n; i++) {
		items[used++] = (struct nft_item){ .kind = NFT_ITEM_MASQ, .pod = ips[i].address };
		if (!first_of_family(ips, i))
			continue;
		items[used] = (struct nft_item){ .kind = NFT_ITEM_POD, .pod = ips[i].address };
		memcpy(items[used++].veth, veth, strnlen(veth, IFNAME_MAX - 1));
	}
	return used;
}

int nft_masq_attach(const struct owner *owner, const char *veth, const struct ip_config *ips,
		    size_t n, struct cni_error *err)
{
	scoped_free struct nft_item *items = NULL;
	size_t n_items = make_items(veth, ips, n, &items);

	if (items == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	return nft_attach(NFT_MASQ, owner, (const char *const[]){ veth, NULL }, items, n_items,
			  err);
}

int nft_masq_check(const struct owner *owner, const char *veth, const struct ip_config *ips,
		   size_t n, struct cni_error *err)
{
	scoped_free struct nft_item *items = NULL;
	size_t n_items = make_items(veth, ips, n, &items);

	if (items == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	return nft_check(NFT_MASQ, owner, items, n_items, err);
}
