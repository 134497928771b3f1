/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation.
 *
 * ADD. Under the lock: (1) the record of what we are about to have is written (together with what
 * an earlier ADD of the same owner had, until that is gone); (2) one look at the table, which is
 * built or repaired if it is not sound; (3) one transaction: missing chains of subnets, elements
 * that must go, and our elements, each created exclusively. A key that is taken comes back as
 * EEXIST, and only then do we ask whose it is: ours (a repeated ADD) is replaced in the same
 * transaction; that of an owner whose links are all gone is taken over, together with everything
 * else that owner had; a living one's is an error that names it. The comment is the only authority
 * about whose an element is.
 *
 * A crash before (3) leaves a record without elements, which DEL finds and removes; after (3)
 * everything is in the record. Between sends the ruleset is what the last whole transaction made.
 * If anything fails, whatever carries our comment goes, then the record: nothing of this owner is
 * left.
 *
 * DEL. The record names the keys; without one the comments of all elements are looked at. Each
 * element is compared with the owner before it is deleted, inside a transaction that fails if
 * the ruleset has changed since. The record goes last, so that a crash can be finished by the next
 * DEL.
 */
#include "nft/attach.h"

#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>

#include "base/fs.h"
#include "base/text.h"
#include "base/trace.h"
#include "nft/session.h"

/* The deadline comes first, but for a hand that races with ours for ever. */
#define TRIES_MAX 10000

/* How long a conflict waits for the other's links to go, at most: 300 ms. */
#define DYING_LOOKS   20
#define DYING_LOOK_MS 15

struct claim {
	struct nft_elem elem;
	size_t item;  /* index into the wanted items */
	bool replace; /* an element with this key goes in the same transaction */
	bool shared;  /* another attachment has it, which is no conflict: left to that one */
};

/* What one ADD wants, and what it found out about others. */
struct plan {
	struct nft_session *s;
	enum nft_user user;
	const struct nft_record *want;
	uint64_t hash;
	char owner[OWNER_TEXT];
	struct claim *claims;
	size_t n;
	struct subnet_chain *chains;
	size_t n_chains;
	struct elems drops; /* of our earlier ADD, and of dead owners */
	uint64_t *dead;	    /* owners taken over: their records go, too */
	size_t n_dead;
	unsigned tries;
	bool stuck; /* the last round failed without a reason that we understand */
};

static void plan_free(struct plan *p)
{
	free(p->claims);
	free(p->chains);
	free(p->dead);
	elems_free(&p->drops);
}

/* Numbers of a transaction's messages: which claim or drop, and in which role. */
enum role { ROLE_ADD, ROLE_REPLACE, ROLE_DROP, N_ROLES };

static size_t item_number(size_t i, enum role role)
{
	return i * N_ROLES + role;
}

static void add_chain(struct plan *p, const char *name)
{
	if (skeleton_chain_use(name) == 0)
		return;
	for (size_t i = 0; i < p->n_chains; i++) {
		if (strcmp(p->chains[i].name, name) == 0)
			return;
	}
	memcpy(p->chains[p->n_chains++].name, name, NFT_NAME);
}

static int plan_fill(struct plan *p, struct cni_error *err)
{
	const struct nft_record *want = p->want;
	struct nft_elem elems[NFT_ITEM_ELEMS];

	p->claims = calloc(want->n * NFT_ITEM_ELEMS + 1, sizeof(*p->claims));
	p->chains = calloc(want->n + 1, sizeof(*p->chains));
	if (p->claims == NULL || p->chains == NULL)
		return cni_fail_sys_code(err, CNI_INTERNAL, ENOMEM, "plan %zu nftables elements",
					 want->n);
	for (size_t i = 0; i < want->n; i++) {
		size_t count = item_elems(&want->items[i], elems);

		for (size_t k = 0; k < count; k++) {
			p->claims[p->n++] = (struct claim){ .elem = elems[k], .item = i };
			add_chain(p, elems[k].chain);
		}
	}
	return 0;
}

static bool claimed(const struct plan *p, const struct nft_elem *e)
{
	for (size_t i = 0; i < p->n; i++) {
		if (elem_same_place(&p->claims[i].elem, e))
			return true;
	}
	return false;
}

/* Of what `owner` had by its record, all that is still there and that nobody claims now. */
static int add_drops(struct plan *p, const char *owner, const struct nft_record *had,
		     struct cni_error *err)
{
	scoped_elems struct elems list = { 0 };
	scoped_free const struct nft_elem **wanted = NULL;
	scoped_free struct elem_found *found = NULL;

