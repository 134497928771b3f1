/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation: what the reference's plugins left behind.
 *
 * Nothing of ours is here: these functions only take away, and only what carries a name, a hash or
 * a comment that the reference derives from (network, container, interface). First one send asks
 * for the chains by name; on a node without them that is all, so that DEL stays flat. Where there
 * is one, the rules of the chains that all of their pods share are read, those of the attachment
 * are noted, and one transaction takes them away together with the attachment's own chains. It
 * carries the generation of the ruleset that was read: whoever changed anything meanwhile (a plugin
 * of theirs, kube-proxy) makes the kernel refuse it, and we look again. A crash leaves all or
 * nothing of one table; the next DEL or GC finds the others.
 *
 * What the pods share (jumps from iptables' own chains, the table of the nftables backend) goes
 * with the last of them, in the same transaction. The kernel says when somebody else uses a shared
 * chain: then the shared part stays.
 *
 * A table of legacy xtables can only be read and written as a whole. The kernel hands it out, and
 * only if a name of theirs is in it the program iptables is run: once to list it, once to change
 * it, again in one transaction, and under a lock of ours, since it knows no generation.
 */
#include "nft/reference.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "base/fs.h"
#include "base/grow.h"
#include "base/text.h"
#include "base/trace.h"
#include "nft/reference_parts.h"
#include "nft/rules.h"
#include "nft/session.h"
#include "nft/xtables_text.h"

#define LEGACY_TRIES 3

struct ref_op {
	char chain[REF_CHAIN]; /* "": the table */
	uint64_t handle;       /* of a rule; 0: the chain */
	bool top;
};

/* ---- one look */

int ref_open(struct nft_tx *tx, struct cni_error *err)
{
	if (nft_tx_open(tx, err) == 0 || err->sys == EPROTONOSUPPORT)
		return 0;
	if (err->sys != EACCES && err->sys != EPERM)
		return -1;
	trace("what the reference left cannot be looked for: %s", err->msg);
	nft_tx_close(tx);
	return 0;
}

static int take_answer(const struct nlmsghdr *nlh, const struct nft_origin *origin, void *arg)
{
	struct ref_chain *c = (struct ref_chain *)arg + origin->item;
	const struct nlattr *attr;

	c->there = true;
	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg)) {
		if (c->chain == NULL && mnl_attr_get_type(attr) == NFTA_TABLE_USE &&
		    mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			c->use = ntohl(mnl_attr_get_u32(attr));
	}
	return 0;
}

int ref_look(struct nft_tx *tx, struct ref_chain *chains, size_t n, struct cni_error *err)
{
	for (size_t i = 0; i < n; i++)
		chains[i].there = false;
	if (tx->sk == NULL)
		return 0;
	nft_tx_ask(tx);
	nft_tx_ask_generation(tx);
	for (size_t i = 0; i < n; i++) {
		const struct nft_origin origin = { .what = "chain of the reference", .item = i };
		const bool table = chains[i].chain == NULL;
		struct nlmsghdr *nlh = nft_tx_msg(tx, table ? NFT_MSG_GETTABLE : NFT_MSG_GETCHAIN,
						  chains[i].family, 0, &origin);

		if (nlh == NULL)
			break;
		mnl_attr_put_strz(nlh, table ? NFTA_TABLE_NAME : NFTA_CHAIN_TABLE, chains[i].table);
		if (!table)
			mnl_attr_put_strz(nlh, NFTA_CHAIN_NAME, chains[i].chain);
		nft_tx_end(tx, nlh);
	}
	return nft_tx_query(tx, take_answer, chains, err);
}

static bool in_listing(const struct ref_table *t, const char *chain)
{
	char line[REF_CHAIN + 4];

	(void)text_format(line, sizeof(line), "-N %s", chain);
	for (const char *p = t->listing; *p != '\0'; p += strlen(p) + 1) {
		if (strcmp(p, line) == 0)
			return true;
	}
	return false;
}

