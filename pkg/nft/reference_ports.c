/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Host ports of the reference's portmap: DEL and GC. The theory of operation is in reference.c. */
#include <string.h>

#include <linux/netfilter.h>

#include "net/hashname.h"
#include "nft/reference_parts.h"

#define MASQ	"CNI-HOSTPORT-MASQ"
#define SETMARK "CNI-HOSTPORT-SETMARK"

static const char *const own_chains[] = {
	"hostports", "hostip_hostports", "masquerading", "hostports_all", "prerouting", "output",
	NULL
};
#define OWN_PODS 3

static void chain_name(const char *network, const char *container, char buf[IPT_CHAIN_MAX])
{
	hashname("CNI-DN-", (const char *const[]){ network, container }, 2, IPT_CHAIN_MAX - 1, buf);
}

/* ---- iptables: DEL of one, or GC of a network */

struct ports {
	const struct nft_reference *of; /* DEL, */
	const struct nft_gc_call *call; /* or GC */
	struct ref_table *t;
	char chain[IPT_CHAIN_MAX]; /* DEL: the attachment's */
	size_t kept;		   /* rules of other pods in the shared chain */
};

/* What the chain that a rule leads to is called, if that is to go; else NULL. */
static const char *doomed(struct ports *p, const struct xtables_rule *r)
{
	char comment[XTABLES_COMMENT];
	const char *container;

	if (p->of != NULL)
		return strcmp(r->jump, p->chain) == 0 ? p->chain : NULL;
	memcpy(comment, r->comment, sizeof(comment));
	container = ref_comment_container(comment, REF_DNAT_COMMENT, p->call->network);
	if (container == NULL || p->call->valid(p->call->arg, container, NULL))
		return NULL;
	chain_name(p->call->network, container, p->chain);
	return strcmp(r->jump, p->chain) == 0 ? p->chain : NULL;
}

static int judge(const struct xtables_rule *r, void *arg)
{
	struct ports *p = arg;
	const char *chain = doomed(p, r);

	if (chain == NULL) {
		p->kept++;
		return 0;
	}
	return ref_drop_rule(p->t, r->chain, r->handle, false) < 0
		   ? -1
		   : ref_drop_chain(p->t, chain, false);
}

static int pick_top(const struct xtables_rule *r, void *arg)
{
	struct ports *p = arg;

	return strcmp(r->jump, REF_DNAT) == 0 || strcmp(r->jump, MASQ) == 0
		   ? ref_drop_rule(p->t, r->chain, r->handle, true)
		   : 0;
}

/* The jumps from iptables' chains, and the chains that all pods share. */
static int drop_top(struct ref_table *t, struct ports *p, struct cni_error *err)
{
	static const char *const from[] = { "PREROUTING", "OUTPUT", "POSTROUTING" };
	static const char *const shared[] = { REF_DNAT, MASQ, SETMARK };

	for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
		if (ref_each(t, from[i], pick_top, p, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < ARRAY_SIZE(shared); i++) {
		if (ref_has(t, shared[i]) && ref_drop_chain(t, shared[i], true) < 0)
			return cni_fail(err, CNI_INTERNAL, "out of memory");
	}
	return 0;
}

/* A chain without a jump, of a DEL or ADD of theirs that was killed: DEL finds it by its name. An
 * empty shared chain may be of an ADD of theirs that is under way: only GC takes it for a leftover.
 */
static int plan_nat(struct ref_table *t, void *arg, struct cni_error *err)
{
	struct ports *p = arg;
	bool top = ref_has(t, REF_DNAT);

	p->t = t;
	p->kept = 0;
	if (p->of != NULL && !ref_has(t, p->chain))
		return 0;
	if (ref_each(t, REF_DNAT, judge, p, err) < 0)
		return -1;
	if (p->of != NULL && ref_drop_chain(t, p->chain, false) < 0)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	return top && p->kept == 0 ? drop_top(t, p, err) : 0;
}

/* ---- the nftables backend */

/* Its comments are the bare container: another network's rules lead to another address. */
static bool is_pods(const struct xtables_rule *r, void *arg)
{
	const struct ports *p = arg;

	return strcmp(r->comment, p->of->owner.container) == 0 &&
	       ref_is_pod(p->of, r->has_target, &r->target) &&
	       ref_is_pod(p->of, r->has_to && !r->dnat, &r->to);
}

static int run_own(struct nft_tx *tx, bool four, struct ports *p, struct cni_error *err)
{
	const struct ref_own own = { four ? NFPROTO_IPV4 : NFPROTO_IPV6, REF_HOSTPORT, own_chains,
				     OWN_PODS };

	return ref_run_own(tx, &own, is_pods, p, err);
}

int nft_reference_release_ports(const struct nft_reference *of, struct cni_error *err)
{
	scoped_nft_tx struct nft_tx tx = { 0 };
	struct ports p = { .of = of };
	const struct ref_plan plan = { plan_nat, &p, false };
	struct cni_error first = { 0 }, step;
	struct ref_chain c[] = {
		{ NFPROTO_IPV6, REF_NAT, p.chain, false, 0 },
		{ NFPROTO_IPV4, REF_NAT, p.chain, false, 0 },
		{ NFPROTO_IPV6, REF_HOSTPORT, own_chains[0], false, 0 },
		{ NFPROTO_IPV4, REF_HOSTPORT, own_chains[0], false, 0 },
	};

	chain_name(of->owner.network, of->owner.container, p.chain);
	if (ref_open(&tx, err) < 0 || ref_look(&tx, c, ARRAY_SIZE(c), err) < 0)
		return -1;
	if (ref_run_nat(&tx, (const bool[2]){ c[0].there, c[1].there }, p.chain, &plan, &step) < 0)
		cni_keep_first(&first, &step);
	for (int four = 1; four >= 0; four--) {
		if (c[2 + four].there && run_own(&tx, four, &p, &step) < 0)
			cni_keep_first(&first, &step);
	}
	*err = first;
	return first.code == CNI_OK ? 0 : -1;
}

/* The nftables backend's comments name no network, so that nothing there can be called stale. */
int nft_reference_gc_ports(const struct nft_gc_call *call, struct cni_error *err)
{
	scoped_nft_tx struct nft_tx tx = { 0 };
	struct ports p = { .call = call };
	const struct ref_plan plan = { plan_nat, &p, false };
	struct ref_chain c[] = {
		{ NFPROTO_IPV6, REF_NAT, REF_DNAT, false, 0 },
		{ NFPROTO_IPV4, REF_NAT, REF_DNAT, false, 0 },
	};

	if (ref_open(&tx, err) < 0 || ref_look(&tx, c, ARRAY_SIZE(c), err) < 0)
		return -1;
	return ref_run_nat(&tx, (const bool[2]){ c[0].there, c[1].there }, REF_DNAT, &plan, err);
}
