/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/scoped.h"
#include "fuzz.h"
#include "net/ifname.h"
#include "nft/item.h"

/* A comment is short, has no quotation mark, tells its owner by hash, and, if whole, by name. */
static void comment(const struct owner *o)
{
	char text[OWNER_TEXT];
	struct owner split;
	uint64_t hash;

	owner_text(o, text);
	FUZZ_CHECK(strlen(text) < OWNER_TEXT && strpbrk(text, "\"\n") == NULL);
	FUZZ_CHECK(owner_text_hash(text, &hash) && hash == owner_hash(o));
	if (owner_text_split(text, &split))
		FUZZ_CHECK(owner_equal(&split, o));
}

/* The names and the alias of its links are such as the kernel takes, and GC knows them again. */
static void names(const struct owner *o)
{
	char veth[IFNAME_MAX], alias[IFALIAS_TEXT];

	ifname_host_veth(o, veth);
	FUZZ_CHECK(ifname_problem(veth) == NULL && strlen(veth) == IFNAME_MAX - 1);
	ifname_alias(o, alias);
	FUZZ_CHECK(strlen(alias) < IFALIAS_TEXT && ifname_alias_of_network(alias, o->network));
}

/* A subnet chain's name that is read is the one that would be written. */
static void chain(const char *name)
{
	char again[NFT_NAME];
	struct ipnet net;

	if (!chain_parse(name, "masq-", &net))
		return;
	chain_name(again, "masq-", &net);
	FUZZ_CHECK(strcmp(name, again) == 0);
}

/* A name as the protocol lets it in (cni-spec.md ENV-05). */
static bool name_ok(const char *s)
{
	static const char alnum[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

	return s != NULL && s[0] != '\0' && strchr(alnum, s[0]) != NULL &&
	       strspn(s, "-_.abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") ==
		   strlen(s);
}

/* "NETWORK\nCONTAINER\nIFNAME", or a chain's name. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_free char *text = fuzz_text(data, size);
	char *rest = text;
	struct owner o;

	chain(text);
	o.network = strsep(&rest, "\n");
	o.container = strsep(&rest, "\n");
	o.ifname = strsep(&rest, "\n");
	if (!name_ok(o.network) || !name_ok(o.container) || o.ifname == NULL ||
	    ifname_problem(o.ifname) != NULL)
		return 0;
	comment(&o);
	names(&o);
	return 0;
}
