/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netlink/owned.h"

#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "netlink/link.h"

struct sweep {
	const char *network;
	char (*names)[IFNAME_MAX];
	size_t n;
	struct stale {
		int index;
		char name[IFNAME_MAX];
	} * stale;
	size_t n_stale, cap;
};

static int compare(const void *a, const void *b)
{
	return strncmp(a, b, IFNAME_MAX);
}

/* Only collect: deleting inside a dump would change what the dump walks over. */
static int collect(const struct link *link, void *arg, struct cni_error *err)
{
	struct sweep *s = arg;

	if (!ifname_alias_of_network(link->alias, s->network) ||
	    (s->n > 0 && bsearch(link->name, s->names, s->n, IFNAME_MAX, compare) != NULL))
		return 0;
	if (grow(&s->stale, s->n_stale, &s->cap, sizeof(*s->stale), err) < 0)
		return -1;
	s->stale[s->n_stale].index = link->index;
	memcpy(s->stale[s->n_stale++].name, link->name, IFNAME_MAX);
	return 0;
}

int owned_links_gc(struct nl *nl, const char *kind, const char *network, char (*names)[IFNAME_MAX],
		   size_t n, struct cni_error *err)
{
	struct sweep s = { .network = network, .names = names, .n = n };
	struct cni_error first = { 0 }, step;
	scoped_free struct stale *stale = NULL;

	if (n > 0)
		qsort(names, n, IFNAME_MAX, compare);
	if (link_each(nl, kind, collect, &s, &first) < 0)
		s.n_stale = 0;
	stale = s.stale;
	for (size_t i = 0; i < s.n_stale; i++) {
		if (link_delete_index(nl, stale[i].index, stale[i].name, &step) < 0)
			cni_keep_first(&first, &step);
	}
	if (first.code == CNI_OK)
		return 0;
	*err = first;
	return -1;
}

static bool is_pair_on_host(const struct link *link)
{
	return strcmp(link->kind, "veth") == 0 && link->peer != 0 && !link->peer_elsewhere;
}

static bool dies_with_the_pod(struct nl *nl, const char *name)
{
	struct cni_error ignored;
	struct link link;

	return ifname_problem(name) == NULL && link_get(nl, name, &link, &ignored) == 0 &&
	       strcmp(link.kind, "bridge") != 0 && !is_pair_on_host(&link);
}

void owned_links_of_pod(struct nl *nl, const struct owner *owner, const char *const *names,
			size_t n, struct owned_links *ret)
{
	size_t used = 0;

	ifname_host_veth(owner, ret->veth);
	if (dies_with_the_pod(nl, ret->veth))
		ret->names[used++] = ret->veth;
	for (size_t i = 0; i < n && used < OWNED_LINKS_MAX; i++) {
		if (strcmp(names[i], ret->veth) != 0 && dies_with_the_pod(nl, names[i]))
			ret->names[used++] = names[i];
	}
	ret->names[used] = NULL;
}