bool ref_has(struct ref_table *t, const char *chain)
{
	struct ref_chain c = { .family = t->family, .table = t->name, .chain = chain };
	const struct nft_tx *tx = t->tx;
	bool has_genid = tx->has_genid;
	uint32_t genid = tx->genid;

	if (t->legacy)
		return in_listing(t, chain);
	if (t->doubt.code == CNI_OK && ref_look(t->tx, &c, 1, &t->doubt) < 0)
		c.there = false;
	t->tx->has_genid = has_genid; /* what was read before counts */
	t->tx->genid = genid;
	return c.there;
}

/* ---- rules */

struct walk {
	const struct ref_table *t;
	int (*each)(const struct xtables_rule *r, void *arg);
	void *arg;
};

static int take_rule(const struct nftnl_rule *rule, void *arg)
{
	const struct walk *w = arg;
	struct xtables_rule r;

	xtables_rule_read(rule, w->t->family == NFPROTO_IPV4, &r);
	return w->each(&r, w->arg);
}

static int each_line(const struct ref_table *t, const char *chain,
		     int (*each)(const struct xtables_rule *r, void *arg), void *arg,
		     struct cni_error *err)
{
	struct xtables_rule r;

	for (const char *line = t->listing; *line != '\0'; line += strlen(line) + 1) {
		if (!xtables_line_read(line, t->family == NFPROTO_IPV4, &r) ||
		    (chain != NULL && strcmp(r.chain, chain) != 0))
			continue;
		r.handle = (uint64_t)(line - t->listing) + 1;
		if (each(&r, arg) < 0)
			return cni_fail(err, CNI_INTERNAL, "out of memory");
	}
	return 0;
}

int ref_each(struct ref_table *t, const char *chain,
	     int (*each)(const struct xtables_rule *r, void *arg), void *arg, struct cni_error *err)
{
	const struct rules_of of = { .family = t->family, .table = t->name, .chain = chain };
	struct walk walk = { .t = t, .each = each, .arg = arg };

	if (t->legacy)
		return each_line(t, chain, each, arg, err);
	return rules_each(t->tx, &of, take_rule, &walk, err);
}

/* ---- what is to go */

static int drop(struct ref_table *t, const struct ref_op *op)
{
	struct cni_error err;

	if (grow(&t->ops, t->n, &t->cap, sizeof(*t->ops), &err) < 0)
		return -1;
	t->ops[t->n++] = *op;
	return 0;
}

int ref_drop_rule(struct ref_table *t, const char *chain, uint64_t handle, bool top)
{
	struct ref_op op = { .handle = handle, .top = top };

	(void)text_format(op.chain, sizeof(op.chain), "%s", chain);
	return drop(t, &op);
}

int ref_drop_chain(struct ref_table *t, const char *chain, bool top)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->ops[i].handle == 0 && strcmp(t->ops[i].chain, chain) == 0)
			return 0;
	}
	return ref_drop_rule(t, chain, 0, top);
}

int ref_drop_table(struct ref_table *t)
{
	return ref_drop_rule(t, "", 0, false);
}

static void put_delete(const struct ref_table *t, uint16_t type, const struct ref_op *op)
{
	static const struct nft_origin origin = { "what the reference left", NULL, NFT_NO_ITEM, 0 };
	struct nlmsghdr *nlh = nft_tx_msg(t->tx, type, t->family, 0, &origin);

	if (nlh == NULL)
		return;
	if (type == NFT_MSG_DELTABLE) {
		mnl_attr_put_strz(nlh, NFTA_TABLE_NAME, t->name);
	} else {
		bool rule = type == NFT_MSG_DELRULE;

		mnl_attr_put_strz(nlh, rule ? NFTA_RULE_TABLE : NFTA_CHAIN_TABLE, t->name);
		mnl_attr_put_strz(nlh, rule ? NFTA_RULE_CHAIN : NFTA_CHAIN_NAME, op->chain);
	}
	if (type == NFT_MSG_DELRULE && op->handle != 0)
		mnl_attr_put_u64(nlh, NFTA_RULE_HANDLE, htobe64(op->handle));
	nft_tx_end(t->tx, nlh);
}

