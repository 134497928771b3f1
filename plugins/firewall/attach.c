/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation.
 *
 * ADD: (1) zone entries that an earlier ADD of this attachment had and this one does not want go;
 * (2) one nftables transaction in our table (pkg/nft: elements only; its record, which names the
 * zone entries too, comes before); (3) firewalld, if it is used: the pod's addresses become sources
 * of the zone, and what a reload made it forget comes back for all pods (sources.c); (4) the two
 * rules in iptables' chain FORWARD, which are the node's and stay (pkg/nft/xtables.c). The rules
 * come last, since they are what a failure does not take back.
 *
 * A failure removes zone entries and elements again; a crash leaves a record that DEL or GC works
 * from. DEL needs nothing but (network, container, interface): zone entries by the record first,
 * then elements and record. If firewalld does not answer the elements go and the record stays, for
 * the next DEL. Where there is no record the reference's plugin may have attached the pod: then the
 * rules in CNI-FORWARD and the zone entries for prevResult's addresses go, as its own DEL would do
 * it, but for an address that another pod of ours has by now.
 */
#include "attach.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/trace.h"
#include "base/undo.h"
#include "netlink/owned.h"
#include "nft/recorded.h"
#include "sources.h"

/* ---- ADD */

/* Zone entries first: while they are there the record has to say so. */
static void undo_attach(void *plan, const void *unused)
{
	scoped_sources struct sources sources = { 0 };
	struct firewall_plan *p = plan;
	struct cni_error ignored;

	(void)unused;
	if (sources_own(&p->owner, p->items, p->n, NULL, &sources, &ignored) == 0 &&
	    sources_forget(p->fw, &sources, &ignored) == 0)
		(void)nft_detach(NFT_FIREWALL, &p->owner, NULL, NULL, &ignored);
}

static int add_sources(struct firewall_plan *p, struct cni_error *err)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->items[i].kind == NFT_ITEM_SOURCE &&
		    firewalld_add(p->fw, p->items[i].zone, &p->items[i].pod.addr, err) < 0)
			return -1;
	}
	if (p->fw != NULL)
		sources_restore(p->fw);
	return 0;
}

/* Of an earlier ADD of this attachment, with another address, zone or backend. */
static int drop_earlier(struct firewall_plan *p, struct cni_error *err)
{
	scoped_sources struct sources stale = { 0 };
	scoped_free struct nft_item *items = NULL;
	size_t n = 0;

	if (nft_recorded(NFT_FIREWALL, &p->owner, &items, &n, err) < 0)
		return err->code == CNI_DECODE ? 0 : -1; /* damaged: nobody knows */
	if (sources_own(&p->owner, items, n, p, &stale, err) < 0)
		return -1;
	return sources_forget(p->fw, &stale, err);
}

static int find_links(const struct cni_args *args, const struct firewall_plan *p,
		      struct owned_links *ret, struct cni_error *err)
{
	const char *names[OWNED_LINKS_MAX];
	scoped_nl struct nl nl = { 0 };

	if (nl_open(&nl, err) < 0)
		return -1;
	owned_links_of_pod(&nl, &p->owner, names,
			   cni_result_host_names(&args->prev, names, ARRAY_SIZE(names)), ret);
	return 0;
}

static int apply(const struct cni_args *args, struct firewall_plan *p, struct cni_error *err)
{
	scoped_undo struct undo undo = { .n = 0 };
	struct owned_links links;
	scoped_fd int lock = -1;

	if (find_links(args, p, &links, err) < 0 ||
	    (p->fw != NULL && sources_lock(&lock, err) < 0) || drop_earlier(p, err) < 0)
		return -1;
	undo_push(&undo, undo_attach, p, NULL); /* also for what an earlier ADD left */
	if (nft_attach(NFT_FIREWALL, &p->owner, links.names, p->items, p->n, err) < 0 ||
	    add_sources(p, err) < 0)
		return -1;
	close_fdp(&lock);
	if (xtables_forward_ensure(&p->forward, NULL, err) < 0)
		return -1;
	undo_commit(&undo);
	return 0;
}

int firewall_attach(const struct cni_args *args, const struct firewall_conf *conf,
		    struct cni_result *result, struct cni_error *err)
{
	scoped_plan struct firewall_plan p = { .fw = NULL };

	if (firewall_plan_make(args, conf, &p, err) < 0)
		return -1;
	/* Without memory it should fail before anything is changed. */
	if (cni_result_copy(result, &args->prev, err) < 0)
		return -1;
	return p.n == 0 ? 0 : apply(args, &p, err);
}

/* ---- CHECK */

