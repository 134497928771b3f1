/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation.
 *
 * One look tells whether the table is there and whether anybody flushed it. If all is well, that is
 * all. Else one transaction makes the skeleton and fills it with what the records say that living
 * owners had: after `nft flush ruleset` the first ADD brings back every pod's rules, O(n) once. It
 * is one transaction, so that a crash cannot leave a sound but empty table which nobody would fill.
 * The other family's table is looked at as well then, and the conditions' rules are put by nft in
 * transactions of their own: from before the first until after the last of them a file says that
 * this is under way, so that the next writer finishes what a killed one began.
 * A table of an older layout is deleted by that transaction, too.
 * Records may contradict each other (a program killed between writing one and committing): whoever
 * comes second gives way and is left out.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/netfilter.h>

#include "base/scoped.h"
#include "base/text.h"
#include "base/trace.h"
#include "nft/conditions_run.h"
#include "nft/session.h"

struct replay {
	struct nft_elem elem;
	char owner[OWNER_TEXT];
	bool skip;
};

struct build {
	struct nft_session *s;
	struct skeleton found;
	uint64_t except;
	struct replay *elems;
	size_t n, cap;
	struct chain_found *chains; /* that exist */
	size_t n_chains;
};

static void build_free(struct build *b)
{
	free(b->elems);
	free(b->chains);
}

static int add_replay(struct build *b, const struct nft_elem *e, const char *owner)
{
	if (b->n == b->cap) {
		size_t cap = b->cap * 2 + 64;
		struct replay *bigger = realloc(b->elems, cap * sizeof(*bigger));

		if (bigger == NULL)
			return -1;
		b->elems = bigger;
		b->cap = cap;
	}
	b->elems[b->n] = (struct replay){ .elem = *e };
	memcpy(b->elems[b->n++].owner, owner, OWNER_TEXT);
	return 0;
}

static int read_record(const struct nft_record *r, void *arg, struct cni_error *err)
{
	struct build *b = arg;
	char owner[OWNER_TEXT] = "";
	struct elems list = { 0 };
	int failed = 0;
	uint64_t hash;

	if (r == NULL) {
		trace("%s", err->msg); /* a damaged record must not keep all others out */
		return 0;
	}
	hash = owner_hash(&r->owner);
	if (hash == b->except || !record_alive(r, hash))
		return 0;
	owner_text(&r->owner, owner);
	elems_add_items(&list, r->items, r->n);
	for (size_t i = 0; i < list.n && failed == 0; i++)
		failed = add_replay(b, &list.e[i], owner);
	if (failed != 0 || list.broken)
		failed = cni_fail_sys_code(err, CNI_INTERNAL, ENOMEM, "read the attachments");
	elems_free(&list);
	return failed;
}

static int read_records(struct build *b, struct cni_error *err)
{
	for (int i = 0; i < NFT_N_USERS; i++) {
		enum nft_user user = (enum nft_user)i;
		size_t before = b->n;

		if (skeleton_family(user) != b->found.family)
			continue;
		if (record_each(b->s->run, user, read_record, b, err) < 0)
			return -1;
		b->found.firewall |= user == NFT_FIREWALL && b->n > before;
	}
	return 0;
}

/* What survived in its map needs no adding. */
static int skip_present(struct build *b, struct cni_error *err)
{
	scoped_free const struct nft_elem **wanted = calloc(b->n + 1, sizeof(*wanted));
	scoped_free struct elem_found *found = calloc(b->n + 1, sizeof(*found));

	if (wanted == NULL || found == NULL)
		return cni_fail_sys_code(err, CNI_INTERNAL, ENOMEM, "look up nftables elements");
	for (size_t i = 0; i < b->n; i++)
		wanted[i] = &b->elems[i].elem;
	if (elem_get(&b->s->tx, wanted, b->n, found, err) < 0)
		return -1;
	for (size_t i = 0; i < b->n; i++)
		b->elems[i].skip = found[i].elem.set[0] != '\0';
	return 0;
}

static bool chain_there(const struct build *b, const char *name)
{
	for (size_t i = 0; i < b->n_chains; i++) {
		if (strcmp(b->chains[i].name, name) == 0)
			return true;
	}
	return false;
}

/* Chains that exist get their rules again; missing ones are made once, then they "exist". */
static void put_chain_once(struct build *b, const char *name)
{
	struct chain_found *bigger;

	if (name[0] == '\0' || chain_there(b, name))
		return;
	skeleton_put_chain(&b->s->tx, name, false);
	bigger = realloc(b->chains, (b->n_chains + 1) * sizeof(*bigger));
	if (bigger == NULL) {
		b->s->tx.broken = true;
		return;
	}
	b->chains = bigger;
	memcpy(b->chains[b->n_chains++].name, name, NFT_NAME);
}

static void put_conditions_once(struct build *b, const char *set)
{
	const char *hash = strchr(set, '-');
	char name[NFT_NAME];

	if (strncmp(set, "host", 4) != 0 || hash == NULL)
		return;
	(void)text_format(name, sizeof(name), "hostports%s", hash);
	if (chain_there(b, name))
		return;
	skeleton_put_conditions(&b->s->tx, hash + 1);
	put_chain_once(b, name); /* is none of a subnet: only remembered */
}

