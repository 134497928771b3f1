/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/ifname.h"

#include <inttypes.h>
#include <string.h>

#include "base/scoped.h"
#include "base/text.h"

#define ALIAS_TAG     "podwire "
#define ALIAS_NETWORK 200 /* longest network in an alias: leaves room for container and hash */

/*
 * White space outside ASCII, in UTF-8. A byte 0xa0 counts wherever it stands (U+00A0 or not),
 * since the kernel looks at bytes and refuses it.
 */
static const char *const unicode_space[] = {
	"\xa0",		"\xc2\x85",	"\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81",
	"\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86",
	"\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8",
	"\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80",
};

static bool has_space(const char *name)
{
	if (strpbrk(name, " \t\n\v\f\r") != NULL)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(unicode_space); i++) {
		if (strstr(name, unicode_space[i]) != NULL)
			return true;
	}
	return false;
}

const char *ifname_problem(const char *name)
{
	if (name[0] == '\0')
		return "is empty";
	if (strlen(name) >= IFNAME_MAX)
		return "is longer than the 15 bytes the kernel allows";
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return "is a folder's name, not an interface's";
	if (strchr(name, '/') != NULL)
		return "contains a '/'";
	if (strchr(name, ':') != NULL)
		return "contains a ':'";
	if (strchr(name, '%') != NULL)
		return "contains a '%', which the kernel would replace by a number";
	if (has_space(name))
		return "contains white space";
	return NULL;
}

uint64_t owner_hash(const struct owner *o)
{
	const char *const parts[] = { o->network, o->container, o->ifname };

	return text_hash(parts, ARRAY_SIZE(parts));
}

bool owner_equal(const struct owner *a, const struct owner *b)
{
	return strcmp(a->network, b->network) == 0 && strcmp(a->container, b->container) == 0 &&
	       strcmp(a->ifname, b->ifname) == 0;
}

void ifname_host_veth(const struct owner *o, char buf[IFNAME_MAX])
{
	memcpy(buf, "veth", 4);
	text_base32(owner_hash(o), IFNAME_MAX - 1 - 4, buf + 4);
}

/* The part of an alias that all attachments of a network share. '#' is in no network's name. */
static void add_network(struct text *t, const char *network)
{
	if (strlen(network) <= ALIAS_NETWORK)
		text_add(t, ALIAS_TAG "%s ", network);
	else
		text_add(t, ALIAS_TAG "%.*s#%016" PRIx64 " ", ALIAS_NETWORK - 17, network,
			 text_hash(&network, 1));
}

void ifname_alias(const struct owner *o, char buf[IFALIAS_TEXT])
{
	struct text t;
	size_t network_len, room;

	text_init(&t, buf, IFALIAS_TEXT);
	add_network(&t, o->network);
	network_len = t.len;
	text_add(&t, "%s %s", o->container, o->ifname);
	if (!t.cut)
		return;
	room = IFALIAS_TEXT - 1 - network_len - strlen(o->ifname) - strlen("  #0123456789abcdef");
	text_init(&t, buf + network_len, IFALIAS_TEXT - network_len);
	text_add(&t, "%.*s %s #%016" PRIx64, (int)room, o->container, o->ifname, owner_hash(o));
}

bool ifname_alias_of_network(const char *alias, const char *network)
{
	char buf[IFALIAS_TEXT];
	struct text t;

	text_init(&t, buf, sizeof(buf));
	add_network(&t, network);
	return strncmp(alias, buf, t.len) == 0;
}
