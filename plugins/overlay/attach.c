/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation: a pod attached by another program, as flannel's are, on a node whose side of
 * the overlay stands.
 *
 * ADD makes sure of the node's side (standing.c) and then runs the delegate, bridge with host-local
 * on this node's subnet. What belongs to the pod is the delegate's alone, so is its undo; what
 * belongs to the node stays when the pod goes, and when a later step of ADD fails.
 *
 * DEL and GC run the delegate with a configuration that is made without the list of nodes: its
 * programs find what is the pod's by network, container and interface, and the addresses by the
 * folder. The ranges in it are the cluster's, since the reference's host-local wants some. So a pod
 * goes although the list is damaged, or has lost this node; no file is kept for it.
 */
#include "attach.h"

#include "base/trace.h"
#include "cni/delegate.h"
#include "standing.h"

/* ---- the delegate's configuration */

static struct delegate_wants wants_of(const struct overlay *o, uint32_t mtu)
{
	const struct overlay_node *own = &o->nodes[o->self];

	return (struct delegate_wants){
		.v4 = { .networks = &o->network4,
			.n_networks = o->has4,
			.has_subnet = o->has4,
			.subnet = own->subnet4 },
		.v6 = { .networks = &o->network6,
			.n_networks = o->has6,
			.has_subnet = o->has6,
			.subnet = own->subnet6 },
		.has_mtu = mtu != 0,
		.mtu = mtu,
	};
}

static int build(const struct cni_args *args, const struct overlay_standing *side, uint32_t mtu,
		 struct delegate_conf *ret, struct cni_error *err)
{
	const struct delegate_wants wants = wants_of(&side->overlay, mtu);

	if (delegate_conf_build(args, &wants, ret, err) < 0)
		return -1;
	trace("delegate to %s: %s", ret->type, ret->text);
	return 0;
}

/* ---- ADD */

int overlay_attach(const struct cni_args *args, const struct overlay_conf *conf,
		   struct cni_result *result, struct cni_error *err)
{
	SCOPED(delegate_conf_free) struct delegate_conf d = { .len = 0 };
	scoped_overlay_standing struct overlay_standing side = { .nl = { .sk = NULL } };
	struct cni_args call;
	bool clean;

	if (overlay_standing_ensure(conf, &side, err) < 0 ||
	    build(args, &side, overlay_standing_mtu(&side), &d, err) < 0)
		return -1;
	call = delegate_conf_call(args, &d);
	return cni_delegate_attach(&call, d.type, result, &clean, err);
}

/* ---- CHECK */

struct first {
	bool found;
	struct cni_error *err;
};

static void keep_first(void *arg, const char *text)
{
	struct first *first = arg;
	int failed;

	if (first->found)
		return;
	first->found = true;
	failed = cni_fail(first->err, CNI_CHECK_FAILED, "%s; \"overlay apply FILE\" makes it right",
			  text);
	(void)failed;
}

int overlay_check(const struct cni_args *args, const struct overlay_conf *conf,
		  struct cni_error *err)
{
	SCOPED(delegate_conf_free) struct delegate_conf d = { .len = 0 };
	scoped_overlay_standing struct overlay_standing side = { .nl = { .sk = NULL } };
	struct cni_error difference;
	struct first first = { .err = &difference };
	struct cni_args call;
	uint32_t mtu;

	if (overlay_standing_load(conf, &side, err) < 0 ||
	    overlay_standing_differ(conf, &side, keep_first, &first, NULL, err) < 0)
		return -1;
	if (first.found) {
		*err = difference;
		return -1;
	}
	if (overlay_standing_look(&side, &mtu, err) < 0 || build(args, &side, mtu, &d, err) < 0 ||
	    delegate_conf_complete(args, &d, err) < 0)
		return -1;
	call = delegate_conf_call(args, &d);
	return cni_delegate(&call, d.type, CNI_CHECK, err);
}

/* ---- STATUS */

int overlay_answer_status(const struct cni_args *args, const struct overlay_conf *conf,
			  struct cni_error *err)
{
	SCOPED(delegate_conf_free) struct delegate_conf d = { .len = 0 };
	scoped_overlay_standing struct overlay_standing side = { .nl = { .sk = NULL } };
	struct cni_args call;

	if (overlay_standing_status(conf, &side, err) < 0) {
		err->code = CNI_NOT_AVAILABLE;
		return -1;
	}
	if (build(args, &side, 0, &d, err) < 0)
		return -1;
	call = delegate_conf_call(args, &d);
	if (cni_delegate(&call, d.type, CNI_STATUS, err) == 0)
		return 0;
	if (!err->passed)
		err->code = CNI_NOT_AVAILABLE; /* it could not even be asked (STA-01) */
	return -1;
}

/* ---- DEL and GC */

static int run_without_nodes(const struct cni_args *args, enum cni_verb verb, struct cni_error *err)
{
	SCOPED(delegate_conf_free) struct delegate_conf d = { .len = 0 };
	struct cni_args call;

	if (overlay_conf_salvage(args, &d, err) < 0)
		return -1;
	call = delegate_conf_call(args, &d);
	return cni_delegate(&call, d.type, verb, err);
}

int overlay_detach(const struct cni_args *args, struct cni_error *err)
{
	return run_without_nodes(args, CNI_DEL, err);
}

int overlay_gc(const struct cni_args *args, struct cni_error *err)
{
	return run_without_nodes(args, CNI_GC, err);
}
