/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation.
 *
 * The table holds nothing that is anybody else's, and its configuration says all of it: so there is
 * no record, and repair is the same as making it. One look tells whether table, sets, chains and
 * rules are what they should be; if they are not, one transaction deletes the table and makes it
 * anew. Its new chains are hooked in before the old ones are taken out, and which of both a packet
 * meets is switched at once: none passes without rules. The price is the strangers' counters.
 * If all stands, only the elements are compared. Other senders are written as a difference, of
 * which the rules and their counters notice nothing; other prefixes make the table anew.
 *
 * Writers hold the lock of all our tables; the ruleset's generation, read with the look, guards
 * against hands that change things between look and transaction: then we look again.
 */
#include "nft/overlay.h"

#include <stdarg.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "base/text.h"
#include "nft/object.h"
#include "nft/overlay_parts.h"

static int refuse(const struct overlay_look *look, struct cni_error *err)
{
	if (look->unknown)
		return skeleton_refuse(&(struct skeleton){ .unknown = true }, err);
	if (look->foreign)
		return cni_fail(err, CNI_KERNEL,
				"the nftables table inet %s is not Podwire's: its comment is "
				"another one; rename or delete it",
				look->table);
	return 0;
}

/* ---- all anew */

static int put_elements(struct nft_tx *tx, const struct nft_overlay *o, const char *table,
			struct cni_error *err)
{
	for (enum overlay_set i = 0; i < OVERLAY_N_SETS; i++) {
		scoped_overlay_elems struct overlay_elems list = { 0 };

		if (overlay_elems_wanted(o, i, &list, err) < 0)
			return -1;
		overlay_elems_put(tx, NFT_MSG_NEWSETELEM, table, i, &list);
	}
	return 0;
}

static int replace(struct nft_tx *tx, const struct nft_overlay *o, const struct overlay_look *look,
		   bool dry, struct cni_error *err)
{
	nft_tx_begin(tx);
	if (look->there)
		object_delete_table(tx, NFPROTO_INET, look->table);
	if (!look->nothing) {
		overlay_put_all(tx, o, look->table);
		if (put_elements(tx, o, look->table, err) < 0)
			return -1;
	}
	return nft_tx_commit(tx, dry, err);
}

/* ---- differences of elements */

struct change {
	struct overlay_elems added, removed;
	bool strange;
};

static void change_free(struct change *change)
{
	overlay_elems_free(&change->added);
	overlay_elems_free(&change->removed);
}

static int compare_set(struct nft_tx *tx, const struct nft_overlay *o, const char *table,
		       enum overlay_set set, struct change *ret, struct cni_error *err)
{
	scoped_overlay_elems struct overlay_elems wanted = { 0 }, found = { 0 };

	if (overlay_elems_wanted(o, set, &wanted, err) < 0 ||
	    overlay_elems_read(tx, table, set, &found, err) < 0 ||
	    overlay_elems_minus(&wanted, &found, &ret->added, err) < 0 ||
	    overlay_elems_minus(&found, &wanted, &ret->removed, err) < 0)
		return -1;
	ret->strange = found.strange;
	return 0;
}

static bool same(const struct change *change)
{
	return change->added.n == 0 && change->removed.n == 0 && !change->strange;
}

static int change_sets(struct nft_tx *tx, const struct nft_overlay *o,
		       const struct overlay_look *look, struct change changes[OVERLAY_N_SETS],
		       bool *ret_changed, struct cni_error *err)
{
	bool differ = false, anew = false;

	for (enum overlay_set i = 0; i < OVERLAY_N_SETS; i++) {
		if (!overlay_has_set(o, i))
			continue;
		if (compare_set(tx, o, look->table, i, &changes[i], err) < 0)
			return -1;
		differ |= !same(&changes[i]);
		anew |= changes[i].strange;
		anew |= (i == NON_MASQ4 || i == NON_MASQ6) && !same(&changes[i]);
	}
	*ret_changed = differ;
	if (anew)
		return replace(tx, o, look, false, err);
	nft_tx_begin(tx);
	for (enum overlay_set i = 0; i < OVERLAY_N_SETS; i++) {
		overlay_elems_put(tx, NFT_MSG_NEWSETELEM, look->table, i, &changes[i].added);
		overlay_elems_put(tx, NFT_MSG_DELSETELEM, look->table, i, &changes[i].removed);
	}
	return nft_tx_commit(tx, false, err);
}

/* ---- apply */

/* One try. */
static int apply(struct nft_tx *tx, const struct nft_overlay *o, struct overlay_look *look,
		 bool *ret_changed, struct cni_error *err)
{
	struct change changes[OVERLAY_N_SETS] = { 0 };
	int r;

	*ret_changed = false;
	if (overlay_look(tx, NULL, look, err) < 0)
		return -1;
	if (look->nothing && !look->there)
		return 0; /* be it that somebody else has a table of this name */
	if (refuse(look, err) < 0)
		return -1;
	if (!overlay_sound(look)) {
		*ret_changed = true;
		return replace(tx, o, look, false, err);
	}
	r = change_sets(tx, o, look, changes, ret_changed, err);
	for (enum overlay_set i = 0; i < OVERLAY_N_SETS; i++)
		change_free(&changes[i]);
	return r;
}

int overlay_apply_in(struct nft_session *s, const struct nft_overlay *o, bool *ret_changed,
		     struct cni_error *err)
{
	scoped_overlay_look struct overlay_look look = { 0 };
	bool changed = false;
	int r;