static int check_zone(const struct firewall_plan *p, struct cni_error *err)
{
	char text[IP_TEXT];
	bool there;

	for (size_t i = 0; i < p->n; i++) {
		if (p->items[i].kind != NFT_ITEM_SOURCE)
			continue;
		if (firewalld_has(p->fw, p->items[i].zone, &p->items[i].pod.addr, &there, err) < 0)
			return -1;
		if (there)
			continue;
		ip_print(&p->items[i].pod.addr, text);
		return cni_fail(err, CNI_CHECK_FAILED,
				"address %s is not in firewalld's zone %s (a reload forgets it); "
				"the next ADD of a pod with the firewall plugin brings it back",
				text, p->items[i].zone);
	}
	return 0;
}

int firewall_check(const struct cni_args *args, const struct firewall_conf *conf,
		   struct cni_error *err)
{
	scoped_plan struct firewall_plan p = { .fw = NULL };

	if (firewall_plan_make(args, conf, &p, err) < 0)
		return -1;
	if (p.n == 0)
		return 0;
	if (nft_check(NFT_FIREWALL, &p.owner, p.items, p.n, err) < 0 ||
	    (p.fw != NULL && check_zone(&p, err) < 0))
		return -1;
	return xtables_forward_check(&p.forward, err);
}

/* ---- DEL and GC */

/* What the reference's plugin may have made for these addresses. */
static int take_over(const struct cni_args *args, const struct owner *owner, struct cni_error *err)
{
	scoped_sources struct sources sources = { 0 };
	scoped_free struct ipnet *pods = calloc(args->prev.n_ips + 1, sizeof(*pods));
	struct cni_error ignored;

	if (pods == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	for (size_t i = 0; i < args->prev.n_ips; i++) {
		struct nft_item source = { .kind = NFT_ITEM_SOURCE };

		pods[i] = source.pod = args->prev.ips[i].address;
		(void)text_format(source.zone, sizeof(source.zone), "%s", firewall_conf_zone(args));
		if (firewall_conf_asks_firewalld(args) &&
		    sources_own(owner, &source, 1, NULL, &sources, err) < 0)
			return -1;
	}
	/* As the reference: whether firewalld had them is not known. */
	if (sources_forget(NULL, &sources, &ignored) < 0)
		trace("%s", ignored.msg);
	return xtables_release(pods, args->prev.n_ips, err);
}

/* A firewalld that does not answer keeps its entries, and so the record stays for the next DEL;
 * everything else goes. */
static int detach(const struct owner *owner, const struct nft_item *items, size_t n,
		  struct cni_error *err)
{
	scoped_sources struct sources sources = { 0 };
	struct cni_error ignored;
	scoped_fd int lock = -1;

	if (sources_own(owner, items, n, NULL, &sources, err) < 0 ||
	    (sources.n != 0 && sources_lock(&lock, err) < 0))
		return -1;
	if (sources_forget(NULL, &sources, err) < 0) {
		(void)nft_release(NFT_FIREWALL, owner, &ignored);
		return -1;
	}
	return nft_detach(NFT_FIREWALL, owner, NULL, NULL, err);
}

int firewall_detach(const struct cni_args *args, struct cni_error *err)
{
	const struct owner owner = cni_owner(args);
	scoped_free struct nft_item *items = NULL;
	struct cni_error first = { 0 }, step;
	size_t n = 0;

	if (nft_recorded(NFT_FIREWALL, &owner, &items, &n, &step) < 0)
		trace("%s", step.msg); /* the comments of the elements will do */
	if (detach(&owner, items, n, &step) < 0)
		cni_keep_first(&first, &step);
	if (n == 0 && args->has_prev && take_over(args, &owner, &step) < 0)
		cni_keep_first(&first, &step);
	*err = first;
	return first.code == CNI_OK ? 0 : -1;
}

struct doomed {
	const struct cni_args *args;
	struct sources sources;
};

static int collect_doomed(const struct nft_recorded *r, void *arg, struct cni_error *err)
{
	struct doomed *doomed = arg;

	if (strcmp(r->owner->network, doomed->args->network) != 0 ||
	    cni_attachment_valid(doomed->args, r->owner->container, r->owner->ifname))
		return 0;
	return sources_own(r->owner, r->items, r->n, NULL, &doomed->sources, err);
}

/* The records are what the next GC needs if firewalld gives no answer now. */
static int gc(const struct cni_args *args, struct doomed *doomed, struct cni_error *err)
{
	const struct nft_gc_call call = { .network = args->network,
					  .valid = cni_attachment_valid,
					  .arg = args };
	scoped_fd int lock = -1;

	if (nft_each_recorded(NFT_FIREWALL, collect_doomed, doomed, err) < 0 ||
	    (doomed->sources.n != 0 && sources_lock(&lock, err) < 0) ||
	    sources_forget(NULL, &doomed->sources, err) < 0)
		return -1;
	return nft_gc(NFT_FIREWALL, &call, err);
}

int firewall_gc(const struct cni_args *args, struct cni_error *err)
{
	struct doomed doomed = { .args = args };
	int r = gc(args, &doomed, err);

	sources_free(&doomed.sources);
	return r;
}
