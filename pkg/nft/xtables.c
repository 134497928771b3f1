/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation: two rules in a table of others.
 *
 * ADD reads chain FORWARD of iptables-nft's table filter, usually finds both rules and is done.
 * Else it takes the lock of our own writers, looks again, and sends what is missing in one
 * transaction that carries the ruleset's generation: whoever else changed anything meanwhile,
 * iptables-nft included, makes the kernel refuse it, and we look again. So the rules are there
 * once, however many ADDs come at the same time.
 *
 * They go to the top of FORWARD: first the jump to the administrator's chain, so that what stands
 * there is asked before anything is accepted, then the rule that accepts the mark. They are
 * recognised by what they do, not by comments, which iptables-save and other programs may write
 * differently, and written in the form that iptables-nft itself reads: counter before the verdict,
 * mark as a match of xtables (a kernel without that one: in nftables' own expressions). Never a
 * native ct or fib in a table of iptables, which could not be listed any more (kernel.md).
 *
 * What was asked for on this node is remembered (xtables_wants.c), so that any ADD puts back all of
 * it. Neither DEL nor GC removes the rules, as the reference leaves its chains: they accept nothing
 * as long as nobody sets the mark. A crash leaves a whole transaction, or none.
 */
#include "nft/xtables.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "base/text.h"
#include "nft/expr.h"
#include "nft/session.h"
#include "nft/xtables_parts.h"
#include "nft/xtables_read.h"

#define FILTER	"filter"
#define FORWARD "FORWARD"

static const struct nft_origin filter_table = { "table filter of iptables", NULL, NFT_NO_ITEM, 0 };
static const struct nft_origin filter_chain = { "chain of iptables' table filter", NULL,
						NFT_NO_ITEM, 0 };
static const struct nft_origin mark_rule = { "rule in iptables' FORWARD", "xt_mark", NFT_NO_ITEM,
					     0 };
static const struct nft_origin jump_rule = { "jump in iptables' FORWARD", NULL, NFT_NO_ITEM, 0 };

struct forward {
	const struct xtables_want *want;
	bool there;    /* the chain FORWARD exists */
	bool accepts;  /* the mark's rule stands */
	bool jumps;    /* the jump stands before it */
	uint64_t jump; /* its handle */
	bool native;   /* this kernel has no match "mark" */
};

static uint16_t family_of(const struct forward *f)
{
	return f->want->four ? NFPROTO_IPV4 : NFPROTO_IPV6;
}

static const char *program_of(bool four)
{
	return four ? "iptables" : "ip6tables";
}

/* ---- looking */

static int take_chain(const struct nlmsghdr *nlh, const struct nft_origin *origin, void *arg)
{
	(void)nlh;
	(void)origin;
	*(bool *)arg = true;
	return 0;
}

static int look_at_chain(struct nft_tx *tx, struct forward *f, struct cni_error *err)
{
	struct nlmsghdr *nlh;

	f->there = false;
	nft_tx_ask(tx);
	nft_tx_ask_generation(tx);
	nlh = nft_tx_msg(tx, NFT_MSG_GETCHAIN, family_of(f), 0, &filter_chain);
	if (nlh != NULL) {
		mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, FILTER);
		mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, FORWARD);
		nft_tx_end(tx, nlh);
	}
	return nft_tx_query(tx, take_chain, &f->there, err);
}

static void judge_rule(struct forward *f, const struct xtables_rule *r)
{
	const uint32_t bit = UINT32_C(1) << f->want->mark_bit;
	const bool everything = !r->other && !r->has_from && !r->has_to && !r->answers;

	if (everything && r->has_mark && r->mark == bit && r->mask == bit && r->accepts)
		f->accepts = true;
	if (everything && !r->has_mark && !f->accepts && strcmp(r->jump, f->want->admin) == 0) {
		f->jumps = true;
		f->jump = r->handle;
	}
}

