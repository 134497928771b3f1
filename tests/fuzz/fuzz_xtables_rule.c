/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter/nf_tables.h>

#include "base/scoped.h"
#include "fuzz.h"
#include "nft/xtables_read.h"

static bool same(const struct xtables_rule *a, const struct xtables_rule *b)
{
	return a->handle == b->handle && a->other == b->other && a->has_mark == b->has_mark &&
	       a->mark == b->mark && a->mask == b->mask && a->has_from == b->has_from &&
	       a->has_to == b->has_to && a->accepts == b->accepts && a->protocol == b->protocol &&
	       a->n_ports == b->n_ports && a->dnat == b->dnat && strcmp(a->jump, b->jump) == 0 &&
	       strcmp(a->comment, b->comment) == 0;
}

struct input {
	const uint8_t *at;
	size_t left;
};

/* The next bytes, zeros behind the end. */
static void take(struct input *in, void *to, size_t len)
{
	size_t n = len < in->left ? len : in->left;

	memset(to, 0, len);
	memcpy(to, in->at, n);
	in->at += n;
	in->left -= n;
}

/* Any numbers, up to 32 bytes of data and up to 31 of text, in the attributes of any kind. */
static struct nftnl_expr *make(struct input *in)
{
	static const struct {
		const char *kind;
		uint16_t number[3], data[2], text; /* 0: none */
	} kinds[] = {
		{ "meta", { NFTNL_EXPR_META_KEY, NFTNL_EXPR_META_DREG }, { 0 }, 0 },
		{ "payload",
		  { NFTNL_EXPR_PAYLOAD_BASE, NFTNL_EXPR_PAYLOAD_OFFSET, NFTNL_EXPR_PAYLOAD_LEN },
		  { 0 },
		  0 },
		{ "bitwise", { 0 }, { NFTNL_EXPR_BITWISE_MASK, NFTNL_EXPR_BITWISE_XOR }, 0 },
		{ "cmp", { NFTNL_EXPR_CMP_OP }, { NFTNL_EXPR_CMP_DATA }, 0 },
		{ "immediate", { NFTNL_EXPR_IMM_VERDICT }, { 0 }, NFTNL_EXPR_IMM_CHAIN },
		{ "immediate", { NFTNL_EXPR_IMM_DREG }, { NFTNL_EXPR_IMM_DATA }, 0 },
		{ "nat", { NFTNL_EXPR_NAT_TYPE }, { 0 }, 0 },
		{ "counter", { 0 }, { 0 }, 0 },
		{ "lookup", { 0 }, { 0 }, NFTNL_EXPR_LOOKUP_SET },
	};
	struct nftnl_expr *e;
	uint8_t kind, len, bytes[32];
	uint32_t number = (uint32_t)NFT_JUMP;

	take(in, &kind, 1);
	kind %= sizeof(kinds) / sizeof(kinds[0]);
	e = nftnl_expr_alloc(kinds[kind].kind);
	FUZZ_CHECK(e != NULL);
	for (size_t i = 0; i < 3 && kinds[kind].number[i] != 0; i++) {
		take(in, &number, sizeof(number));
		if (kinds[kind].text != 0 && number % 2 == 0)
			number = (uint32_t)NFT_JUMP;
		nftnl_expr_set_u32(e, kinds[kind].number[i], number);
	}
	for (size_t i = 0; i < 2 && kinds[kind].data[i] != 0; i++) {
		take(in, &len, 1);
		take(in, bytes, len % 17);
		nftnl_expr_set(e, kinds[kind].data[i], bytes, len % 17);
	}
	if (kinds[kind].text != 0 && number == (uint32_t)NFT_JUMP) { /* else it is not freed */
		take(in, bytes, sizeof(bytes));
		bytes[sizeof(bytes) - 1] = '\0';
		nftnl_expr_set_str(e, kinds[kind].text, (const char *)bytes);
	}
	return e;
}

/* A match of xtables, with any content of any length. */
static struct nftnl_expr *make_match(struct input *in)
{
	static const char *const names[] = { "comment", "multiport", "tcp", "sctp", "mark", "x" };
	struct nftnl_expr *e = nftnl_expr_alloc("match");
	uint8_t name, rev, len;
	void *info;

	FUZZ_CHECK(e != NULL);
	take(in, &name, 1);
	take(in, &rev, 1);
	take(in, &len, 1);
	info = malloc((size_t)len + 1); /* becomes the expression's */
	FUZZ_CHECK(info != NULL);
	take(in, info, len);
	nftnl_expr_set_str(e, NFTNL_EXPR_MT_NAME, names[name % ARRAY_SIZE(names)]);
	nftnl_expr_set_u32(e, NFTNL_EXPR_MT_REV, rev % 2);
	nftnl_expr_set(e, NFTNL_EXPR_MT_INFO, info, len);
	return e;
}

/* A rule of any expressions: understood the same way twice, with texts that end. Made by libnftnl,
 * not read by it from any bytes: it ends the program for what no kernel sends. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .at = data, .left = size };
	struct nftnl_rule *rule = nftnl_rule_alloc();
	struct xtables_rule first, second;
	bool four = size % 2 == 0;

	FUZZ_CHECK(rule != NULL);
	while (in.left > 0)
		nftnl_rule_add_expr(rule, *in.at % 4 == 3 ? make_match(&in) : make(&in));
	xtables_rule_read(rule, four, &first);
	xtables_rule_read(rule, four, &second);
	FUZZ_CHECK(same(&first, &second));
	FUZZ_CHECK(memchr(first.jump, '\0', sizeof(first.jump)) != NULL);
	FUZZ_CHECK(memchr(first.comment, '\0', sizeof(first.comment)) != NULL);
	FUZZ_CHECK(first.n_ports <= XTABLES_PORTS);
	FUZZ_CHECK(!first.has_from || ip_is4(&first.from) == four || !four);
	nftnl_rule_free(rule);
	return 0;
}
