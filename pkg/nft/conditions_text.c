/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/conditions_text.h"

#include <string.h>

#include "base/num.h"
#include "base/scoped.h"
#include "net/ifname.h"
#include "net/ipnet.h"

struct words {
	const char *key; /* "conditionsV4" */
	bool four;
	const char *const *token;
	size_t n, at;
};

static int refuse(const struct words *w, size_t i, const char *why, struct cni_error *err)
{
	return cni_fail(err, CNI_INVALID_CONFIG, "%s[%zu]: \"%s\" %s", w->key, i, w->token[i], why);
}

/* ---- what could end the rule that the words become part of */

/* ';' and a line's end finish a statement, '#' hides the rest, a brace too many closes a block. */
static const char *token_problem(const char *token, int *depth)
{
	bool quoted = false;

	for (const char *p = token; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return "holds a control character";
		if (*p == ';' || *p == '#')
			return "holds ';' or '#', which would end the rule";
		if (*p == '"')
			quoted = !quoted;
		else if (!quoted)
			*depth += *p == '{' ? 1 : *p == '}' ? -1 : 0;
		if (*depth < 0)
			return "closes a brace that was not opened";
	}
	return quoted ? "leaves a quotation open" : NULL;
}

static int check_words(const struct words *w, struct cni_error *err)
{
	int depth = 0;

	for (size_t i = 0; i < w->n; i++) {
		const char *problem = token_problem(w->token[i], &depth);

		if (problem != NULL)
			return refuse(w, i, problem, err);
	}
	if (depth != 0)
		return cni_fail(err, CNI_INVALID_CONFIG, "%s: a brace is not closed", w->key);
	return 0;
}

/* ---- what would do something, where conditions only ask */

#define WORD_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

static const char *const deeds[] = {
	"vmap",	    "set",	  "accept",   "drop", "reject",	  "queue",   "notrack", "jump",
	"goto",	    "return",	  "continue", "log",  "snat",	  "counter", "dnat",	"tproxy",
	"dup",	    "masquerade", "fwd",      "add",  "redirect", "map",     "update",	"delete",
	"synproxy", "meter",	  "reset",    "flow", "quota",
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* nft reads "80accept" as two words, and a part of an address, "::add:1", as none. */
static const char *deed_of(const char *word, size_t len, bool address)
{
	char copy[64];

	if (address && strspn(word, "0123456789abcdefABCDEF") >= len)
		return NULL;
	if (!text_format(copy, sizeof(copy), "%.*s", (int)len, word))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(deeds); i++) {
		if (text_equal_nocase(copy, deeds[i]) ||
		    ((is_digit(*word) || address) && strcasestr(copy, deeds[i]) != NULL))
			return deeds[i];
	}
	return NULL;
}

/* The first word outside of quotation marks that does something; "@set" is a name. */
static const char *find_deed(const char *token)
{
	const char *deed = NULL, *p = token;

	while (*p != '\0' && deed == NULL) {
		size_t len = strspn(p, WORD_CHARS);
		char before = p > token ? p[-1] : ' ';

		if (*p == '"')
			len = 1 + strcspn(p + 1, "\"") + 1; /* it is closed: check_words() */
		else if (len > 0 && before != '@')
			deed = deed_of(p, len, before == ':' || (p[len] == ':' && is_digit(*p)));
		p += len > 0 ? len : 1;
	}
	return deed;
}

static int put_word(const struct words *w, struct text *out, struct cni_error *err)
{
	const char *token = w->token[w->at], *deed = find_deed(token);

	if (deed != NULL)
		return cni_fail(err, CNI_INVALID_CONFIG,
				"%s[%zu]: \"%s\" does something; conditions may only ask", w->key,
				w->at, deed);
	text_add(out, "%s ", token);
	return 0;
}

/* ---- iptables' spellings */

static bool address_ok(const char *text, bool four)
{
	struct ipnet net;
	struct ip ip;

	if (ipnet_parse(text, &net))
		return ip_is4(&net.addr) == four;
	return ip_parse(text, &ip) && ip_is4(&ip) == four;
}

