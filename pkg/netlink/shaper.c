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
 *	1. the ifb by its second name, which nobody else makes: create (down) with its MAC; its
 *	   alias, which the kernel ignores while it creates; read it
 *	2. by that number: its first name, if that is free; no link-local address, up, its token
 *	   bucket; the link's qdiscs; last the filter, so that nothing passes an ifb that is not
 *	   ready; read it again, for its name
 *
 * So not even SIGKILL leaves an ifb that does not say whose it is. As in veth.c a name is asked for
 * before messages go to it that run whatever became of the one before.
 *
 * The kernel goes on after a message that it refuses, so what a failed batch has left is any part
 * of it: everything is taken off then, which is right because nothing was there before.
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

static int take_qdisc(const struct nlmsghdr *nlh, size_t i, void *arg, struct cni_error *err)
{
	struct qdisc **answers = arg;

	(void)err;
	(void)qdisc_parse(nlh, answers[i]);
	return 0;
}

int shaper_look(struct nl *nl, const struct link *link, const struct link *ifb,
		struct shaper_view *ret, struct cni_error *err)
{
	struct shaper_view view = { .root.handle = 0 };
	struct qdisc *answers[] = { &view.root, &view.inner, &view.entry, &view.ifb_root,
				    &view.ifb_inner };
	struct nl_req req;

	nl_begin(&req);
	qdisc_put_get(&req, link->index, link->name, QDISC_AT_ROOT);
	qdisc_put_get(&req, link->index, link->name, QDISC_AT_INNER);
	qdisc_put_get(&req, link->index, link->name, QDISC_AT_ENTRY);
	if (ifb->index != 0) {
		qdisc_put_get(&req, ifb->index, ifb->name, QDISC_AT_ROOT);
		qdisc_put_get(&req, ifb->index, ifb->name, QDISC_AT_INNER);
	}
	req.reply = take_qdisc;
	req.reply_arg = answers;
	if (nl_call(nl, &req, err) < 0 ||
	    qdisc_redirect(nl, link->index, link->name, &view.redirect, err) < 0)
		return -1;
	*ret = view;
	return 0;
}

/* ---- taking off */

int shaper_remove(struct nl *nl, const struct shaper_parts *parts, struct cni_error *err)
{
	static const struct qdisc tbf = { .handle = QDISC_TBF, .kind = "tbf" };
	static const struct qdisc ingress = { .handle = QDISC_INGRESS, .kind = "ingress" };
	const struct link *link = parts->link, *ifb = parts->ifb;
	struct nl_req req;

	nl_begin(&req);
	/* The filter first: what comes in must not run into an ifb that is going. */
	if (link->index != 0 && parts->entry)
		qdisc_put_delete(&req, link->index, link->name, QDISC_AT_ENTRY, &ingress);
	if (link->index != 0 && parts->root)
		qdisc_put_delete(&req, link->index, link->name, QDISC_AT_ROOT, &tbf);
	if (ifb->index != 0) {
		nl_msg(&req, RTM_DELLINK, 0, &(struct ifinfomsg){ .ifi_index = ifb->index },
		       sizeof(struct ifinfomsg));
		nl_what(&req, "delete ifb %s", ifb->name);
		nl_tolerate(&req, ENODEV);
	}
	return req.n == 0 ? 0 : nl_call(nl, &req, err);
}

/* ---- adding */

static int take_link(const struct nlmsghdr *nlh, size_t i, void *arg, struct cni_error *err)
{
	(void)i;
	(void)err;
	(void)link_parse(nlh, arg);
	return 0;
}

static void put_ifb(struct nl_req *req, const struct shaper_spec *spec, const char *name)
{
	const struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };

	nl_msg(req, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi, sizeof(ifi));
	nl_what(req, "create ifb %s", name);
	nl_module(req, "ifb");
	nl_put_str(req, IFLA_IFNAME, name);
	nl_put(req, IFLA_ADDRESS, spec->id->mac.b, sizeof(spec->id->mac.b));
	nl_put_u32(req, IFLA_MTU, spec->link->mtu);
	nl_put_u32(req, IFLA_TXQLEN, 0);
	nl_nest(req, IFLA_LINKINFO);
	nl_put_str(req, IFLA_INFO_KIND, "ifb");
	nl_end(req);

	link_put_set(req, 0, 0, 0);
	nl_what(req, "mark ifb %s", name);
	nl_put_str(req, IFLA_IFNAME, name);
	nl_put(req, IFLA_IFALIAS, spec->id->alias, strlen(spec->id->alias));
}

static int create(struct nl *nl, const struct shaper_spec *spec, struct link *ret,
		  struct cni_error *err)
{
	const char *name = spec->id->names[1];
	struct link ifb = { .index = 0 };
	struct cni_error ignored;
	struct nl_req req;

	if (link_get(nl, name, &ifb, err) == 0)
		return cni_fail_sys(err, EEXIST, "create ifb %s", name);
	if (err->sys != ENODEV)
		return -1;
	nl_begin(&req);
	put_ifb(&req, spec, name);
	link_put_get(&req, 0, name);
	req.reply = take_link;
	req.reply_arg = &ifb;
	if (nl_call(nl, &req, err) == 0) {
		*ret = ifb;
		return 0;
	}
	/* It may be there, unread, when the batch was cut short. */
	if (req.failed != 0)
		(void)link_delete(nl, name, &ignored);
	return -1;
}

static void put_shape(struct nl_req *req, const struct link *link, const struct tbf *tbf,
		      bool fq_codel)
{
	qdisc_put_tbf(req, link->index, link->name, tbf);
	if (fq_codel)
		qdisc_put_fq_codel(req, link->index, link->name);
}

static void put_detour(struct nl_req *req, const struct shaper_spec *spec, const struct link *ifb)
{
	const struct link *link = spec->link;

	link_put_set(req, ifb->index, 0, 0);
	nl_what(req, "rename ifb %s to %s", ifb->name, spec->id->names[0]);
	nl_put_str(req, IFLA_IFNAME, spec->id->names[0]);
	nl_tolerate(req, EEXIST);
	nl_tolerate(req,
		    EBUSY); /* somebody set it up meanwhile: older kernels then keep its name */
	link_put_no_link_local(req, ifb->index, "ifb", ifb->name);
	link_put_up(req, ifb->index, "ifb", ifb->name);
	put_shape(req, ifb, spec->in, spec->fq_codel);
	qdisc_put_ingress(req, link->index, link->name);
	qdisc_put_redirect(req, link->index, link->name, ifb->index);
	link_put_get(req, ifb->index, ifb->name);
}

int shaper_add(struct nl *nl, const struct shaper_spec *spec, struct link *ret_ifb,
	       struct cni_error *err)
{
	const bool out = spec->out->rate != 0, in = spec->in->rate != 0;
	struct link ifb = { .index = 0 };
	const struct shaper_parts all = {
		.link = spec->link, .ifb = &ifb, .root = out, .entry = in
	};
	struct cni_error ignored;
	struct nl_req req;

	if (in && create(nl, spec, &ifb, err) < 0)
		return -1;
	nl_begin(&req);
	req.reply = take_link;
	req.reply_arg = &ifb;
	if (out)
		put_shape(&req, spec->link, spec->out, spec->fq_codel);
	if (in)
		put_detour(&req, spec, &ifb);
	if (req.n != 0 && nl_call(nl, &req, err) < 0) {
		(void)shaper_remove(nl, &all, &ignored);
		return -1;
	}
	*ret_ifb = ifb;
	return 0;
}