/* Rules first, then all of a chain's, then the chains: by then nothing of theirs leads there. */
static int commit_nft(const struct ref_table *t, struct cni_error *err)
{
	nft_tx_begin(t->tx);
	for (int pass = 0; pass < 3; pass++) {
		for (size_t i = 0; i < t->n; i++) {
			const struct ref_op *op = &t->ops[i];
			bool stays = op->top && t->keep_top;

			if (op->chain[0] == '\0' && pass == 2)
				put_delete(t, NFT_MSG_DELTABLE, op);
			else if (op->chain[0] != '\0' && !stays && (op->handle != 0) == (pass == 0))
				put_delete(t, pass == 2 ? NFT_MSG_DELCHAIN : NFT_MSG_DELRULE, op);
		}
	}
	return nft_tx_commit(t->tx, false, err);
}

/* The chain that leads to their pods is emptied rule by rule: a pod of theirs that came since the
 * table was listed then makes the whole batch fail, since its rule is still there. */
static void add_legacy(const struct ref_table *t, struct text *batch)
{
	for (int pass = 0; pass < 3; pass++) {
		for (size_t i = 0; i < t->n; i++) {
			const struct ref_op *op = &t->ops[i];

			if ((op->top && t->keep_top) || (op->handle != 0) != (pass == 0) ||
			    (pass == 1 && strcmp(op->chain, REF_DNAT) == 0))
				continue;
			if (op->handle != 0)
				text_add(batch, "-D%s\n", t->listing + op->handle - 1 + 2);
			else
				text_add(batch, "-%c %s\n", pass == 1 ? 'F' : 'X', op->chain);
		}
	}
}

