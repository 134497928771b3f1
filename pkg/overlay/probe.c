/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. ADD asks whether the overlay stands without looking at every node: the
 * device is compared in whole, and of the entries only those of a few peers, which are asked for
 * one by one in a single send. Whatever empties a table (a link that went down, a flush, a device
 * made anew) shows in any sample. What concerns one peer only is found by the next overlay_apply().
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "base/scoped.h"
#include "overlay/decide.h"
#include "overlay/device.h"
#include "overlay/side.h"

static bool stands(const struct side *s)
{
	for (size_t i = 0; i < s->n_want; i++) {
		const struct want *w = &s->want[i];

		if (w->fdb != NEED_NOTHING || w->neigh != NEED_NOTHING ||
		    w->nexthop != NEED_NOTHING || w->route != NEED_NOTHING)
			return false;
	}
	return true;
}

static int compare_device(struct nl *nl, const struct side *s, bool *ret, struct cni_error *err)
{
	struct device_fault f;

	*ret = true;
	if (s->device == NULL)
		return 0;
	if (device_compare(nl, s, &f, err) < 0)
		return -1;
	*ret = device_right(&f);
	free(f.stale);
	return 0;
}

static int probe_side(struct nl *nl, const struct overlay *o, int family, bool *ret_stands,
		      struct overlay_report *report, struct cni_error *err)
{
	scoped_side struct side s = { .family = 0 };

	if (!side_begin(o, family, &s))
		return 0;
	if (side_read(nl, &s, err) < 0 || compare_device(nl, &s, ret_stands, err) < 0)
		return -1;
	if (!*ret_stands)
		return 0;
	if (want_make(nl, &s, err) < 0 || found_some(nl, &s, err) < 0 || decide(&s, err) < 0)
		return -1;
	for (size_t i = 0; i < s.n_want; i++)
		report->direct += s.want[i].reach == OVERLAY_DIRECT;
	if (family == AF_INET)
		report->mtu4 = s.mtu;
	else
		report->mtu6 = s.mtu;
	*ret_stands = stands(&s) && s.conflict == NULL;
	return 0;
}

int overlay_probe(struct nl *nl, const struct overlay *o, bool *ret_stands,
		  struct overlay_report *ret, struct cni_error *err)
{
	struct overlay_report report = { .added = 0 };
	bool four = true, six = true;

	if (o->n > OVERLAY_SAMPLES + 1)
		return cni_fail(err, CNI_INTERNAL, "a sample of %zu nodes", o->n);
	if (probe_side(nl, o, AF_INET, &four, &report, err) < 0 ||
	    (four && probe_side(nl, o, AF_INET6, &six, &report, err) < 0))
		return -1;
	*ret = report;
	*ret_stands = four && six;
	return 0;
}