/* Where only the firewall's part is wrong, the chains of the others stay as they are. */
static void put_again(struct build *b, const char *chain)
{
	static const char conditions[] = "hostports-";
	uint8_t bit;
	bool mark = chain_parse_mark(chain, &bit);

	if (mark ? !b->found.firewall : b->found.base_sound)
		return;
	if (strncmp(chain, conditions, strlen(conditions)) == 0)
		skeleton_put_conditions(&b->s->tx, chain + strlen(conditions));
	else
		skeleton_put_chain(&b->s->tx, chain, true);
}

static void put_everything(struct build *b)
{
	size_t existing = b->n_chains;

	nft_tx_begin(&b->s->tx);
	skeleton_put(&b->s->tx, &b->found);
	for (size_t i = 0; i < existing; i++)
		put_again(b, b->chains[i].name);
	for (size_t i = 0; i < b->n; i++) {
		const struct replay *r = &b->elems[i];

		if (r->skip)
			continue;
		put_chain_once(b, r->elem.chain);
		put_conditions_once(b, r->elem.set);
		elem_put_add(&b->s->tx, &r->elem, r->owner, i);
	}
	b->n_chains = existing;
}

/* Of two records that want the same key the second gives way. */
static bool drop_losers(struct build *b)
{
	bool dropped = false;

	for (size_t i = 0; i < b->s->tx.n; i++) {
		const struct nft_origin *o = &b->s->tx.origins[i];

		if (o->error == EEXIST && o->item < b->n) {
			b->elems[o->item].skip = true;
			dropped = true;
		}
	}
	return dropped;
}

/* `if_needed`: nothing is made if nobody alive has anything there. */
static int build_once(struct nft_session *s, const struct skeleton *found, uint64_t except,
		      bool if_needed, struct cni_error *err)
{
	SCOPED(build_free) struct build b = { .s = s, .found = *found, .except = except };

	if (read_records(&b, err) < 0)
		return -1;
	if (if_needed && b.n == 0)
		return 0;
	if (found->there && !skeleton_is_older(found) &&
	    (skeleton_chains(&s->tx, found->family, &b.chains, &b.n_chains, err) < 0 ||
	     skip_present(&b, err) < 0))
		return -1;
	trace("nftables table podwire is %s: putting %zu elements",
	      !found->there	  ? "missing"
	      : found->base_sound ? "without forward"
				  : "damaged",
	      b.n);
	do {
		put_everything(&b);
		if (nft_tx_commit(&s->tx, false, err) == 0)
			return 0;
	} while (err->sys == EEXIST && drop_losers(&b));
	return -1;
}

/* `nft flush ruleset` takes both tables: who notices it for one sees to the other, if anybody
 * alive had something there. */
static void build_other(struct nft_session *s, uint16_t family)
{
	enum nft_user other = family == NFPROTO_INET ? NFT_SPOOF : NFT_MASQ;
	struct skeleton found;
	struct cni_error err;

	if (skeleton_look(&s->tx, other, NULL, 0, &found, &err) < 0 ||
	    skeleton_refuse(&found, &err) < 0 ||
	    (!found.sound && build_once(s, &found, 0, true, &err) < 0))
		trace("%s", err.msg);
	if (other == NFT_MASQ)
		conditions_restore(s);
}

/* What follows the transaction that made a table. */
static void finish(struct nft_session *s, uint16_t family)
{
	if (family == NFPROTO_INET)
		conditions_restore(s);
	build_other(s, family);
	(void)unlinkat(s->run, SESSION_UNDER_WAY, 0);
}

static int begin(struct nft_session *s, struct cni_error *err)
{
	scoped_fd int fd = openat(s->run, SESSION_UNDER_WAY, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return cni_fail_sys_code(err, CNI_IO, errno, "create the file " SESSION_UNDER_WAY);
	return 0;
}

/* A large rebuild must not use up the time of what it was made for. */
static void restart_once(struct nft_session *s)
{
	if (!s->rebuilt)
		nft_tx_restart(&s->tx);
	s->rebuilt = true;
}

/* The table is there but not sound, or not there. */
static int make_sound(struct nft_session *s, const struct skeleton *found, uint64_t except,
		      bool built, struct cni_error *err)
{
	if (skeleton_refuse(found, err) < 0)
		return -1;
	if (built && nft_tx_expired(&s->tx))
		return cni_fail(err, CNI_KERNEL,
				"the nftables table " NFT_TABLE
				" does not stay as it was built: who flushes it?");
	if ((!found->base_sound && begin(s, err) < 0) ||
	    build_once(s, found, except, false, err) < 0)
		return -1;
	if (!built && !found->base_sound)
		finish(s, found->family);
	restart_once(s);
	return 0;
}

int session_build(struct nft_session *s, enum nft_user user, uint64_t except,
		  struct subnet_chain *chains, size_t n, struct cni_error *err)
{
	struct skeleton found;
	bool built = false;

	if (faccessat(s->run, SESSION_UNDER_WAY, F_OK, 0) == 0)
		finish(s, skeleton_family(user));
	for (;;) {
		int r = skeleton_look(&s->tx, user, chains, n, &found, err);

		if (r == 0 && found.sound)
			return 0;
		if (r == 0)
			r = make_sound(s, &found, except, built, err);
		if (r < 0 && !skeleton_again(&s->tx, err))
			return -1;
		built = built || r == 0;
	}
}
