/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation.
 *
 * ADD makes one nftables transaction for both families (pkg/nft: elements only; its record comes
 * before). Only then, since the table's guard must stand before it, route_localnet is set on the
 * host interface that leads to the pod's IPv4 address, so that connections to 127.0.0.1 may leave
 * through it; for [::1] the one route that lets the answers in. Both are per-node switches, shared
 * by all pods of a bridge, and stay. Last, UDP conntrack entries that would send datagrams of known
 * clients to where the port led before are forgotten: after the elements, so that the next datagram
 * makes the right entry.
 *
 * A failure takes the elements back; a crash leaves a record that DEL or GC works from. DEL needs
 * nothing but (network, container, interface): it releases by the record, or by the comments.
 * Another owner's port is taken over if none of the links in that owner's record exists any more;
 * therefore the record names the host-side interfaces of prevResult, bridges and
 * pairs with both ends on the host excepted.
 */
#include "attach.h"

#include <errno.h>
#include <string.h>

#include <linux/ip.h>

#include "base/undo.h"
#include "netlink/owned.h"
#include "netlink/route.h"
#include "nft/conntrack.h"
#include "nft/reference.h"
#include "plan.h"

/* ---- loopback clients */

static int let_loopback_in(struct portmap_plan *p, bool four, struct cni_error *err)
{
	struct link link;

	if (portmap_way(p, four, &link, err) < 0)
		return portmap_no_way(err) ? 0 : -1;
	if (!four)
		return route_add_local6(&p->nl, link.index, link.name, err);
	if (link_set_inet(&p->nl, link.index, link.name, IPV4_DEVCONF_ROUTE_LOCALNET, 1, err) < 0)
		return cni_wrap(err, "unable to enable route_localnet on %s", link.name);
	return 0;
}

/* ---- the verbs */

static void undo_elements(void *owner, const void *unused)
{
	struct cni_error ignored;

	(void)unused;
	(void)nft_detach(NFT_PORTMAP, owner, NULL, NULL, &ignored);
}

static int apply(const struct cni_args *args, const struct portmap_conf *conf,
		 struct portmap_plan *p, struct cni_error *err)
{
	scoped_undo struct undo undo = { .n = 0 };
	const char *names[OWNED_LINKS_MAX];
	struct owned_links links;
	struct cni_error ignored;

	if (nft_reference_held(&p->owner, p->items, p->n, err) < 0)
		return -1;
	if (p->conditions[0] != '\0' &&
	    nft_conditions_ensure(&conf->conditions, p->conditions, err) < 0)
		return -1;
	owned_links_of_pod(&p->nl, &p->owner, names,
			   cni_result_host_names(&args->prev, names, ARRAY_SIZE(names)), &links);
	if (nft_attach(NFT_PORTMAP, &p->owner, links.names, p->items, p->n, err) < 0)
		return -1;
	undo_push(&undo, undo_elements, &p->owner, NULL);
	if (portmap_wants_loopback(conf, p->items, p->n, true) && let_loopback_in(p, true, err) < 0)
		return -1;
	if (portmap_wants_loopback(conf, p->items, p->n, false))
		(void)let_loopback_in(p, false, &ignored); /* where it is possible */
	conntrack_forget_old(p->items, p->n);
	undo_commit(&undo);
	return 0;
}

int portmap_attach(const struct cni_args *args, const struct portmap_conf *conf,
		   struct cni_result *result, struct cni_error *err)
{
	scoped_plan struct portmap_plan p = { .n = 0 };

	if (conf->n != 0 && portmap_plan_make(args, conf, &p, err) < 0)
		return -1;
	/* Without memory it should fail before anything is changed. */
	if (cni_result_copy(result, &args->prev, err) < 0)
		return -1;
	return p.n == 0 ? 0 : apply(args, conf, &p, err);
}

/* What the Go plugin may have made for this attachment. */
static int take_over(const struct cni_args *args, struct cni_error *err)
{
	struct nft_reference of = { .owner = cni_owner(args) };
	scoped_free struct ipnet *pods = cni_result_pod_addresses(&args->prev, args->ifname, &of.n);

	of.pods = pods;
	return nft_reference_release_ports(&of, err);
}

int portmap_detach(const struct cni_args *args, struct cni_error *err)
{
	const struct owner owner = cni_owner(args);
	struct cni_error first = { 0 }, step;
	scoped_free struct nft_item *items = NULL;
	size_t n = 0;

	/* Runtimes may leave the mappings out: their absence proves nothing. */
	if (nft_detach(NFT_PORTMAP, &owner, &items, &n, &step) < 0)
		cni_keep_first(&first, &step);
	if (take_over(args, &step) < 0)
		cni_keep_first(&first, &step);
	conntrack_forget_pod(items, n);
	*err = first;
	return first.code == CNI_OK ? 0 : -1;
}

int portmap_gc(const struct cni_args *args, struct cni_error *err)
{
	const struct nft_gc_call call = { .network = args->network,
					  .valid = cni_attachment_valid,
					  .arg = args };
	struct cni_error first = { 0 }, step;

	if (nft_gc(NFT_PORTMAP, &call, &step) < 0)
		cni_keep_first(&first, &step);
	if (nft_reference_gc_ports(&call, &step) < 0)
		cni_keep_first(&first, &step);
	*err = first;
	return first.code == CNI_OK ? 0 : -1;
}
