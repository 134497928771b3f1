/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "restore.h"

#include <errno.h>
#include <sys/stat.h>

#include "netlink/linkset.h"
#include "switches.h"
#include "tune.h"

int64_t restore_netns(const struct cni_args *args)
{
	struct stat st;

	return args->netns_fd >= 0 && fstat(args->netns_fd, &st) == 0 ? (int64_t)st.st_ino : 0;
}

bool restore_is_same(const struct tuning_backup *b, int64_t netns, int ifindex)
{
	return b->netns == netns && (b->ifindex == 0 || ifindex == 0 || b->ifindex == ifindex);
}

static void restore_host_end(const struct cni_args *args, const struct tuning_backup *b,
			     struct cni_error *first)
{
	const struct link_values values = { .has_mtu = true, .mtu = b->host_mtu };
	scoped_tune struct tune t = { .host_end = { .index = 0 } };
	struct cni_error step;

	if (tune_open(args, true, &t, &step) < 0)
		return; /* the end is gone, or another's by now */
	if (link_set_values(&t.host, &t.host_end, &values, &step) < 0 && step.sys != ENODEV)
		cni_keep_first(first, &step);
}

static void restore_link(const struct cni_args *args, const struct tuning_backup *b,
			 struct cni_error *first)
{
	const struct link_values *v = &b->link;
	scoped_tune struct tune t = { .host_end = { .index = 0 } };
	struct cni_error step;

	if (tune_open(args, false, &t, &step) < 0) {
		if (step.sys != ENODEV)
			cni_keep_first(first, &step);
		return;
	}
	if (b->ifindex != 0 && b->ifindex != t.link.index)
		return; /* another link of that name */
	if (link_set_values(&t.pod.nl, &t.link, v, &step) < 0 && step.sys != ENODEV)
		cni_keep_first(first, &step);
	if (b->host_mtu != 0)
		restore_host_end(args, b, first);
	if (v->has_mac &&
	    link_change_mac(&t.pod.nl, t.link.index, t.link.name, &v->mac, &step) < 0 &&
	    step.sys != ENODEV)
		cni_keep_first(first, &step);
}

int restore_values(const struct cni_args *args, const struct tuning_backup *b,
		   struct cni_error *err)
{
	const struct link_values *v = &b->link;
	struct cni_error first = { 0 }, step;

	if (v->has_mac || v->has_promisc || v->has_mtu || v->has_allmulti || v->has_txqlen ||
	    b->host_mtu != 0)
		restore_link(args, b, &first);
	if (switches_restore(args->netns_fd, b, &step) < 0)
		cni_keep_first(&first, &step);
	if (first.code == CNI_OK)
		return 0;
	*err = first;
	return -1;
}
