/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. The kernel queues only what leaves through a link, so what comes in (from a
 * pod, on the host end of its veth) is first sent out through another link, an ifb, whose token
 * bucket may make it wait; it then goes on as if it had just come in:
 *
 *	link   root 1: tbf (out)
 *	       ingress ffff: u32, matches all -> mirred, redirect to ifb
 *	ifb    root 1: tbf (in)
 *	both   1:1 fq_codel 2:, if asked for
 *
 * Adding takes two batches, since the ifb's number is known only when it is there:
 *
 *	1. the link's qdiscs; the ifb: create (down), alias, no link-local address, up; read it
 *	2. its token bucket; last the filter, so that nothing passes an ifb that is not ready
 *
 * The kernel goes on after a message that it refuses, so what a failed batch has left is any part
 * of it: everything is taken off then, which is right because nothing was there before. Killed
 * between the two, an ADD leaves a link that loses nothing (an ingress qdisc without a filter
 * passes all) and an ifb that says whose it is.
 */
#include "netlink/shaper.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include "netlink/linkmsg.h"
#include "netlink/req.h"

/* ---- looking */

#define SLOTS 5

/* Where the answer to each message of a batch goes: a link's or a qdisc's. */
struct answers {
	struct link *links[SLOTS];
	struct qdisc *qdiscs[SLOTS];
};

static int take(const struct nlmsghdr *nlh, size_t i, void *arg, struct cni_error *err)
{
	struct answers *a = arg;

	(void)err;
	if (i < SLOTS && a->links[i] != NULL)
		(void)link_parse(nlh, a->links[i]);
	else if (i < SLOTS && a->qdiscs[i] != NULL)
		(void)qdisc_parse(nlh, a->qdiscs[i]);
	return 0;
}

static void ask_link(struct nl_req *req, struct answers *a, const char *name, struct link *to)
{
	a->links[req->n] = to;
	link_put_get(req, 0, name);
	nl_tolerate(req, ENODEV);
}

static void ask_qdisc(struct nl_req *req, struct answers *a, int index, uint32_t place,
		      struct qdisc *to)
{
	a->qdiscs[req->n] = to;
	qdisc_put_get(req, index, place);
}

static int look(struct nl *nl, struct nl_req *req, struct answers *a, struct cni_error *err)
{
	req->reply = take;
	req->reply_arg = a;
	return nl_call(nl, req, err);
}

/* The kernel also answers for alternative names, which nothing here means. */
static void drop_alternative(struct link *link, const char *name)
{
	if (strcmp(link->name, name) != 0)
		*link = (struct link){ .index = 0 };
}

int shaper_look(struct nl *nl, int index, const char *const names[SHAPER_NAMES],
		struct shaper_view *ret, struct cni_error *err)
{
	struct shaper_view view = { .link.index = 0 };
	struct answers a = { .links = { &view.link } };
	struct nl_req req;

	nl_begin(&req);
	link_put_get(&req, index, "");
	for (size_t i = 0; i < SHAPER_NAMES; i++)
		ask_link(&req, &a, names[i], &view.ifb[i]);
	ask_qdisc(&req, &a, index, QDISC_AT_ROOT, &view.root);
	ask_qdisc(&req, &a, index, QDISC_AT_ENTRY, &view.entry);
	if (look(nl, &req, &a, err) < 0)
		return -1;
	for (size_t i = 0; i < SHAPER_NAMES; i++)
		drop_alternative(&view.ifb[i], names[i]);
	*ret = view;
	return 0;
}

int shaper_look_name(struct nl *nl, const char *name, const char *const names[SHAPER_NAMES],
		     struct shaper_view *ret, struct cni_error *err)
{
	struct shaper_view view = { .link.index = 0 };
	struct answers a = { .links = { NULL } };
	struct nl_req req;

	nl_begin(&req);
	ask_link(&req, &a, name, &view.link);
	for (size_t i = 0; i < SHAPER_NAMES; i++)
		ask_link(&req, &a, names[i], &view.ifb[i]);
	if (look(nl, &req, &a, err) < 0)
		return -1;
	drop_alternative(&view.link, name);
	for (size_t i = 0; i < SHAPER_NAMES; i++)
		drop_alternative(&view.ifb[i], names[i]);
	*ret = view;
	return 0;
}

int shaper_look_closely(struct nl *nl, size_t ifb, struct shaper_view *view, struct cni_error *err)
{
	struct answers a = { .links = { NULL } };
	struct nl_req req;

	nl_begin(&req);
	ask_qdisc(&req, &a, view->link.index, QDISC_AT_INNER, &view->inner);
	if (view->ifb[ifb].index != 0) {
		ask_qdisc(&req, &a, view->ifb[ifb].index, QDISC_AT_ROOT, &view->ifb_root);
		ask_qdisc(&req, &a, view->ifb[ifb].index, QDISC_AT_INNER, &view->ifb_inner);
	}
	if (look(nl, &req, &a, err) < 0)
		return -1;
	return qdisc_redirect(nl, view->link.index, view->link.name, &view->redirect, err);
}

