/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. Only the host end of the pod's veth is touched, never the pod's own, which
 * the pod could change back: what goes to the pod leaves through it (its root qdisc, a token
 * bucket), what comes from the pod comes in through it and makes a detour over an ifb link with a
 * token bucket. pkg/netlink/shaper.c tells how these are made.
 *
 * ADD looks first, then takes off what an earlier ADD left in the directions that this one shapes
 * (a list may have an instance for each), then makes its own. Another's qdisc in the way is an
 * error. So nothing is there when the first change is made, and a failure takes everything off.
 *
 * The ifb has the reference's name, so that either DEL finds it, and our alias, so that GC and
 * people know whose it is. The reference's hash leaves out the interface: where the name is taken,
 * as by another interface of the container in the same network, it keeps the second name, under
 * which it was made. What tells the ifbs apart is the MAC, a hash of all three names. It has both,
 * MAC and alias, from the first moment.
 *
 * DEL needs nothing but (network, container, interface): it deletes the ifb by its MAC. Where the
 * host end is still there, the qdiscs go too, as far as they are surely ours: an ingress qdisc that
 * redirects to the ifb, or to one that is gone, which drops all that the pod sends; and a token
 * bucket, by which nobody is known, only if the configuration asks for one. What stays dies with
 * the veth.
 */
#include "attach.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/scoped.h"
#include "net/hashname.h"
#include "netlink/linkset.h"
#include "netlink/owned.h"
#include "netns/netns.h"

/* ---- what the verbs share */

void bandwidth_id(const struct owner *owner, struct shaper_id *ret)
{
	const char *const both[] = { owner->network, owner->container };
	const char *const all[] = { owner->network, "/", owner->container, "/", owner->ifname };

	hashname("bwp", both, ARRAY_SIZE(both), IFNAME_MAX - 1, ret->names[0]);
	hashname("bwp", all, ARRAY_SIZE(all), IFNAME_MAX - 1, ret->names[1]);
	ifname_alias(owner, ret->alias);
	ret->mac = mac_from_hash(owner_hash(owner));
}

static bool is_ours(const struct link *ifb, const struct shaper_id *id)
{
	return strcmp(ifb->kind, "ifb") == 0 && mac_equal(&ifb->mac, &id->mac);
}

/* The attachment's ifb, or the Go plugin's, which has no alias; none is success. */
static int find_ifb(struct nl *host, const struct shaper_id *id, struct link *ret,
		    struct cni_error *err)
{
	struct link found[SHAPER_NAMES] = { { .index = 0 } };

	for (size_t i = 0; i < SHAPER_NAMES; i++) {
		if (link_get(host, id->names[i], &found[i], err) < 0 && err->sys != ENODEV)
			return -1;
		if (is_ours(&found[i], id)) {
			*ret = found[i];
			return 0;
		}
	}
	if (strcmp(found[0].kind, "ifb") == 0 && found[0].alias[0] == '\0')
		*ret = found[0];
	return 0;
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

static int find_veth(const struct cni_args *args, struct nl *host, struct link *ret,
		     struct cni_error *err)
{
	struct link inside;

	if (args->prev.n_interfaces == 0)
		return cni_fail(err, CNI_INVALID_CONFIG,
				"no interfaces provided: prevResult must list the host end of %s",
				args->ifname);
	if (look_inside(args, &inside, err) < 0)
		return cni_wrap(err, "container interface %s has no veth peer", args->ifname);
	if (strcmp(inside.kind, "veth") != 0)
		return cni_fail(err, CNI_INVALID_CONFIG,
				"container interface %s has no veth peer: it is a %s, and only a "
				"veth can be shaped",
				args->ifname,
				inside.kind[0] != '\0' ? inside.kind : "physical interface");
	if (link_host_end(host, args->netns_fd, &inside, ret, err) < 0)
		return err->sys != ENODEV
			   ? -1
			   : cni_fail(err, CNI_INVALID_CONFIG,
				      "veth peer with index %d is not in host ns", inside.peer);
	if (cni_result_host_interface(&args->prev, ret->name) == NULL)
		return cni_fail(err, CNI_INVALID_CONFIG,
				"no veth peer of container interface found in host ns: prevResult "
				"does not list %s, the host end of %s",
				ret->name, args->ifname);
	return 0;
}

int bandwidth_find(const struct cni_args *args, struct nl *host, struct bandwidth_found *ret,
		   struct cni_error *err)
{
	const struct owner owner = cni_owner(args);
	struct bandwidth_found found = { .ifb.index = 0 };