static int look_once(struct nft_tx *tx, struct forward *f, struct cni_error *err)
{
	scoped_free struct xtables_rule *rules = NULL;
	size_t n = 0;

	f->accepts = f->jumps = false;
	if (look_at_chain(tx, f, err) < 0)
		return -1;
	if (!f->there)
		return 0;
	if (xtables_rules(tx, f->want->four, FORWARD, &rules, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		judge_rule(f, &rules[i]);
	return 0;
}

static int look(struct nft_tx *tx, struct forward *f, struct cni_error *err)
{
	int r;

	do {
		r = look_once(tx, f, err);
	} while (r < 0 && err->sys == EINTR && !nft_tx_expired(tx));
	return r;
}

/* ---- putting */

/* A base chain as iptables-nft makes it, or (`base` false) one of its user's. */
static void put_filter_chain(struct nft_tx *tx, const struct forward *f, const char *name,
			     bool base)
{
	struct nlmsghdr *nlh =
	    nft_tx_msg(tx, NFT_MSG_NEWCHAIN, family_of(f), NLM_F_CREATE, &filter_chain);
	struct nlattr *hook;

	if (nlh == NULL)
		return;
	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, FILTER);
	mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, name);
	if (base) {
		hook = mnl_attr_nest_start(nlh, NFTA_CHAIN_HOOK);
		mnl_attr_put_u32(nlh, NFTA_HOOK_HOOKNUM, htonl(NF_INET_FORWARD));
		mnl_attr_put_u32(nlh, NFTA_HOOK_PRIORITY, 0);
		mnl_attr_nest_end(nlh, hook);
		mnl_attr_put_u32(nlh, NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
		mnl_attr_put_strz(nlh, NFTA_CHAIN_TYPE, "filter");
	}
	nft_tx_end(tx, nlh);
}

static void put_filter_table(struct nft_tx *tx, const struct forward *f)
{
	struct nlmsghdr *nlh =
	    nft_tx_msg(tx, NFT_MSG_NEWTABLE, family_of(f), NLM_F_CREATE, &filter_table);

	if (nlh == NULL)
		return;
	mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, FILTER);
	nft_tx_end(tx, nlh);
	put_filter_chain(tx, f, FORWARD, true);
}

static void put_accept(struct nft_tx *tx, const struct forward *f)
{
	const uint32_t bit = UINT32_C(1) << f->want->mark_bit;
	struct nft_rule rule;

	rule_begin(&rule, tx, family_of(f), FILTER, FORWARD);
	if (f->native) {
		rule_meta(&rule, NFT_META_MARK, REG_1);
		rule_mask(&rule, &bit, sizeof(bit));
		rule_cmp_u32(&rule, NFT_CMP_EQ, bit);
	} else {
		rule_match_mark(&rule, bit);
	}
	rule_counter(&rule);
	rule_verdict(&rule, NF_ACCEPT, NULL);
	rule_comment(&rule, XTABLES_MARK_COMMENT);
	rule_insert(&rule, &mark_rule, f->jumps ? f->jump : 0);
}

static void put_jump(struct nft_tx *tx, const struct forward *f)
{
	struct nft_rule rule;

	put_filter_chain(tx, f, f->want->admin, false);
	rule_begin(&rule, tx, family_of(f), FILTER, FORWARD);
	rule_counter(&rule);
	rule_verdict(&rule, NFT_JUMP, f->want->admin);
	rule_comment(&rule, XTABLES_ADMIN_COMMENT);
	rule_insert(&rule, &jump_rule, 0);
}

static int put_missing(struct nft_tx *tx, const struct forward *f, struct cni_error *err)
{
	nft_tx_begin(tx);
	if (!f->there)
		put_filter_table(tx, f);
	if (!f->accepts)
		put_accept(tx, f);
	if (!f->jumps)
		put_jump(tx, f);
	return nft_tx_commit(tx, false, err);
}

static bool lacks_match(struct nft_tx *tx, const struct forward *f, const struct cni_error *err)
{
	if (err->sys != ENOENT || f->native)
		return false;
	for (size_t i = 0; i < tx->n; i++) {
		if (tx->origins[i].error == ENOENT && tx->origins[i].what == mark_rule.what)
			return true;
	}
	return false;
}

static int put_locked(struct forward *f, bool *ret_put, struct cni_error *err)
{
	scoped_session struct nft_session s = { .run = -1, .lock = -1 };

	if (session_open(&s, err) < 0)
		return -1;
	for (;;) {
		if (look(&s.tx, f, err) < 0)
			return -1;
		if (f->accepts && f->jumps)
			return 0;
		if (put_missing(&s.tx, f, err) == 0) {
			*ret_put = true;
			return 0;
		}
		if (lacks_match(&s.tx, f, err))
			f->native = true;
		else if (err->sys == ERESTART && nft_tx_expired(&s.tx))
			return cni_fail(err, CNI_TRY_AGAIN,
					"the nftables ruleset changed under every try for %d s",
					NFT_TX_SECONDS);
		else if (!nft_tx_again(&s.tx, err))
			return cni_wrap(err, "let pods forward in %s' chain FORWARD",
					program_of(f->want->four));
	}
}

/* ---- one want */

static int ensure_one(struct nft_tx *tx, const struct xtables_want *want, bool *ret_put,
		      struct cni_error *err)
{
	struct forward f = { .want = want };
	const bool legacy = !want->own_only && xtables_legacy_used(want->four, FILTER);
	enum xtables_kind kind;

	if (look(tx, &f, err) < 0)
		return -1;
	if (legacy && xtables_legacy_ensure(want, err) < 0)
		return -1;
	if (f.there)
		return f.accepts && f.jumps ? 0 : put_locked(&f, ret_put, err);
	if (want->own_only || legacy)
		return 0;
	kind = xtables_installed(want->four);
	if (kind == XTABLES_LEGACY)
		return xtables_legacy_ensure(want, err);
	return kind == XTABLES_NFT ? put_locked(&f, ret_put, err) : 0;
}

