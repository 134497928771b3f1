/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Masquerade of the reference's interface plugins, and their check for spoofed MACs. The theory of
 * operation is in reference.c. */
#include <string.h>

#include <linux/netfilter.h>

#include "base/text.h"
#include "net/hashname.h"
#include "nft/reference_parts.h"

#define POSTROUTING  "POSTROUTING"
#define MASQ_TABLE   "cni_plugins_masquerade"
#define MASQ_CHAIN   "masq_checks"
#define SPOOF_CHAIN  "PREROUTING"
#define CHAIN_LEN    (IPT_CHAIN_MAX - 1)
#define HASH_LEN     16
#define INSTANCE_MAX (2 * HASH_LEN + 2) /* "NETWORK-INSTANCE", as hashes */

static const char *const masq_chains[] = { MASQ_CHAIN, "postrouting", NULL };
static const struct ref_own masq_own = { NFPROTO_INET, MASQ_TABLE, masq_chains, 1 };

/* All interfaces of a container in a network share it. */
static void chain_name(const char *network, const char *container, char buf[IPT_CHAIN_MAX])
{
	hashname("CNI-", (const char *const[]){ network, container }, 2, CHAIN_LEN, buf);
}

static void network_hash(const char *network, char buf[HASH_LEN + 1])
{
	hashname("", &network, 1, HASH_LEN, buf);
}

static void instance_hash(const struct owner *o, char buf[INSTANCE_MAX])
{
	network_hash(o->network, buf);
	buf[HASH_LEN] = '-';
	hashname("", (const char *const[]){ o->ifname, ":", o->container }, 3, HASH_LEN,
		 buf + HASH_LEN + 1);
}

/* ---- DEL: iptables */

struct release {
	const struct nft_reference *of;
	struct ref_table *t;
	char chain[IPT_CHAIN_MAX];
	char instance[INSTANCE_MAX];
	bool kept; /* another interface of the container needs the chain */
};

static int pick_jump(const struct xtables_rule *r, void *arg)
{
	struct release *rel = arg;

	if (strcmp(r->jump, rel->chain) != 0)
		return 0;
	if (ref_is_pod(rel->of, r->has_from, &r->from))
		return ref_drop_rule(rel->t, r->chain, r->handle, false);
	rel->kept = true;
	return 0;
}

static int plan_release(struct ref_table *t, void *arg, struct cni_error *err)
{
	struct release *rel = arg;

	rel->t = t;
	rel->kept = false;
	if (!ref_has(t, rel->chain))
		return 0;
	if (ref_each(t, POSTROUTING, pick_jump, rel, err) < 0)
		return -1;
	if (!rel->kept && ref_drop_chain(t, rel->chain, false) < 0)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	return 0;
}

static bool is_instance(const struct xtables_rule *r, void *arg)
{
	const struct release *rel = arg;

	return strncmp(r->comment, rel->instance, INSTANCE_MAX - 1) == 0;
}

/* ---- DEL: MACs */

struct spoof {
	struct ref_table *t;
	char comment[REF_CHAIN], chain[REF_CHAIN], mac_chain[REF_CHAIN];
};

static bool spoof_names(const struct owner *o, struct spoof *s)
{
	return text_format(s->comment, REF_CHAIN, "macspoofchk-%s-%s", o->container, o->ifname) &&
	       text_format(s->chain, REF_CHAIN, "cni-br-iface-%s-%s", o->container, o->ifname) &&
	       text_format(s->mac_chain, REF_CHAIN, "%.*s-mac", REF_CHAIN - 5, s->chain);
}

static int pick_spoof(const struct xtables_rule *r, void *arg)
{
	struct spoof *s = arg;

	return strcmp(r->comment, s->comment) == 0
		   ? ref_drop_rule(s->t, SPOOF_CHAIN, r->handle, false)
		   : 0;
}

/* The table and its base chain may be libvirt's or ebtables', and stay, as with the reference. */
static int plan_spoof(struct ref_table *t, void *arg, struct cni_error *err)
{
	struct spoof *s = arg;

	s->t = t;
	if (ref_each(t, SPOOF_CHAIN, pick_spoof, s, err) < 0)
		return -1;
	if ((ref_has(t, s->chain) && ref_drop_chain(t, s->chain, false) < 0) ||
	    (ref_has(t, s->mac_chain) && ref_drop_chain(t, s->mac_chain, false) < 0))
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	return 0;
}

static int release_spoof(struct nft_tx *tx, struct spoof *s, struct cni_error *err)
{
	struct ref_table t = { .tx = tx, .family = NFPROTO_BRIDGE, .name = REF_NAT };

	return ref_run(&t, &(const struct ref_plan){ plan_spoof, s }, err);
}

/* ---- DEL */