	if (overlay_look_init(&s->tx, o, &look, err) < 0)
		return -1;
	do {
		r = apply(&s->tx, o, &look, &changed, err);
	} while (r < 0 && nft_tx_again(&s->tx, err));
	if (r == 0)
		*ret_changed = changed;
	return r;
}

int nft_overlay_apply(const struct nft_overlay *o, bool *ret_changed, struct cni_error *err)
{
	scoped_session struct nft_session s;

	if (session_open(&s, err) < 0)
		return -1;
	return overlay_apply_in(&s, o, ret_changed, err);
}

/* ---- remove */

/* A look without lock, as apply() looks. */
static int look_once(const struct nft_overlay *o, bool senders, struct nft_tx *tx,
		     struct overlay_look *ret, struct cni_error *err)
{
	int r;

	if (nft_tx_open(tx, err) < 0 || overlay_look_init(tx, o, ret, err) < 0)
		return -1;
	do {
		r = overlay_look(tx, senders ? o : NULL, ret, err);
	} while (r < 0 && nft_tx_again(tx, err));
	return r;
}

int nft_overlay_remove(const char *network, struct cni_error *err)
{
	const struct nft_overlay none = { .network = network };
	bool there, changed;
	{
		scoped_overlay_look struct overlay_look look = { 0 };
		scoped_nft_tx struct nft_tx tx = { 0 };

		if (look_once(&none, false, &tx, &look, err) < 0)
			return -1;
		there = look.there;
	}
	return there ? nft_overlay_apply(&none, &changed, err) : 0;
}

/* ---- questions */

int nft_overlay_probe(const struct nft_overlay *o, bool *ret_stands, struct cni_error *err)
{
	scoped_overlay_look struct overlay_look look = { 0 };
	scoped_nft_tx struct nft_tx tx = { 0 };

	if (look_once(o, true, &tx, &look, err) < 0)
		return -1;
	*ret_stands = overlay_sound(&look) && look.absent == 0;
	return 0;
}

/* Where the lines of a comparison go. */
struct lines {
	void (*line)(void *arg, const char *text);
	void *arg;
	const char *table;
};

static void say(const struct lines *to, const char *fmt, ...)
    __attribute__((__format__(__printf__, 2, 3)));

static void say(const struct lines *to, const char *fmt, ...)
{
	char buf[NFT_NAME + 160];
	struct text text;
	va_list ap;

	text_init(&text, buf, sizeof(buf));
	text_add(&text, "nftables table inet %s: ", to->table);
	va_start(ap, fmt);
	text_vadd(&text, fmt, ap);
	va_end(ap);
	to->line(to->arg, buf);
}

static void say_pieces(const struct lines *to, const struct overlay_look *look)
{
	for (size_t i = 0; i < look->n; i++) {
		if (!look->pieces[i].stands)
			say(to, "%s is missing or another one", look->pieces[i].what);
	}
	if (look->others != 0)
		say(to, "%zu rules that do not belong there", look->others);
}

static void say_elems(const struct lines *to, enum overlay_set set,
		      const struct overlay_elems *list, const char *what)
{
	bool senders = set == SENDERS4 || set == SENDERS6;

	for (size_t i = 0; i < list->n; i++) {
		struct ip ip = ip_from_bytes(list->e[i].key, overlay_set_is4(set) ? 4 : 16);
		char text[IP_TEXT];

		ip_print(&ip, text);
		say(to, "set %s: %s%s %s", overlay_set_name(set),
		    senders	     ? ""
		    : list->e[i].end ? "what ends before "
				     : "what begins at ",
		    text, what);
	}
}

static int say_sets(const struct lines *to, struct nft_tx *tx, const struct nft_overlay *o,
		    struct cni_error *err)
{
	for (enum overlay_set i = 0; i < OVERLAY_N_SETS; i++) {
		struct change change = { 0 };
		int r = 0;

		if (overlay_has_set(o, i))
			r = compare_set(tx, o, to->table, i, &change, err);
		if (r == 0) {
			say_elems(to, i, &change.added, "is missing");
			say_elems(to, i, &change.removed, "does not belong there");
			if (change.strange)
				say(to, "set %s: an element that is no address",
				    overlay_set_name(i));
		}
		change_free(&change);
		if (r < 0)
			return -1;
	}
	return 0;
}

int nft_overlay_differ(const struct nft_overlay *o, void (*line)(void *arg, const char *text),
		       void *arg, struct nft_overlay_strangers *ret, struct cni_error *err)
{
	scoped_overlay_look struct overlay_look look = { 0 };
	scoped_nft_tx struct nft_tx tx = { 0 };
	struct lines to = { line, arg, look.table };

	if (look_once(o, false, &tx, &look, err) < 0)
		return -1;
	if (look.foreign)
		say(&to, "is not Podwire's");
	else if (look.nothing ? look.there : !look.there)
		say(&to, look.there ? "is not wanted" : "is missing");
	else if (look.there) {
		say_pieces(&to, &look);
		if (say_sets(&to, &tx, o, err) < 0)
			return -1;
	}
	if (ret != NULL)
		*ret = look.strangers;
	return 0;
}

int nft_overlay_status(const struct nft_overlay *o, struct cni_error *err)
{
	scoped_overlay_look struct overlay_look look = { 0 };
	scoped_nft_tx struct nft_tx tx = { 0 };
	int r = look_once(o, false, &tx, &look, err);

	if (r == 0 && !look.nothing)
		r = refuse(&look, err);
	if (r == 0 && !look.nothing && !overlay_sound(&look)) {
		tx.has_genid = false;
		r = replace(&tx, o, &look, true, err);
	}
	if (r < 0)
		err->code = CNI_NOT_AVAILABLE;
	return r;
}
