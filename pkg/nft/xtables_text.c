/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/xtables_text.h"

#include <string.h>

#include <netinet/in.h>

#include "base/num.h"
#include "base/scoped.h"
#include "base/text.h"
#include "net/ipnet.h"

/* The longest is a comment. */
#define WORD_MAX XTABLES_COMMENT

/* The next word, its quotes and backslashes taken off; a longer one is cut. False at the end. */
static bool next_word(const char **at, char word[WORD_MAX])
{
	const char *p = *at;
	bool quoted = false;
	size_t n = 0;

	while (*p == ' ')
		p++;
	if (*p == '\0')
		return false;
	for (; *p != '\0' && (quoted || *p != ' '); p++) {
		if (*p == '"') {
			quoted = !quoted;
			continue;
		}
		if (*p == '\\' && p[1] != '\0')
			p++;
		if (n < WORD_MAX - 1)
			word[n++] = *p;
	}
	word[n] = '\0';
	*at = p;
	return true;
}

static void read_address(const char *word, bool four, bool *ret_has, struct ip *ret,
			 struct xtables_rule *rule)
{
	struct ipnet net, host;

	if (!ipnet_parse(word, &net) || ip_is4(&net.addr) != four)
		return;
	host = ipnet_host(&net.addr);
	if (!ipnet_equal(&net, &host)) {
		rule->other = true;
		return;
	}
	*ret_has = true;
	*ret = net.addr;
}

static void read_protocol(const char *word, struct xtables_rule *rule)
{
	static const struct {
		const char *name;
		uint8_t number;
	} protocols[] = { { "tcp", IPPROTO_TCP },
			  { "udp", IPPROTO_UDP },
			  { "sctp", IPPROTO_SCTP } };

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		if (strcmp(word, protocols[i].name) == 0)
			rule->protocol = protocols[i].number;
	}
}

/* "80,443"; with a range among them none is understood. */
static void read_ports(char *word, struct xtables_rule *rule)
{
	uint64_t port;

	rule->n_ports = 0;
	for (char *p = word, *end; p != NULL; p = end) {
		end = strchr(p, ',');
		if (end != NULL)
			*end++ = '\0';
		if (rule->n_ports == XTABLES_PORTS || !num_parse(p, 65535, &port)) {
			rule->n_ports = 0;
			return;
		}
		rule->ports[rule->n_ports++] = (uint16_t)port;
	}
}

static void read_jump(const char *word, struct xtables_rule *rule)
{
	rule->accepts = strcmp(word, "ACCEPT") == 0;
	rule->dnat = strcmp(word, "DNAT") == 0;
	if (!text_format(rule->jump, sizeof(rule->jump), "%s", word))
		rule->jump[0] = '\0';
}

static void read_option(const char *option, char *value, bool four, struct xtables_rule *rule)
{
	if (strcmp(option, "-s") == 0)
		read_address(value, four, &rule->has_from, &rule->from, rule);
	else if (strcmp(option, "-d") == 0)
		read_address(value, four, &rule->has_to, &rule->to, rule);
	else if (strcmp(option, "-p") == 0)
		read_protocol(value, rule);
	else if (strcmp(option, "--dport") == 0 || strcmp(option, "--dports") == 0)
		read_ports(value, rule);
	else if (strcmp(option, "--comment") == 0)
		(void)text_format(rule->comment, sizeof(rule->comment), "%s", value);
	else if (strcmp(option, "-j") == 0)
		read_jump(value, rule);
	else if (strcmp(option, "-m") != 0)
		rule->other = true;
}

bool xtables_line_read(const char *line, bool four, struct xtables_rule *ret)
{
	char option[WORD_MAX], value[WORD_MAX];

	*ret = (struct xtables_rule){ .handle = 0 };
	if (strncmp(line, "-A ", 3) != 0)
		return false;
	line += 3;
	if (!next_word(&line, value) || !text_format(ret->chain, sizeof(ret->chain), "%s", value))
		return false;
	while (next_word(&line, option)) {
		bool negated = strcmp(option, "!") == 0;

		ret->other |= negated;
		if ((negated && !next_word(&line, option)) || !next_word(&line, value))
			break;
		if (!negated)
			read_option(option, value, four, ret);
	}
	return true;
}
