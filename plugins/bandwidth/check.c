/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CHECK: every part of both directions, compared with the configuration. Nothing is changed. */
#include <inttypes.h>
#include <net/if.h>
#include <string.h>

#include "attach.h"
#include "base/scoped.h"

/* One shaped link: its name, and the qdiscs found on it. */
struct side {
	const char *link;
	const char *key; /* of the configuration */
	const struct qdisc *root, *inner;
};

static int differs(const struct side *s, const char *what, uint64_t found, uint64_t wanted,
		   struct cni_error *err)
{
	return cni_fail(err, CNI_CHECK_FAILED,
			"%s of the shaper (tbf) on %s is %" PRIu64 ", expected %" PRIu64 " (%s)",
			what, s->link, found, wanted, s->key);
}

static int check_side(const struct side *s, const struct tbf *want, bool fq_codel,
		      struct cni_error *err)
{
	const char *queue = fq_codel ? "fq_codel" : "";
	const struct tbf *found = &s->root->tbf;

	if (strcmp(s->root->kind, "tbf") != 0 || s->root->handle != QDISC_TBF)
		return cni_fail(err, CNI_CHECK_FAILED,
				"%s is not shaped: its root qdisc is %s, expected tbf 1: (%s)",
				s->link, s->root->kind[0] != '\0' ? s->root->kind : "none", s->key);
	if (found->rate != want->rate)
		return differs(s, "rate (bytes per second)", found->rate, want->rate, err);
	if (found->buffer != want->buffer)
		return differs(s, "burst (buffer, in ticks)", found->buffer, want->buffer, err);
	/* tbf's own queue is not to be seen. */
	if (strcmp(s->inner->kind, queue) != 0)
		return cni_fail(err, CNI_CHECK_FAILED,
				"queue of the shaper on %s is %s, expected %s (queue)", s->link,
				s->inner->kind[0] != '\0' ? s->inner->kind : "fifo",
				fq_codel ? queue : "fifo");
	if (!fq_codel && found->limit != want->limit)
		return differs(s, "limit (bytes)", found->limit, want->limit, err);
	return 0;
}

static int check_detour(const struct bandwidth_found *f, struct cni_error *err)
{
	const char *veth = f->veth.name, *ifb = f->ifb.name;

	if (strcmp(f->on.entry.kind, "ingress") != 0)
		return cni_fail(err, CNI_CHECK_FAILED,
				"what comes from the pod is not caught: %s has no ingress qdisc",
				veth);
	if (!f->on.redirect.found)
		return cni_fail(err, CNI_CHECK_FAILED,
				"what comes from the pod is not redirected: %s has no filter that "
				"sends all to %s",
				veth, ifb);
	if (f->on.redirect.to != f->ifb.index)
		return cni_fail(err, CNI_CHECK_FAILED,
				"the filter of %s redirects to link number %d, expected %d (%s)",
				veth, f->on.redirect.to, f->ifb.index, ifb);
	if (!(f->ifb.flags & IFF_UP))
		return cni_fail(err, CNI_CHECK_FAILED,
				"ifb %s is down, so that nothing comes from the pod: ip link set "
				"%s up",
				ifb, ifb);
	return 0;
}

int bandwidth_check(const struct cni_args *args, const struct bandwidth_conf *conf,
		    struct cni_error *err)
{
	scoped_nl struct nl host = { 0 };
	struct bandwidth_found f;
	const struct side out = { f.veth.name, "ingressRate, ingressBurst", &f.on.root,
				  &f.on.inner };
	const struct side in = { f.ifb.name, "egressRate, egressBurst", &f.on.ifb_root,
				 &f.on.ifb_inner };

	if (!bandwidth_conf_shapes(conf))
		return 0;
	if (nl_open(&host, err) < 0 || bandwidth_find(args, &host, &f, err) < 0)
		return -1;
	if (conf->ingress.rate != 0 && check_side(&out, &conf->ingress, conf->fq_codel, err) < 0)
		return -1;
	if (conf->egress.rate == 0)
		return 0;
	if (f.ifb.index == 0)
		return cni_fail(err, CNI_CHECK_FAILED, "ifb %s of %s is gone", f.id.names[0],
				f.veth.name);
	if (check_side(&in, &conf->egress, conf->fq_codel, err) < 0)
		return -1;
	return check_detour(&f, err);
}