int xtables_forward_ensure(const struct xtables_forward *asked, bool *ret_put,
			   struct cni_error *err)
{
	scoped_nft_tx struct nft_tx tx = { 0 };
	struct xtables_wants wants;
	const bool news = xtables_wants(asked, &wants);
	bool unasked;

	if (nft_tx_open(&tx, err) < 0)
		return -1;
	for (size_t i = 0; i < wants.n; i++) {
		if (ensure_one(&tx, &wants.w[i], ret_put != NULL ? ret_put : &unasked, err) < 0)
			return -1;
	}
	return news ? xtables_wants_keep(asked, err) : 0;
}

static int check_one(struct nft_tx *tx, const struct xtables_want *want, struct cni_error *err)
{
	struct forward f = { .want = want };

	if (look(tx, &f, err) < 0)
		return -1;
	if (f.there && !f.accepts)
		return cni_fail(err, CNI_CHECK_FAILED,
				"expected rule not found: %s' chain FORWARD does not accept mark "
				"0x%x; the next ADD of a pod brings it back",
				program_of(want->four), 1U << want->mark_bit);
	if (f.there && !f.jumps)
		return cni_fail(err, CNI_CHECK_FAILED,
				"expected rule not found: %s' chain FORWARD does not jump to %s "
				"before it accepts pods' packets; the next ADD of a pod brings it "
				"back",
				program_of(want->four), want->admin);
	if (!want->own_only && xtables_legacy_used(want->four, FILTER))
		return xtables_legacy_check(want, err);
	return 0;
}

int xtables_forward_check(const struct xtables_forward *asked, struct cni_error *err)
{
	scoped_nft_tx struct nft_tx tx = { 0 };
	struct xtables_want want = { .mark_bit = asked->mark_bit, .own_only = asked->own_only };

	(void)text_format(want.admin, sizeof(want.admin), "%s", asked->admin);
	if (nft_tx_open(&tx, err) < 0)
		return -1;
	for (int four = 1; four >= 0; four--) {
		want.four = four;
		if ((four ? asked->four : asked->six) && check_one(&tx, &want, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- the reference's rules */

/* Its two rules are: from the pod, anything; to the pod, answers. */
static bool is_for(const struct xtables_rule *r, const struct ip *pod)
{
	if (r->other || r->has_mark || !r->accepts || r->has_from == r->has_to ||
	    r->answers != r->has_to)
		return false;
	return ip_equal(r->has_from ? &r->from : &r->to, pod);
}

static void put_delete(struct nft_tx *tx, bool four, uint64_t handle)
{
	const struct nft_origin origin = { "rule of chain " XTABLES_GO_CHAIN, NULL, NFT_NO_ITEM,
					   0 };
	struct nlmsghdr *nlh =
	    nft_tx_msg(tx, NFT_MSG_DELRULE, four ? NFPROTO_IPV4 : NFPROTO_IPV6, 0, &origin);

	if (nlh == NULL)
		return;
	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, FILTER);
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, XTABLES_GO_CHAIN);
	mnl_attr_put_u64(nlh, NFTA_RULE_HANDLE, htobe64(handle));
	nft_tx_end(tx, nlh);
}

/* Of the rules for `pod`, all there are: the reference makes each once, but races double them. */
static int release_once(struct nft_tx *tx, const struct ip *pod, struct cni_error *err)
{
	scoped_free struct xtables_rule *rules = NULL;
	const bool four = ip_is4(pod);
	size_t n = 0;

	nft_tx_ask(tx);
	nft_tx_ask_generation(tx);
	if (nft_tx_query(tx, NULL, NULL, err) < 0 ||
	    xtables_rules(tx, four, XTABLES_GO_CHAIN, &rules, &n, err) < 0)
		return -1;
	nft_tx_begin(tx);
	for (size_t i = 0; i < n; i++) {
		if (is_for(&rules[i], pod))
			put_delete(tx, four, rules[i].handle);
	}
	return nft_tx_commit(tx, false, err);
}

static int release_pod(struct nft_tx *tx, const struct ipnet *pod, struct cni_error *err)
{
	int r;

	do {
		r = release_once(tx, &pod->addr, err);
	} while (r < 0 && (nft_tx_again(tx, err) || (err->sys == ENOENT && !nft_tx_expired(tx))));
	if (r < 0 || !xtables_legacy_used(ip_is4(&pod->addr), FILTER))
		return r;
	return xtables_legacy_release(pod, err);
}

int xtables_release(const struct ipnet *pods, size_t n, struct cni_error *err)
{
	scoped_nft_tx struct nft_tx tx = { 0 };
	struct cni_error first = { 0 }, step;

	if (n == 0)
		return 0;
	if (nft_tx_open(&tx, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (release_pod(&tx, &pods[i], &step) < 0)
			cni_keep_first(&first, &step);
	}
	*err = first;
	return first.code == CNI_OK ? 0 : -1;
}