/* ---- taking off */

int shaper_remove(struct nl *nl, const struct shaper_parts *parts, struct cni_error *err)
{
	static const struct qdisc tbf = { .handle = QDISC_TBF, .kind = "tbf" };
	static const struct qdisc ingress = { .handle = QDISC_INGRESS, .kind = "ingress" };
	struct nl_req req;

	nl_begin(&req);
	/* The filter first: what comes in must not run into an ifb that is going. */
	if (parts->link != 0 && parts->entry)
		qdisc_put_delete(&req, parts->link, QDISC_AT_ENTRY, &ingress);
	if (parts->link != 0 && parts->root)
		qdisc_put_delete(&req, parts->link, QDISC_AT_ROOT, &tbf);
	for (size_t i = 0; i < SHAPER_NAMES; i++) {
		if (parts->ifb[i] == 0)
			continue;
		nl_msg(&req, RTM_DELLINK, 0, &(struct ifinfomsg){ .ifi_index = parts->ifb[i] },
		       sizeof(struct ifinfomsg));
		nl_what(&req, "delete ifb link number %d", parts->ifb[i]);
		nl_tolerate(&req, ENODEV);
	}
	return req.n == 0 ? 0 : nl_call(nl, &req, err);
}

/* ---- adding */

static void put_shape(struct nl_req *req, const struct shaper_spec *spec, int index,
		      const char *name, const struct tbf *tbf)
{
	qdisc_put_tbf(req, index, name, tbf);
	if (spec->fq_codel)
		qdisc_put_fq_codel(req, index, name);
}

static void put_ifb(struct nl_req *req, const struct shaper_spec *spec)
{
	const struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };

	nl_msg(req, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi, sizeof(ifi));
	nl_what(req, "create ifb %s", spec->ifb);
	nl_module(req, "ifb");
	nl_put_str(req, IFLA_IFNAME, spec->ifb);
	nl_put(req, IFLA_ADDRESS, spec->mac.b, sizeof(spec->mac.b)); /* or udev gives it one */
	nl_put_u32(req, IFLA_MTU, spec->link->mtu);
	nl_put_u32(req, IFLA_TXQLEN, 0);
	nl_nest(req, IFLA_LINKINFO);
	nl_put_str(req, IFLA_INFO_KIND, "ifb");
	nl_end(req);

	link_put_set(req, 0, 0, 0); /* the creating message ignores an alias */
	nl_what(req, "mark ifb %s", spec->ifb);
	nl_put_str(req, IFLA_IFNAME, spec->ifb);
	nl_put(req, IFLA_IFALIAS, spec->alias, strlen(spec->alias));
	link_put_no_link_local(req, 0, "ifb", spec->ifb);
	link_put_up(req, 0, "ifb", spec->ifb);
	link_put_get(req, 0, spec->ifb);
}

static int take_ifb(const struct nlmsghdr *nlh, size_t i, void *arg, struct cni_error *err)
{
	(void)i;
	(void)err;
	(void)link_parse(nlh, arg);
	return 0;
}

static int add(struct nl *nl, const struct shaper_spec *spec, struct link *ifb,
	       struct cni_error *err)
{
	const int index = spec->link->index;
	const char *name = spec->link->name;
	struct nl_req req;

	nl_begin(&req);
	if (spec->out->rate != 0)
		put_shape(&req, spec, index, name, spec->out);
	if (spec->in->rate != 0) {
		qdisc_put_ingress(&req, index, name);
		put_ifb(&req, spec);
		req.reply = take_ifb;
		req.reply_arg = ifb;
	}
	if (nl_call(nl, &req, err) < 0)
		return -1;
	if (spec->in->rate == 0)
		return 0;
	nl_begin(&req);
	put_shape(&req, spec, ifb->index, spec->ifb, spec->in);
	qdisc_put_redirect(&req, index, name, ifb->index);
	return nl_call(nl, &req, err);
}

static void undo(struct nl *nl, const struct shaper_spec *spec, struct link *ifb)
{
	struct shaper_parts parts = { .link = spec->link->index,
				      .root = spec->out->rate != 0,
				      .entry = spec->in->rate != 0 };
	struct cni_error ignored;

	/* Unread when the batch was cut short; who came in between has another MAC. */
	if (spec->in->rate != 0 && ifb->index == 0)
		(void)link_get(nl, spec->ifb, ifb, &ignored);
	if (mac_equal(&ifb->mac, &spec->mac))
		parts.ifb[0] = ifb->index;
	(void)shaper_remove(nl, &parts, &ignored);
}

int shaper_add(struct nl *nl, const struct shaper_spec *spec, struct cni_error *err)
{
	struct link ifb = { .index = 0 };

	if (spec->out->rate == 0 && spec->in->rate == 0)
		return 0;
	if (add(nl, spec, &ifb, err) == 0)
		return 0;
	undo(nl, spec, &ifb);
	return -1;
}
