/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. Only the host end of the pod's veth is touched, never the pod's own, which
 * the pod could change back: what goes to the pod leaves through it (its root qdisc, a token
 * bucket), what comes from the pod comes in through it and makes a detour over an ifb link with a
 * token bucket. pkg/netlink/shaper.c tells how these are made.
 *
 * ADD looks first, at the pod's interface and then, in one question, at its host end, the qdiscs on
 * that and the places where the ifb may be. What a killed ADD left goes, another's is an error, and
 * nothing of either is there when the first change is made; so a failure takes everything off.
 *
 * The ifb has the reference's name, so that either DEL finds it, and our alias, so that GC and
 * people know whose it is. The reference's hash leaves out the interface: the second interface of a
 * container in one network finds the name taken by the first, and takes another. Should both look
 * at the same time, the one that comes too late writes its alias on the other's ifb before it
 * learns that; so what tells them apart is the MAC, a hash of all three names.
 *
 * DEL needs nothing but (network, container, interface): it deletes the ifb by name and alias. And
 * where the host end is still there, under the name that our bridge gives it or found through the
 * namespace, its qdiscs go too: an ingress qdisc that redirects to an ifb which is gone drops all
 * that the pod sends. They die with the veth otherwise.
 */
#include "attach.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/scoped.h"
#include "net/hashname.h"
#include "netlink/owned.h"
#include "netns/netns.h"

#define OUR_ALIAS "podwire "

/* ---- what the verbs share */

void bandwidth_names(const struct owner *owner, struct bandwidth_names *ret)
{
	const char *const both[] = { owner->network, owner->container };
	const char *const all[] = { owner->network, "/", owner->container, "/", owner->ifname };

	hashname("bwp", both, ARRAY_SIZE(both), IFNAME_MAX - 1, ret->text[0]);
	hashname("bwp", all, ARRAY_SIZE(all), IFNAME_MAX - 1, ret->text[1]);
	for (size_t i = 0; i < SHAPER_NAMES; i++)
		ret->list[i] = ret->text[i];
}

static int open_here(void *nl, struct cni_error *err)
{
	return nl_open(nl, err);
}

/* The pod's interface, read in its namespace. err->sys ENODEV: there is none. */
static int look_inside(const struct cni_args *args, struct link *ret, struct cni_error *err)
{
	scoped_nl struct nl pod = { 0 };

	if (netns_call(args->netns_fd, open_here, &pod, err) < 0)
		return -1;
	return link_get(&pod, args->ifname, ret, err);
}

static int no_veth(const struct cni_args *args, const struct link *inside, struct cni_error *err)
{
	const char *kind = inside->kind[0] != '\0' ? inside->kind : "physical interface";

	return cni_fail(err, CNI_INVALID_CONFIG,
			"container interface %s has no veth peer: it is a %s, and only a veth can "
			"be shaped",
			args->ifname, kind);
}

int bandwidth_find(const struct cni_args *args, struct nl *host,
		   const struct bandwidth_names *names, struct shaper_view *ret,
		   struct cni_error *err)
{
	struct link inside;
	bool there;

	if (args->prev.n_interfaces == 0)
		return cni_fail(err, CNI_INVALID_CONFIG,
				"no interfaces provided: prevResult must list the host end of %s",
				args->ifname);
	if (look_inside(args, &inside, err) < 0)
		return cni_wrap(err, "container interface %s has no veth peer", args->ifname);
	if (strcmp(inside.kind, "veth") != 0)
		return no_veth(args, &inside, err);
	there = inside.peer != 0 && shaper_look(host, inside.peer, names->list, ret, err) == 0;
	if (!there && inside.peer != 0 && err->sys != ENODEV)
		return -1;
	if (!there || ret->link.peer != inside.index)
		return cni_fail(err, CNI_INVALID_CONFIG,
				"veth peer with index %d is not in host ns", inside.peer);
	if (cni_result_host_interface(&args->prev, ret->link.name) == NULL)
		return cni_fail(err, CNI_INVALID_CONFIG,
				"no veth peer of container interface found in host ns: prevResult "
				"does not list %s, the host end of %s",
				ret->link.name, args->ifname);
	return 0;
}

static struct mac ifb_mac(const struct owner *owner)
{
	return mac_from_hash(owner_hash(owner));
}

static bool is_ours(const struct link *link, const struct owner *owner)
{
	const struct mac mac = ifb_mac(owner);

	return link->index != 0 && mac_equal(&link->mac, &mac);
}

enum bandwidth_place bandwidth_place(const struct shaper_view *view, size_t i,
				     const struct owner *owner)
{
	const struct link *link = &view->ifb[i];

	if (link->index == 0)
		return BANDWIDTH_FREE;
	if (strcmp(link->kind, "ifb") != 0)
		return BANDWIDTH_FOREIGN;
	if (is_ours(link, owner))
		return BANDWIDTH_OURS;
	if (strncmp(link->alias, OUR_ALIAS, strlen(OUR_ALIAS)) == 0)
		return BANDWIDTH_SIBLING;
	if (i > 0 || link->alias[0] != '\0')
		return BANDWIDTH_FOREIGN;
	/* Of the Go plugin, which makes it up at once. Down: another ADD of ours is about to mark
	 * it. And if ours is elsewhere, this one is another interface's. */
	return !(link->flags & IFF_UP) || is_ours(&view->ifb[1], owner) ? BANDWIDTH_SIBLING
									: BANDWIDTH_OURS;
}

