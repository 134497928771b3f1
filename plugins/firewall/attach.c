/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation.
 *
 * ADD: (1) one nftables transaction in our table (pkg/nft: elements only; its record, which names
 * the zone entries too, comes before); (2) firewalld, if it is used: the pod's addresses become
 * sources of the zone, and when its table is another one than at the last ADD (a reload or restart,
 * which forget all sources) those of every living pod do; (3) the two rules in iptables' chain
 * FORWARD, which are the node's and stay (pkg/nft/xtables.c). The rules come last, since they are
 * what a failure does not take back.
 *
 * A failure removes zone entries and elements again; a crash leaves a record that DEL or GC works
 * from. DEL needs nothing but (network, container, interface): zone entries by the record first,
 * then elements and record. Where there is no record the reference's plugin may have attached the
 * pod: then the rules in CNI-FORWARD and the zone entries for prevResult's addresses go, as its own
 * DEL would do it.
 */
#include "attach.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/text.h"
#include "base/trace.h"
#include "base/undo.h"
#include "netlink/owned.h"
#include "nft/recorded.h"
#include "nft/surroundings.h"
#include "plan.h"

/* ---- zone entries */

/* A growing list of zone entries; `broken`: no memory. */
struct sources {
	struct nft_item *items;
	size_t n, cap;
};

static void sources_free(struct sources *s)
{
	free(s->items);
}

static int sources_add(struct sources *s, const struct nft_item *items, size_t n,
		       struct cni_error *err)
{
	for (size_t i = 0; i < n; i++) {
		if (items[i].kind != NFT_ITEM_SOURCE)
			continue;
		if (s->n == s->cap) {
			size_t cap = s->cap * 2 + 16;
			struct nft_item *bigger = reallocarray(s->items, cap, sizeof(*bigger));

			if (bigger == NULL)
				return cni_fail(err, CNI_INTERNAL, "out of memory");
			s->items = bigger;
			s->cap = cap;
		}
		s->items[s->n++] = items[i];
	}
	return 0;
}

/* Goes on past failures, reports the first. */
static int drop_sources(struct firewalld *fw, const struct nft_item *items, size_t n,
			struct cni_error *err)
{
	struct cni_error first = { 0 }, step;

	for (size_t i = 0; i < n; i++) {
		if (items[i].kind == NFT_ITEM_SOURCE &&
		    firewalld_remove(fw, items[i].zone, &items[i].pod.addr, &step) < 0)
			cni_keep_first(&first, &step);
	}
	*err = first;
	return first.code == CNI_OK ? 0 : -1;
}

/* A firewalld that does not run any more has no zone entries. */
static int forget_sources(const struct nft_item *items, size_t n, struct cni_error *err)
{
	scoped_firewalld struct firewalld *fw = NULL;
	bool any = false;

	for (size_t i = 0; i < n; i++)
		any |= items[i].kind == NFT_ITEM_SOURCE;
	if (!any)
		return 0;
	if (firewalld_find(&fw, err) < 0)
		return -1;
	return fw == NULL ? 0 : drop_sources(fw, items, n, err);
}

/* ---- after a reload of firewalld */

#define SEEN_FILE "firewalld" /* in the scratch folder: the handle of its table at the last ADD */

static int collect_living(const struct nft_recorded *r, void *arg, struct cni_error *err)
{
	return r->alive ? sources_add(arg, r->items, r->n, err) : 0;
}

static bool same_table(int run, const char *handle)
{
	struct cni_error ignored;
	char seen[32];

	return handle[0] != '0' &&
	       fs_read_at(run, SEEN_FILE, seen, sizeof(seen), NULL, &ignored) == 0 &&
	       strcmp(seen, handle) == 0;
}

static int restore_all(struct firewalld *fw, struct cni_error *err)
{
	SCOPED(sources_free) struct sources living = { 0 };
	struct cni_error step;

	if (nft_each_recorded(NFT_FIREWALL, collect_living, &living, err) < 0)
		return -1;
	trace("firewalld may have forgotten its sources: adding %zu", living.n);
	for (size_t i = 0; i < living.n; i++) {
		if (firewalld_add(fw, living.items[i].zone, &living.items[i].pod.addr, &step) < 0)
			trace("%s", step.msg);
	}
	return 0;
}

/*
 * firewalld with nftables (its default) makes a new table when it forgets what was not saved. With
 * its older backend there is none to compare, and every ADD asks for all. Not this pod's trouble if
 * it fails.
 */