static int commit_legacy(const struct ref_table *t, struct cni_error *err)
{
	size_t cap = sizeof("*nat\nCOMMIT\n");
	scoped_free char *buf = NULL;
	struct text batch;

	for (size_t i = 0; i < t->n; i++)
		cap += t->ops[i].handle == 0 ? 2 * sizeof(t->ops[i].chain)
					     : strlen(t->listing + t->ops[i].handle - 1) + 1;
	buf = malloc(cap);
	if (buf == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	text_init(&batch, buf, cap);
	text_add(&batch, "*%s\n", t->name);
	add_legacy(t, &batch);
	text_add(&batch, "COMMIT\n");
	return ref_legacy_restore(t, buf, err);
}

/* ---- a transaction */

static int run_once(struct ref_table *t, const struct ref_plan *plan, struct cni_error *err)
{
	t->n = 0;
	t->doubt = (struct cni_error){ 0 };
	if (t->legacy ? ref_legacy_list(t, err) < 0 : ref_look(t->tx, NULL, 0, err) < 0)
		return -1;
	if (plan->make(t, plan->arg, err) < 0)
		return -1;
	if (t->doubt.code != CNI_OK) {
		*err = t->doubt;
		return -1;
	}
	if (t->n == 0)
		return 0;
	return t->legacy ? commit_legacy(t, err) : commit_nft(t, err);
}

/* iptables-restore only says that it failed. */
static bool again(struct ref_table *t, int tries, const struct cni_error *err)
{
	if (err->sys == EBUSY && !t->keep_top) {
		t->keep_top = true;
		return true;
	}
	if (t->legacy)
		return err->sys == EBUSY && tries < LEGACY_TRIES;
	return nft_tx_again(t->tx, err) || (err->sys == ENOENT && !nft_tx_expired(t->tx));
}

/*
 * Legacy tables have no generation: who sees another pod of theirs must not have it deleted beside
 * him. nf_tables have one, and it is enough; but many writers who only go by it starve, so there
 * the lock is for speed.
 */
static int lock(const struct ref_table *t, int *ret_lock, struct cni_error *err)
{
	scoped_fd int run = -1;

	if (fs_run_dir(true, &run, err) < 0)
		return -1;
	return t->legacy ? fs_lock_at(run, "legacy.lock", ret_lock, err)
			 : session_lock(run, ret_lock, err);
}

int ref_run(struct ref_table *t, const struct ref_plan *plan, struct cni_error *err)
{
	scoped_fd int held = -1;
	int r, tries = 0;

	if (!plan->reads && lock(t, &held, err) < 0 && t->legacy)
		return -1;
	nft_tx_restart(t->tx);
	do {
		r = run_once(t, plan, err);
	} while (r < 0 && again(t, ++tries, err));
	free(t->ops);
	free(t->listing);
	t->ops = NULL;
	t->listing = NULL;
	t->n = t->cap = 0;
	return r;
}

int ref_run_nat(struct nft_tx *tx, const bool there[2], const char *text,
		const struct ref_plan *plan, struct cni_error *err)
{
	struct cni_error first = { 0 }, step;

	for (int four = 1; four >= 0; four--) {
		struct ref_table t = { .tx = tx,
				       .family = four ? NFPROTO_IPV4 : NFPROTO_IPV6,
				       .name = REF_NAT };

		if (there[four] && ref_run(&t, plan, &step) < 0)
			cni_keep_first(&first, &step);
		t.legacy = ref_legacy_has(four, text);
		t.keep_top = false;
		if (!t.legacy || ref_run(&t, plan, &step) == 0)
			continue;
		if (step.sys == ENOENT) /* no program: whoever made the rules took it away */
			trace("%s", step.msg);
		else
			cni_keep_first(&first, &step);
	}
	*err = first;
	return first.code == CNI_OK ? 0 : -1;
}

/* ---- tables of their own */

struct own {
	const struct ref_own *of;
	bool (*doomed)(const struct xtables_rule *r, void *arg);
	void *arg;
	struct ref_table *t;
	size_t kept;
};

static int judge_own(const struct xtables_rule *r, void *arg)
{
	struct own *own = arg;

	if (own->doomed(r, own->arg))
		return ref_drop_rule(own->t, r->chain, r->handle, false);
	own->kept++;
	return 0;
}

#define OWN_CHAINS 8

static int plan_own(struct ref_table *t, void *arg, struct cni_error *err)
{
	struct own *own = arg;
	struct ref_chain c[OWN_CHAINS] = { { .family = t->family, .table = t->name } };
	size_t n = 1, there = 0;

	own->t = t;
	own->kept = 0;
	for (; n < OWN_CHAINS && own->of->chains[n - 1] != NULL; n++)
		c[n] = (struct ref_chain){ t->family, t->name, own->of->chains[n - 1], false, 0 };
	if (ref_look(t->tx, c, n, err) < 0)
		return -1;
	for (size_t i = 1; i < n; i++) {
		there += c[i].there;
		if (c[i].there && i <= own->of->n_pods &&
		    ref_each(t, c[i].chain, judge_own, own, err) < 0)
			return -1;
	}
	if (!c[0].there || own->kept != 0 || c[0].use != there)
		return 0; /* gone, or in use by other pods, or by somebody else */
	t->n = 0;
	return ref_drop_table(t) < 0 ? cni_fail(err, CNI_INTERNAL, "out of memory") : 0;
}

int ref_run_own(struct nft_tx *tx, const struct ref_own *own,
		bool (*doomed)(const struct xtables_rule *r, void *arg), void *arg,
		struct cni_error *err)
{
	struct ref_table t = { .tx = tx, .family = own->family, .name = own->name };
	struct own walk = { .of = own, .doomed = doomed, .arg = arg };
	const struct ref_plan plan = { plan_own, &walk, false };

	return ref_run(&t, &plan, err);
}

/* ---- small things */

char *ref_comment_container(char *comment, const char *prefix, const char *network)
{
	char begin[XTABLES_COMMENT], *container, *end;

	if (!text_format(begin, sizeof(begin), "%sname: \"%s\" id: \"", prefix, network) ||
	    strncmp(comment, begin, strlen(begin)) != 0)
		return NULL;
	container = comment + strlen(begin);
	end = strchr(container, '"');
	if (end == NULL || end[1] != '\0')
		return NULL;
	*end = '\0';
	return container;
}

bool ref_is_pod(const struct nft_reference *of, bool has, const struct ip *address)
{
	for (size_t i = 0; has && i < of->n; i++) {
		if (ip_equal(&of->pods[i].addr, address))
			return true;
	}
	return !has || of->n == 0;
}