/* "A,B/24": iptables makes a rule of each, nft a set. */
static int put_addresses(struct words *w, const char *side, bool not, struct text *out,
			 struct cni_error *err)
{
	const char *list = w->token[w->at];
	char one[IPNET_TEXT];

	text_add(out, "%s %s %s{", w->four ? "ip" : "ip6", side, not ? "!= " : "");
	for (const char *p = list; p != NULL; p = strchr(p, ',')) {
		size_t len;

		p += *p == ',';
		len = strcspn(p, ",");
		if (!text_format(one, sizeof(one), "%.*s", (int)len, p) ||
		    !address_ok(one, w->four))
			return refuse(w, w->at,
				      w->four ? "is not an IPv4 address or prefix"
					      : "is not an IPv6 address or prefix",
				      err);
		text_add(out, "%s %s", p == list ? "" : ",", one);
	}
	text_add(out, " } ");
	return 0;
}

/* iptables' "eth+" is nft's "eth*". */
static int put_interface(struct words *w, bool not, struct text *out, struct cni_error *err)
{
	const char *name = w->token[w->at];
	size_t len = strlen(name);
	bool any = len > 0 && name[len - 1] == '+';

	if (strcmp(name, "+") == 0)
		return 0;
	if (ifname_problem(name) != NULL || strpbrk(name, "\"*\\") != NULL)
		return refuse(w, w->at, "is not an interface's name", err);
	text_add(out, "iifname %s\"%.*s%s\" ", not ? "!= " : "", (int)(len - any), name,
		 any ? "*" : "");
	return 0;
}

static int put_protocol(struct words *w, bool not, struct text *out, struct cni_error *err)
{
	static const char *const names[] = { "tcp",  "udp",    "sctp", "udplite", "dccp",
					     "icmp", "icmpv6", "esp",  "ah" };
	const char *name = w->token[w->at];
	uint64_t number;
	bool known = num_parse(name, 255, &number);

	if (text_equal_nocase(name, "all") || strcmp(name, "0") == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(names) && !known; i++) {
		known = text_equal_nocase(name, names[i]);
		name = known ? names[i] : name;
	}
	if (!known)
		return refuse(w, w->at, "is not a protocol", err);
	text_add(out, "meta l4proto %s%s ", not ? "!= " : "", name);
	return 0;
}

static bool option(const char *token, const char *a, const char *b, const char *c)
{
	return strcmp(token, a) == 0 || strcmp(token, b) == 0 || strcmp(token, c) == 0;
}

static int put_option(struct words *w, struct text *out, struct cni_error *err)
{
	bool not = strcmp(w->token[w->at], "!") == 0;
	size_t name = w->at + not ;
	const char *token = name < w->n ? w->token[name] : "";

	if (name + 1 >= w->n)
		return refuse(w, w->at, "is not followed by a value", err);
	w->at = name + 1;
	if (option(token, "-s", "--source", "--src"))
		return put_addresses(w, "saddr", not, out, err);
	if (option(token, "-d", "--destination", "--dst"))
		return put_addresses(w, "daddr", not, out, err);
	if (option(token, "-i", "--in-interface", "--in-interface"))
		return put_interface(w, not, out, err);
	if (option(token, "-p", "--protocol", "--proto"))
		return put_protocol(w, not, out, err);
	return refuse(w, name,
		      "is not one of iptables' options that are understood here (-s, -d, -i, -p, "
		      "with ! before it); say it in nft's language",
		      err);
}

int conditions_text(const char *key, const char *const *tokens, size_t n, struct text *out,
		    struct cni_error *err)
{
	struct words w = { .key = key, .four = strstr(key, "V4") != NULL, .token = tokens, .n = n };

	if (check_words(&w, err) < 0)
		return -1;
	if (n > 0 && (tokens[0][0] == '-' || tokens[0][0] == '!')) {
		for (; w.at < n; w.at++) {
			if (put_option(&w, out, err) < 0)
				return -1;
		}
	} else {
		for (; w.at < n; w.at++) {
			if (put_word(&w, out, err) < 0)
				return -1;
		}
	}
	if (out->cut)
		return cni_fail(err, CNI_INVALID_CONFIG, "%s: more than %d bytes", key,
				CONDITIONS_TEXT);
	return 0;
}