	bandwidth_id(&owner, &found.id);
	if (find_veth(args, host, &found.veth, err) < 0 ||
	    find_ifb(host, &found.id, &found.ifb, err) < 0 ||
	    shaper_look(host, &found.veth, &found.ifb, &found.on, err) < 0)
		return -1;
	/* The Go plugin's: the filter tells which interface of the container it is of. */
	if (!is_ours(&found.ifb, &found.id) && found.on.redirect.to != found.ifb.index)
		found.ifb = (struct link){ .index = 0 };
	*ret = found;
	return 0;
}

/* ---- ADD */

static bool is_kind(const struct qdisc *q, uint32_t handle, const char *kind)
{
	return q->handle == handle && strcmp(q->kind, kind) == 0;
}

/* To our ifb, to one that is gone, or to nothing. */
static bool leads_to_us(const struct redirect *r, const struct link *ifb)
{
	return !r->others && (r->to == 0 || r->to == ifb->index);
}

static int taken(const struct link *veth, const char *place, const struct qdisc *q,
		 struct cni_error *err)
{
	return cni_fail(err, CNI_CONFLICT,
			"%s has %s qdisc already, which is not ours (%s %x:): tc qdisc del dev %s "
			"%s",
			veth->name, place, q->kind, (unsigned)(q->handle >> 16), veth->name,
			strcmp(place, "a root") == 0 ? "root" : q->kind);
}

/* What an earlier ADD has left in the directions that are to be shaped. */
static int clear(struct nl *host, const struct bandwidth_conf *conf,
		 const struct bandwidth_found *f, struct cni_error *err)
{
	const struct link none = { .index = 0 };
	const bool out = conf->ingress.rate != 0, in = conf->egress.rate != 0;
	const struct shaper_parts old = { .link = &f->veth,
					  .ifb = in ? &f->ifb : &none,
					  .root = out && f->on.root.handle != 0,
					  .entry = in && f->on.entry.handle != 0 };

	if (old.root && !is_kind(&f->on.root, QDISC_TBF, "tbf"))
		return taken(&f->veth, "a root", &f->on.root, err);
	if (old.entry && !(is_kind(&f->on.entry, QDISC_INGRESS, "ingress") &&
			   leads_to_us(&f->on.redirect, &f->ifb)))
		return taken(&f->veth, "an ingress", &f->on.entry, err);
	return shaper_remove(host, &old, err);
}

static int add_interface(const struct link *ifb, struct cni_result *result, struct cni_error *err)
{
	char mac[MAC_TEXT];

	mac_print(&ifb->mac, mac);
	return cni_result_add_interface(result, ifb->name, mac, 0, NULL, err);
}

int bandwidth_attach(const struct cni_args *args, const struct bandwidth_conf *conf,
		     struct cni_result *result, struct cni_error *err)
{
	struct bandwidth_found found;
	const struct shaper_spec spec = { .link = &found.veth,
					  .out = &conf->ingress,
					  .in = &conf->egress,
					  .id = &found.id,
					  .fq_codel = conf->fq_codel };
	scoped_nl struct nl host = { 0 };
	struct cni_error ignored;
	struct link ifb;

	if (cni_result_copy(result, &args->prev, err) < 0)
		return -1;
	if (!bandwidth_conf_shapes(conf))
		return 0;
	if (nl_open(&host, err) < 0 || bandwidth_find(args, &host, &found, err) < 0 ||
	    clear(&host, conf, &found, err) < 0 || shaper_add(&host, &spec, &ifb, err) < 0)
		return -1;
	if (ifb.index == 0 || add_interface(&ifb, result, err) == 0)
		return 0;
	(void)bandwidth_detach(args, conf, &ignored);
	return -1;
}

/* ---- DEL */

/* The host end, by the name that our bridge gives it, or through the pod; absent is success. */
static int find_host_end(const struct cni_args *args, const struct owner *owner, struct nl *host,
			 struct link *ret, struct cni_error *err)
{
	char name[IFNAME_MAX];
	struct link inside;

	ifname_host_veth(owner, name);
	if (link_get(host, name, ret, err) == 0)
		return 0;
	if (err->sys != ENODEV)
		return -1;
	if (args->netns_fd < 0 || (look_inside(args, &inside, err) == 0 &&
				   link_host_end(host, args->netns_fd, &inside, ret, err) == 0))
		return 0;
	return err->sys == ENODEV ? 0 : -1;
}

/* The host end, and whether its ingress qdisc is surely the attachment's; without an answer about
 * the ifb or the filters it stays. */
static int find_queues(const struct cni_args *args, struct nl *host,
		       const struct bandwidth_conf *conf, struct bandwidth_found *f,
		       bool *ret_entry, struct cni_error *err)
{
	const struct owner owner = cni_owner(args);
	const struct redirect *r = &f->on.redirect;

	if (find_host_end(args, &owner, host, &f->veth, err) < 0)
		return -1;
	if (f->veth.index == 0)
		return 0;
	if (qdisc_redirect(host, f->veth.index, f->veth.name, &f->on.redirect, err) < 0)
		return -1;
	/* One without a filter is an interrupted ADD's, or nobody's. */
	*ret_entry = leads_to_us(r, &f->ifb) && (r->found || conf->egress.rate != 0);
	return 0;
}

int bandwidth_detach(const struct cni_args *args, const struct bandwidth_conf *conf,
		     struct cni_error *err)
{
	const struct owner owner = cni_owner(args);
	struct bandwidth_found found = { .ifb.index = 0 };
	struct shaper_parts parts = { .link = &found.veth,
				      .ifb = &found.ifb,
				      .root = conf->ingress.rate != 0 };
	struct cni_error first = { 0 }, step;
	scoped_nl struct nl host = { 0 };

	if (nl_open(&host, err) < 0)
		return -1;
	bandwidth_id(&owner, &found.id);
	if (find_ifb(&host, &found.id, &found.ifb, &step) < 0)
		cni_keep_first(&first, &step);
	if (find_queues(args, &host, conf, &found, &parts.entry, &step) < 0)
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
		struct shaper_id id;

		bandwidth_id(&owner, &id);
		memcpy(keep[n], id.names, sizeof(id.names));
		n += SHAPER_NAMES;
	}
	if (nl_open(&host, err) < 0)
		return -1;
	return owned_links_gc(&host, "ifb", args->network, keep, n, err);
}