/* ---- ADD */

struct attaching {
	struct owner owner;
	struct bandwidth_names names;
	struct nl host;
	struct shaper_view view;
	const struct bandwidth_conf *conf;
};

static int choose_ifb(const struct attaching *a, size_t *ret, struct cni_error *err)
{
	for (size_t i = 0; i < SHAPER_NAMES; i++) {
		enum bandwidth_place place = bandwidth_place(&a->view, i, &a->owner);

		if (place == BANDWIDTH_SIBLING && i + 1 < SHAPER_NAMES)
			continue;
		if (place == BANDWIDTH_FREE || place == BANDWIDTH_OURS) {
			*ret = i;
			return 0;
		}
		return cni_fail(
		    err, CNI_CONFLICT,
		    "the host has an interface %s already, which is not this pod's (%s%s, "
		    "alias \"%s\"): remove or rename it",
		    a->names.list[i],
		    a->view.ifb[i].kind[0] != '\0' ? "a " : "a physical interface",
		    a->view.ifb[i].kind, a->view.ifb[i].alias);
	}
	return cni_fail(err, CNI_INTERNAL, "no name for an ifb");
}

static bool is_kind(const struct qdisc *q, uint32_t handle, const char *kind)
{
	return q->handle == handle && strcmp(q->kind, kind) == 0;
}

static int taken(const struct attaching *a, const char *what, const struct qdisc *q,
		 struct cni_error *err)
{
	return cni_fail(err, CNI_CONFLICT,
			"%s has %s qdisc already, which is not ours (%s %x:): tc qdisc del dev %s "
			"%s",
			a->view.link.name, what, q->kind, (unsigned)(q->handle >> 16),
			a->view.link.name, q == &a->view.root ? "root" : q->kind);
}

/* Whose the qdiscs are that are there; a killed ADD's are to go. */
static int look_at_qdiscs(struct attaching *a, struct shaper_parts *old, struct cni_error *err)
{
	struct redirect *r = &a->view.redirect;

	old->link = a->view.link.index;
	old->root = is_kind(&a->view.root, QDISC_TBF, "tbf");
	if (a->conf->ingress.rate != 0 && a->view.root.handle != 0 && !old->root)
		return taken(a, "a root", &a->view.root, err);
	if (a->view.entry.handle == 0)
		return 0;
	if (qdisc_redirect(&a->host, a->view.link.index, a->view.link.name, r, err) < 0)
		return -1;
	old->entry = is_kind(&a->view.entry, QDISC_INGRESS, "ingress") && !r->others;
	if (a->conf->egress.rate != 0 && !old->entry)
		return taken(a, "an ingress", &a->view.entry, err);
	return 0;
}

static int clear_leftovers(struct attaching *a, struct cni_error *err)
{
	struct shaper_parts old = { .link = 0 };

	if (look_at_qdiscs(a, &old, err) < 0)
		return -1;
	for (size_t i = 0; i < SHAPER_NAMES; i++) {
		if (bandwidth_place(&a->view, i, &a->owner) == BANDWIDTH_OURS &&
		    (a->conf->egress.rate != 0 || is_ours(&a->view.ifb[i], &a->owner)))
			old.ifb[i] = a->view.ifb[i].index;
	}
	if (!old.root && !old.entry && old.ifb[0] == 0 && old.ifb[1] == 0)
		return 0;
	return shaper_remove(&a->host, &old, err);
}

static int shape(struct attaching *a, const char *ifb, struct cni_error *err)
{
	char alias[IFALIAS_TEXT];
	const struct shaper_spec spec = { .link = &a->view.link,
					  .out = &a->conf->ingress,
					  .in = &a->conf->egress,
					  .ifb = ifb,
					  .alias = alias,
					  .mac = ifb_mac(&a->owner),
					  .fq_codel = a->conf->fq_codel };

	ifname_alias(&a->owner, alias);
	if (clear_leftovers(a, err) < 0)
		return -1;
	return shaper_add(&a->host, &spec, err);
}

static int add_ifb(const struct attaching *a, const char *ifb, struct cni_result *result,
		   struct cni_error *err)
{
	const struct mac mac = ifb_mac(&a->owner);
	char text[MAC_TEXT];

	mac_print(&mac, text);
	return cni_result_add_interface(result, ifb, text, 0, NULL, err);
}

/* Another interface of the container may take the first name after we looked: look again, once. */
static int attach(const struct cni_args *args, struct attaching *a, struct cni_result *result,
		  struct cni_error *err)
{
	struct cni_error ignored;
	size_t place = 0;

