/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which rules belong into FORWARD on this node: one short line for each family, bit and
 * administrator's chain that some ADD asked for, in the file `forward` of the scratch folder. So
 * any ADD can put back what an `iptables -F` took from all, and not only what its own pod needs. A
 * lost file is written again by the ADDs that come.
 */
#include <string.h>

#include "base/fs.h"
#include "base/num.h"
#include "base/text.h"
#include "nft/session.h"
#include "nft/xtables_parts.h"

#define WANTS_FILE "forward"
#define WANTS_TEXT 4096

/* Does who sees to `a` see to `b`? */
static bool covers(const struct xtables_want *a, const struct xtables_want *b)
{
	return a->four == b->four && a->mark_bit == b->mark_bit && (!a->own_only || b->own_only) &&
	       strcmp(a->admin, b->admin) == 0;
}

static bool add(struct xtables_wants *list, const struct xtables_want *want)
{
	for (size_t i = 0; i < list->n; i++) {
		if (covers(&list->w[i], want))
			return false;
	}
	if (list->n == XTABLES_WANTS_MAX)
		return false;
	list->w[list->n++] = *want;
	return true;
}

/* "4 12 any CNI-ADMIN"; false for anything else. */
static bool parse(char *line, struct xtables_want *ret)
{
	char *bit = strchr(line, ' ');
	char *kind = bit == NULL ? NULL : strchr(bit + 1, ' ');
	char *admin = kind == NULL ? NULL : strchr(kind + 1, ' ');
	uint64_t number;

	if (admin == NULL)
		return false;
	*bit++ = *kind++ = *admin++ = '\0';
	*ret = (struct xtables_want){ .four = strcmp(line, "4") == 0,
				      .own_only = strcmp(kind, "own") == 0 };
	if ((!ret->four && strcmp(line, "6") != 0) || !num_parse(bit, 31, &number) ||
	    (!ret->own_only && strcmp(kind, "any") != 0) || !ipt_chain_valid(admin))
		return false;
	ret->mark_bit = (uint8_t)number;
	return text_format(ret->admin, sizeof(ret->admin), "%s", admin);
}

static void read_file(int run, struct xtables_wants *list)
{
	struct cni_error ignored;
	struct xtables_want want;
	char text[WANTS_TEXT];

	if (fs_read_at(run, WANTS_FILE, text, sizeof(text), NULL, &ignored) < 0)
		return;
	for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = '\0';
		if (parse(line, &want))
			(void)add(list, &want);
	}
}

static bool add_asked(struct xtables_wants *list, const struct xtables_forward *asked)
{
	struct xtables_want want = { .mark_bit = asked->mark_bit, .own_only = asked->own_only };
	bool news = false;

	(void)text_format(want.admin, sizeof(want.admin), "%s", asked->admin);
	for (int four = 1; four >= 0; four--) {
		want.four = four;
		if (four ? asked->four : asked->six)
			news |= add(list, &want);
	}
	return news;
}

bool xtables_wants(const struct xtables_forward *asked, struct xtables_wants *ret)
{
	struct cni_error ignored;
	scoped_fd int run = -1;

	*ret = (struct xtables_wants){ .n = 0 };
	if (fs_run_dir(false, &run, &ignored) == 0)
		read_file(run, ret);
	return add_asked(ret, asked);
}

int xtables_wants_keep(const struct xtables_forward *asked, struct cni_error *err)
{
	struct xtables_wants list = { .n = 0 };
	scoped_fd int run = -1, lock = -1;
	char buf[WANTS_TEXT];
	struct text t;

	if (fs_run_dir(true, &run, err) < 0 || session_lock(run, &lock, err) < 0)
		return -1;
	read_file(run, &list);
	if (!add_asked(&list, asked))
		return 0;
	text_init(&t, buf, sizeof(buf));
	for (size_t i = 0; i < list.n; i++)
		text_add(&t, "%c %u %s %s\n", list.w[i].four ? '4' : '6', list.w[i].mark_bit,
			 list.w[i].own_only ? "own" : "any", list.w[i].admin);
	return fs_write_at(run, WANTS_FILE, buf, t.len, 0600, err);
}