	elems_add_items(&list, had->items, had->n);
	wanted = calloc(list.n + 1, sizeof(*wanted));
	found = calloc(list.n + 1, sizeof(*found));
	if (list.broken || wanted == NULL || found == NULL)
		return cni_fail_sys_code(err, CNI_INTERNAL, ENOMEM, "look up nftables elements");
	for (size_t i = 0; i < list.n; i++)
		wanted[i] = &list.e[i];
	if (elem_get(&p->s->tx, wanted, list.n, found, err) < 0)
		return -1;
	for (size_t i = 0; i < list.n; i++) {
		if (found[i].elem.set[0] != '\0' && strcmp(found[i].owner, owner) == 0 &&
		    !claimed(p, &list.e[i]))
			elems_add(&p->drops, &list.e[i]);
	}
	return 0;
}

/* ---- keys that are taken */

/* Whose it is, in words. */
static int raise_conflict(const struct plan *p, const struct claim *c, const char *owner,
			  bool recorded, struct cni_error *err)
{
	char what[ITEM_TEXT], copy[OWNER_TEXT];
	struct owner o;

	item_text(&p->want->items[c->item], what);
	memcpy(copy, owner, sizeof(copy));
	if (owner[0] == '\0')
		return cni_fail(err, CNI_CONFLICT,
				"%s is taken by an element of map %s that names no owner; delete "
				"that element",
				what, c->elem.set);
	if (!owner_text_split(copy, &o))
		return cni_fail(err, CNI_CONFLICT, "%s is taken by \"%s\"", what, owner);
	return cni_fail(err, CNI_CONFLICT,
			"%s is taken by container %s (network %s, interface %s)%s", what,
			o.container, o.network, o.ifname,
			recorded ? ""
				 : ", of which nothing else is known; run DEL or GC for it if it "
				   "is gone");
}

static int add_dead(struct plan *p, uint64_t hash, struct cni_error *err)
{
	uint64_t *bigger = realloc(p->dead, (p->n_dead + 1) * sizeof(*bigger));

	if (bigger == NULL)
		return cni_fail_sys_code(err, CNI_INTERNAL, ENOMEM, "take over a dead owner");
	p->dead = bigger;
	p->dead[p->n_dead++] = hash;
	return 0;
}

static bool known_dead(const struct plan *p, uint64_t hash)
{
	for (size_t i = 0; i < p->n_dead; i++) {
		if (p->dead[i] == hash)
			return true;
	}
	return false;
}

/*
 * Right after a pod's network namespace was deleted the kernel needs some tens of milliseconds to
 * take the links away; who cannot tell a dying owner from a living one looks again for a while.
 */
static bool dies_soon(const struct nft_record *r, uint64_t hash)
{
	if (r->text == NULL || r->n_links == 0)
		return false; /* nothing is known that could go */
	for (int i = 0; i < DYING_LOOKS; i++) {
		(void)poll(NULL, 0, DYING_LOOK_MS);
		if (!record_alive(r, hash))
			return true;
	}
	return false;
}

/*
 * A container that has the port already through another network needs no second way to itself
 * (podman hands the same mappings to every network of a container), as long as that network lives.
 * And an address that may be forwarded may be forwarded, whichever of two pods has it (two macvlan
 * networks with equal addresses, say).
 */
static int settle_other(struct plan *p, struct claim *c, const char *owner, struct cni_error *err)
{
	scoped_record struct nft_record r = { 0 };
	bool alive;
	uint64_t hash;

	if (!owner_text_hash(owner, &hash))
		return raise_conflict(p, c, owner, true, err);
	if (known_dead(p, hash)) {
		c->replace = true;
		return 0;
	}
	alive = record_owner_alive(p->s->run, p->user, hash, &r);
	c->shared = alive && p->user == NFT_PORTMAP &&
		    owner_text_is_container(owner, p->want->owner.container);
	if (c->shared)
		return 0;
	alive = alive && !dies_soon(&r, hash);
	c->shared = alive && p->user == NFT_FIREWALL;
	if (c->shared)
		return 0;
	if (alive)
		return raise_conflict(p, c, owner, r.text != NULL, err);
	c->replace = true;
	if (add_dead(p, hash, err) < 0)
		return -1;
	return r.text != NULL ? add_drops(p, owner, &r, err) : 0;
}