static void restore_sources(struct firewalld *fw)
{
	struct cni_error err;
	scoped_fd int run = -1;
	uint64_t handle;
	char text[32];

	if (nft_table_handle("firewalld", &handle, &err) < 0 || fs_run_dir(false, &run, &err) < 0) {
		trace("%s", err.msg);
		return;
	}
	(void)text_format(text, sizeof(text), "%" PRIu64 "\n", handle);
	if (same_table(run, text))
		return;
	if (restore_all(fw, &err) < 0 ||
	    fs_write_at(run, SEEN_FILE, text, strlen(text), 0600, &err) < 0)
		trace("%s", err.msg);
}

/* ---- ADD */

static void undo_elements(void *owner, const void *unused)
{
	struct cni_error ignored;

	(void)unused;
	(void)nft_detach(NFT_FIREWALL, owner, NULL, NULL, &ignored);
}

static void undo_sources(void *plan, const void *unused)
{
	const struct firewall_plan *p = plan;
	struct cni_error ignored;

	(void)unused;
	(void)drop_sources(p->fw, p->items, p->n, &ignored);
}

static int add_sources(struct firewall_plan *p, struct cni_error *err)
{
	for (size_t i = 0; i < p->n; i++) {
		if (p->items[i].kind == NFT_ITEM_SOURCE &&
		    firewalld_add(p->fw, p->items[i].zone, &p->items[i].pod.addr, err) < 0)
			return -1;
	}
	restore_sources(p->fw);
	return 0;
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

	if (find_links(args, p, &links, err) < 0 ||
	    nft_attach(NFT_FIREWALL, &p->owner, links.names, p->items, p->n, err) < 0)
		return -1;
	undo_push(&undo, undo_elements, &p->owner, NULL);
	if (p->fw != NULL)
		undo_push(&undo, undo_sources, p, NULL);
	if (p->fw != NULL && add_sources(p, err) < 0)
		return -1;
	if (xtables_forward_ensure(&p->forward, err) < 0)
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
static int take_over(const struct cni_args *args, struct cni_error *err)
{
	scoped_free struct nft_item *sources = calloc(args->prev.n_ips + 1, sizeof(*sources));
	scoped_free struct ipnet *pods = calloc(args->prev.n_ips + 1, sizeof(*pods));
	struct cni_error ignored;

	if (sources == NULL || pods == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	for (size_t i = 0; i < args->prev.n_ips; i++) {
		pods[i] = args->prev.ips[i].address;
		sources[i] = (struct nft_item){ .kind = NFT_ITEM_SOURCE, .pod = pods[i] };
		(void)text_format(sources[i].zone, sizeof(sources[i].zone), "%s",
				  firewall_conf_zone(args));
	}
	/* As the reference: whether firewalld had them is not known. */
	if (firewall_conf_asks_firewalld(args) &&
	    forget_sources(sources, args->prev.n_ips, &ignored) < 0)
		trace("%s", ignored.msg);
	return xtables_release(pods, args->prev.n_ips, err);
}

int firewall_detach(const struct cni_args *args, struct cni_error *err)
{
	const struct owner owner = cni_owner(args);
	scoped_free struct nft_item *items = NULL;
	struct cni_error first = { 0 }, step;
	size_t n = 0;

	if (nft_recorded(NFT_FIREWALL, &owner, &items, &n, &step) < 0)
		trace("%s", step.msg); /* the comments of the elements will do */
	if (forget_sources(items, n, &step) < 0)
		cni_keep_first(&first, &step);
	else if (nft_detach(NFT_FIREWALL, &owner, NULL, NULL, &step) < 0)
		cni_keep_first(&first, &step);
	if (n == 0 && args->has_prev && take_over(args, &step) < 0)
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
	return sources_add(&doomed->sources, r->items, r->n, err);
}

int firewall_gc(const struct cni_args *args, struct cni_error *err)
{
	const struct nft_gc_call call = { .network = args->network,
					  .valid = cni_attachment_valid,
					  .arg = args };
	struct doomed doomed = { .args = args };
	int r = nft_each_recorded(NFT_FIREWALL, collect_doomed, &doomed, err);

	/* The records are what the next GC needs if firewalld gives no answer now. */
	if (r == 0)
		r = forget_sources(doomed.sources.items, doomed.sources.n, err);
	if (r == 0)
		r = nft_gc(NFT_FIREWALL, &call, err);
	sources_free(&doomed.sources);
	return r;
}