	for (int left = 1;; left--) {
		if (bandwidth_find(args, &a->host, &a->names, &a->view, err) < 0)
			return -1;
		if (a->conf->egress.rate != 0 && choose_ifb(a, &place, err) < 0)
			return -1;
		if (shape(a, a->names.list[place], err) == 0)
			break;
		if (err->sys != EEXIST || left == 0)
			return -1;
	}
	if (a->conf->egress.rate == 0 || add_ifb(a, a->names.list[place], result, err) == 0)
		return 0;
	(void)bandwidth_detach(args, &ignored);
	return -1;
}

int bandwidth_attach(const struct cni_args *args, const struct bandwidth_conf *conf,
		     struct cni_result *result, struct cni_error *err)
{
	struct attaching a = { .owner = cni_owner(args), .conf = conf };
	int r;

	if (cni_result_copy(result, &args->prev, err) < 0)
		return -1;
	if (!bandwidth_conf_shapes(conf))
		return 0;
	bandwidth_names(&a.owner, &a.names);
	r = nl_open(&a.host, err) < 0 || attach(args, &a, result, err) < 0 ? -1 : 0;
	nl_close(&a.host);
	return r;
}

/* ---- DEL */

/* The host end, when it does not have our bridge's name; absent is success. */
static int find_through_pod(const struct cni_args *args, struct nl *host, struct link *ret,
			    struct cni_error *err)
{
	struct link inside, veth;

	if (args->netns_fd < 0)
		return 0;
	if (look_inside(args, &inside, err) < 0)
		return err->sys == ENODEV ? 0 : -1;
	if (strcmp(inside.kind, "veth") != 0 || inside.peer == 0)
		return 0;
	if (link_get_index(host, inside.peer, &veth, err) < 0)
		return err->sys == ENODEV ? 0 : -1;
	if (strcmp(veth.kind, "veth") == 0 && veth.peer == inside.index)
		*ret = veth;
	return 0;
}

/* Is the ingress qdisc of the host end, if it has one, what an ADD made? */
static bool redirects_to_us(const struct redirect *r, const struct shaper_parts *parts)
{
	if (r->others)
		return false;
	return r->n == 0 || r->to == 0 || r->to == parts->ifb[0] || r->to == parts->ifb[1];
}

/* The host end and what is on it; without an answer about its filters they stay. */
static int find_qdiscs(const struct cni_args *args, struct nl *host, struct link *veth,
		       struct shaper_parts *parts, struct cni_error *err)
{
	struct redirect redirect;

	if (veth->index == 0 && find_through_pod(args, host, veth, err) < 0)
		return -1;
	if (veth->index == 0)
		return 0;
	parts->link = veth->index;
	parts->root = true;
	if (qdisc_redirect(host, veth->index, veth->name, &redirect, err) < 0)
		return -1;
	parts->entry = redirects_to_us(&redirect, parts);
	return 0;
}

static int find_parts(const struct cni_args *args, struct nl *host, struct shaper_parts *parts,
		      struct cni_error *err)
{
	const struct owner owner = cni_owner(args);
	struct bandwidth_names names;
	char veth[IFNAME_MAX];
	struct shaper_view view;

	ifname_host_veth(&owner, veth);
	bandwidth_names(&owner, &names);
	if (shaper_look_name(host, veth, names.list, &view, err) < 0)
		return -1;
	for (size_t i = 0; i < SHAPER_NAMES; i++) {
		if (bandwidth_place(&view, i, &owner) == BANDWIDTH_OURS)
			parts->ifb[i] = view.ifb[i].index;
	}
	return find_qdiscs(args, host, &view.link, parts, err);
}

int bandwidth_detach(const struct cni_args *args, struct cni_error *err)
{
	struct shaper_parts parts = { .link = 0 };
	struct cni_error first = { 0 }, step;
	scoped_nl struct nl host = { 0 };

	if (nl_open(&host, err) < 0)
		return -1;
	if (find_parts(args, &host, &parts, &step) < 0)
		cni_keep_first(&first, &step);
	if (shaper_remove(&host, &parts, &step) < 0)
		cni_keep_first(&first, &step);
	if (first.code == CNI_OK)
		return 0;
	*err = first;
	return -1;
}

/* ---- GC */

int bandwidth_gc(const struct cni_args *args, struct cni_error *err)
{
	scoped_free char(*keep)[IFNAME_MAX] =
	    calloc((args->n_valid + 1) * SHAPER_NAMES, IFNAME_MAX);
	scoped_nl struct nl host = { 0 };
	size_t n = 0;

	if (keep == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	for (size_t i = 0; i < args->n_valid; i++) {
		const struct owner owner = { args->network, args->valid[i].container,
					     args->valid[i].ifname };
		struct bandwidth_names names;

		bandwidth_names(&owner, &names);
		for (size_t k = 0; k < SHAPER_NAMES; k++)
			memcpy(keep[n++], names.text[k], IFNAME_MAX);
	}
	if (nl_open(&host, err) < 0)
		return -1;
	return owned_links_gc(&host, "ifb", args->network, keep, n, err);
}