/* Ask whose the taken keys are. */
static int settle(struct plan *p, struct cni_error *err)
{
	scoped_free const struct nft_elem **wanted = calloc(p->n + 1, sizeof(*wanted));
	scoped_free struct elem_found *found = calloc(p->n + 1, sizeof(*found));
	scoped_free size_t *taken = calloc(p->n + 1, sizeof(*taken));
	size_t n = 0;
	bool news = false;

	if (wanted == NULL || found == NULL || taken == NULL)
		return cni_fail_sys_code(err, CNI_INTERNAL, ENOMEM, "look up nftables elements");
	for (size_t i = 0; i < p->s->tx.n; i++) {
		const struct nft_origin *o = &p->s->tx.origins[i];

		if (o->error == EEXIST && o->item != NFT_NO_ITEM && n < p->n) {
			taken[n] = o->item / N_ROLES;
			wanted[n] = &p->claims[taken[n]].elem;
			n++;
		}
	}
	if (elem_get(&p->s->tx, wanted, n, found, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct claim *c = &p->claims[taken[i]];

		if (found[i].elem.set[0] == '\0' || c->replace || c->shared)
			continue; /* just gone; or somebody is faster than we, again and again */
		news = true;
		c->replace = strcmp(found[i].owner, p->owner) == 0;
		if (!c->replace && settle_other(p, c, found[i].owner, err) < 0)
			return -1;
	}
	if (!news && p->stuck)
		return cni_fail(err, CNI_INTERNAL, "the same nftables element was asked for twice");
	p->stuck = !news;
	return 0;
}

/* What was to be deleted is gone already. */
static void forget_absent(struct plan *p)
{
	struct elems *drops = &p->drops;
	size_t kept = 0;

	for (size_t i = 0; i < p->s->tx.n; i++) {
		const struct nft_origin *o = &p->s->tx.origins[i];

		if (o->error != ENOENT || o->item == NFT_NO_ITEM)
			continue;
		if (o->item % N_ROLES == ROLE_REPLACE)
			p->claims[o->item / N_ROLES].replace = false;
		if (o->item % N_ROLES == ROLE_DROP)
			drops->e[o->item / N_ROLES].set[0] = '\0';
	}
	for (size_t i = 0; i < drops->n; i++) {
		if (drops->e[i].set[0] != '\0')
			drops->e[kept++] = drops->e[i];
	}
	drops->n = kept;
}

/* ---- the transaction */

static void put_plan(struct plan *p)
{
	struct nft_tx *tx = &p->s->tx;

	nft_tx_begin(tx);
	for (size_t i = 0; i < p->n_chains; i++) {
		if (!p->chains[i].there)
			skeleton_put_chain(tx, p->chains[i].name, false);
	}
	for (size_t i = 0; i < p->drops.n; i++)
		elem_put_delete(tx, &p->drops.e[i], item_number(i, ROLE_DROP));
	for (size_t i = 0; i < p->n; i++) {
		const struct claim *c = &p->claims[i];

		if (c->shared)
			continue;
		if (c->replace)
			elem_put_delete(tx, &c->elem, item_number(i, ROLE_REPLACE));
		elem_put_add(tx, &c->elem, p->owner, item_number(i, ROLE_ADD));
	}
}

/* After a failed commit: 0 if another try makes sense. */
static int learn(struct plan *p, struct cni_error *err)
{
	if (++p->tries == TRIES_MAX)
		return -1;
	switch (err->sys) {
	case ERESTART:
		if (nft_tx_expired(&p->s->tx))
			return cni_fail(err, CNI_TRY_AGAIN,
					"the nftables ruleset changed under every try for %d s",
					NFT_TX_SECONDS);
		return 0;
	case EAGAIN:
	case EINTR:
		return nft_tx_again(&p->s->tx, err) ? 0 : -1;
	case EEXIST:
		return settle(p, err);
	case ENOENT:
		if (p->stuck)
			return -1;
		p->stuck = true;
		forget_absent(p);
		return 0;
	default:
		return -1;
	}
}

static int claim_all(struct plan *p, struct cni_error *err)
{
	for (;;) {
		if (session_build(p->s, p->user, p->hash, p->chains, p->n_chains, err) < 0)
			return -1;
		put_plan(p);
		if (p->drops.broken)
			return cni_fail_sys_code(err, CNI_INTERNAL, ENOMEM, "plan the deletions");
		if (nft_tx_commit(&p->s->tx, false, err) == 0)
			return 0;
		if (learn(p, err) < 0)
			return -1;
	}
}

/* ---- records */

static int write_union(const struct plan *p, const struct nft_record *old, struct cni_error *err)
{
	struct nft_record both = *p->want;
	scoped_free struct nft_item *items = calloc(both.n + old->n + 1, sizeof(*items));

	if (items == NULL)
		return cni_fail_sys_code(err, CNI_INTERNAL, ENOMEM, "write down an attachment");
	if (both.n != 0)
		memcpy(items, both.items, both.n * sizeof(*items));
	both.items = items;
	for (size_t i = 0; i < old->n && both.n < NFT_ITEMS_MAX; i++)
		items[both.n++] = old->items[i];
	return record_write(p->s->run, p->user, &both, err);
}

/* Whatever carries our comment goes, then the record. */
static void back_out(struct plan *p, const struct nft_record *old)
{
	scoped_elems struct elems list = { 0 };
	struct cni_error ignored;

	for (size_t i = 0; i < p->n; i++)
		elems_add(&list, &p->claims[i].elem);
	elems_add_items(&list, old->items, old->n);
	p->s->tx.broken = false;
	if (session_release(p->s, p->user, p->owner, &list, &ignored) == 0)
		(void)record_remove(p->s->run, p->user, p->hash, &ignored);
}

/* Of a record that also says what is elsewhere (firewalld's zones) the dead one's DEL, or GC, has
 * to know. */
static bool says_more(const struct plan *p, uint64_t hash)
{
	scoped_record struct nft_record r = { 0 };
	struct cni_error ignored;
	bool more = false;

	if (record_read(p->s->run, p->user, hash, &r, &ignored) < 0)
		return false;
	for (size_t i = 0; i < r.n; i++)
		more |= r.items[i].kind == NFT_ITEM_SOURCE;
	return more;
}

static void bury_dead(const struct plan *p)
{
	struct cni_error ignored;

	for (size_t i = 0; i < p->n_dead; i++) {
		if (p->user != NFT_FIREWALL || !says_more(p, p->dead[i]))
			(void)record_remove(p->s->run, p->user, p->dead[i], &ignored);
	}
}

static int attach_after(struct plan *p, const struct nft_record *old, struct cni_error *err)
{
	if (write_union(p, old, err) < 0)
		return -1;
	if (add_drops(p, p->owner, old, err) < 0 || claim_all(p, err) < 0) {
		back_out(p, old);
		return -1;
	}
	bury_dead(p);
	return old->n == 0 ? 0 : record_write(p->s->run, p->user, p->want, err);
}

/* The record of an earlier ADD cannot be read: the comments tell what it had. */
static int release_by_comment(struct plan *p, struct cni_error *err)
{
	scoped_elems struct elems list = { 0 };

	trace("%s", err->msg);
	if (session_find_owned(&p->s->tx, p->user, p->owner, &list, err) < 0)
		return -1;
	return session_release(p->s, p->user, p->owner, &list, err);
}

int session_attach(struct nft_session *s, enum nft_user user, const struct nft_record *want,
		   struct cni_error *err)
{
	scoped_record struct nft_record old = { 0 };
	SCOPED(plan_free)
	struct plan p = {
		.s = s,
		.user = user,
		.want = want,
		.hash = owner_hash(&want->owner),
	};

	owner_text(&want->owner, p.owner);
	if (plan_fill(&p, err) < 0)
		return -1;
	if (record_read(s->run, user, p.hash, &old, err) < 0 && err->sys != ENOENT &&
	    (err->code != CNI_DECODE || release_by_comment(&p, err) < 0))
		return -1;
	if (old.text != NULL && !owner_equal(&old.owner, &want->owner))
		return cni_fail(err, CNI_CONFLICT,
				"the record of container %s (network %s) has the same 64-bit hash",
				old.owner.container, old.owner.network);
	return attach_after(&p, &old, err);
}

int nft_attach(enum nft_user user, const struct owner *owner, const char *const *links,
	       const struct nft_item *items, size_t n, struct cni_error *err)
{
	scoped_session struct nft_session s = { .run = -1, .lock = -1 };
	struct nft_record want = { .owner = *owner, .n = n };
	scoped_free char(*names)[IFNAME_MAX] = NULL;
	scoped_free uint32_t *indexes = NULL;

	while (links[want.n_links] != NULL)
		want.n_links++;
	if (n > NFT_ITEMS_MAX || want.n_links > RECORD_LINKS_MAX)
		return cni_fail(err, CNI_INVALID_CONFIG,
				"%zu nftables elements for one attachment; at most %d are possible",
				n, NFT_ITEMS_MAX);
	names = calloc(want.n_links + 1, sizeof(*names));
	indexes = calloc(want.n_links + 1, sizeof(*indexes));
	if (names == NULL || indexes == NULL)
		return cni_fail_sys_code(err, CNI_INTERNAL, ENOMEM, "attach to nftables");
	for (size_t i = 0; i < want.n_links; i++) {
		(void)text_format(names[i], IFNAME_MAX, "%s", links[i]);
		indexes[i] = if_nametoindex(links[i]);
	}
	want.links = names;
	want.indexes = indexes;
	want.items = (struct nft_item *)(uintptr_t)items; /* a record to write is only read */
	if (session_open(&s, err) < 0)
		return -1;
	return session_attach(&s, user, &want, err);
}