int nft_reference_release_masq(const struct nft_reference *of, struct cni_error *err)
{
	scoped_nft_tx struct nft_tx tx = { 0 };
	struct release rel = { .of = of };
	const struct ref_plan plan = { plan_release, &rel, false };
	struct cni_error first = { 0 }, step;
	struct spoof spoof;
	struct ref_chain c[] = {
		{ NFPROTO_IPV4, REF_NAT, rel.chain, false, 0 },
		{ NFPROTO_IPV6, REF_NAT, rel.chain, false, 0 },
		{ NFPROTO_INET, MASQ_TABLE, MASQ_CHAIN, false, 0 },
		{ NFPROTO_BRIDGE, REF_NAT, spoof.chain, false, 0 },
	};
	size_t n = spoof_names(&of->owner, &spoof) ? ARRAY_SIZE(c) : ARRAY_SIZE(c) - 1;

	chain_name(of->owner.network, of->owner.container, rel.chain);
	instance_hash(&of->owner, rel.instance);
	if (ref_open(&tx, err) < 0 || ref_look(&tx, c, n, err) < 0)
		return -1;
	if (ref_run_nat(&tx, (const bool[2]){ c[1].there, c[0].there }, rel.chain, &plan, &step) <
	    0)
		cni_keep_first(&first, &step);
	if (c[2].there && ref_run_own(&tx, &masq_own, is_instance, &rel, &step) < 0)
		cni_keep_first(&first, &step);
	if (c[3].there && release_spoof(&tx, &spoof, &step) < 0)
		cni_keep_first(&first, &step);
	*err = first;
	return first.code == CNI_OK ? 0 : -1;
}

/* ---- GC */

struct gc {
	const struct nft_gc_call *call;
	struct ref_table *t;
	char network[HASH_LEN + 1];
};

/* Also a chain that no jump leads to any more: its own rules carry the comment, too. */
static int judge(const struct xtables_rule *r, void *arg)
{
	struct gc *gc = arg;
	char comment[XTABLES_COMMENT], chain[IPT_CHAIN_MAX];
	const char *container;

	memcpy(comment, r->comment, sizeof(comment));
	container = ref_comment_container(comment, "", gc->call->network);
	if (container == NULL || gc->call->valid(gc->call->arg, container, NULL))
		return 0;
	chain_name(gc->call->network, container, chain);
	if (strcmp(r->jump, chain) == 0 && ref_drop_rule(gc->t, r->chain, r->handle, false) < 0)
		return -1;
	return strcmp(r->jump, chain) == 0 || strcmp(r->chain, chain) == 0
		   ? ref_drop_chain(gc->t, chain, false)
		   : 0;
}

static int plan_gc(struct ref_table *t, void *arg, struct cni_error *err)
{
	struct gc *gc = arg;

	gc->t = t;
	return ref_each(t, NULL, judge, gc, err);
}

/* "H-H, net: NETWORK, if: IFNAME, id: CONTAINER", cut at 128 bytes: then the hash tells. */
static bool is_stale(const struct xtables_rule *r, void *arg)
{
	const struct gc *gc = arg;
	char text[XTABLES_COMMENT], instance[INSTANCE_MAX];
	struct owner o = { .network = gc->call->network };
	char *ifname, *container;

	memcpy(text, r->comment, sizeof(text));
	ifname = strstr(text, ", if: ");
	container = ifname == NULL ? NULL : strstr(ifname, ", id: ");
	if (strncmp(text, gc->network, HASH_LEN) != 0 || container == NULL)
		return false;
	*container = '\0';
	o.ifname = ifname + strlen(", if: ");
	o.container = container + strlen(", id: ");
	instance_hash(&o, instance);
	return strncmp(text, instance, INSTANCE_MAX - 1) == 0 &&
	       !gc->call->valid(gc->call->arg, o.container, o.ifname);
}

int nft_reference_gc_masq(const struct nft_gc_call *call, struct cni_error *err)
{
	scoped_nft_tx struct nft_tx tx = { 0 };
	struct gc gc = { .call = call };
	const struct ref_plan plan = { plan_gc, &gc, false };
	struct cni_error first = { 0 }, step;
	char text[XTABLES_COMMENT];
	struct ref_chain c[] = {
		{ NFPROTO_IPV4, REF_NAT, POSTROUTING, false, 0 },
		{ NFPROTO_IPV6, REF_NAT, POSTROUTING, false, 0 },
		{ NFPROTO_INET, MASQ_TABLE, MASQ_CHAIN, false, 0 },
	};

	network_hash(call->network, gc.network);
	(void)text_format(text, sizeof(text), "name: \"%s\" id: \"", call->network);
	if (ref_open(&tx, err) < 0 || ref_look(&tx, c, ARRAY_SIZE(c), err) < 0)
		return -1;
	if (ref_run_nat(&tx, (const bool[2]){ c[1].there, c[0].there }, text, &plan, &step) < 0)
		cni_keep_first(&first, &step);
	if (c[2].there && ref_run_own(&tx, &masq_own, is_stale, &gc, &step) < 0)
		cni_keep_first(&first, &step);
	*err = first;
	return first.code == CNI_OK ? 0 : -1;
}
