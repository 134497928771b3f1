/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf.h"

#include <netinet/in.h>
#include <string.h>

#include "base/text.h"
#include "conf/jconf.h"

/* ---- port mappings */

static int parse_port(const json_t *value, const struct jpath *at, const char *what, uint16_t *ret,
		      struct cni_error *err)
{
	json_int_t port = json_integer_value(value);

	if (value != NULL && !json_is_integer(value))
		return jconf_fail(err, CNI_DECODE, at, "the %s port is not a number", what);
	if (port < 1 || port > 65535)
		return jconf_fail(err, CNI_INVALID_CONFIG, at,
				  "Invalid %s port number: %lld (1 to 65535)", what,
				  (long long)port);
	*ret = (uint16_t)port;
	return 0;
}

static int parse_protocol(const json_t *value, const struct jpath *at, uint8_t *ret,
			  struct cni_error *err)
{
	static const struct {
		const char *name;
		uint8_t number;
	} known[] = {
		{ "", IPPROTO_TCP },
		{ "tcp", IPPROTO_TCP },
		{ "udp", IPPROTO_UDP },
		{ "sctp", IPPROTO_SCTP },
	};
	const char *name = "";

	if (value != NULL && jconf_str(value, at, 64, &name, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (text_equal_nocase(name, known[i].name)) {
			*ret = known[i].number;
			return 0;
		}
	}
	return jconf_fail(err, CNI_INVALID_CONFIG, at, "\"%s\" is not tcp, udp or sctp", name);
}

static int parse_host(const json_t *value, const struct jpath *at, struct port_mapping *m,
		      struct cni_error *err)
{
	const char *text = "";

	if (value != NULL && jconf_str(value, at, 64, &text, err) < 0)
		return -1;
	if (text[0] == '\0')
		return 0;
	if (jconf_ip(value, at, &m->host, err) < 0)
		return -1;
	if (ip_is_multicast(&m->host))
		return jconf_fail(err, CNI_INVALID_CONFIG, at,
				  "\"%s\" is a multicast address, none of a host", text);
	m->has_host = true;
	return 0;
}

static int parse_mapping(const json_t *obj, const struct jpath *at, struct port_mapping *m,
			 struct cni_error *err)
{
	const struct jpath pod_port = { .up = at, .key = "containerPort" };
	const struct jpath host_port = { .up = at, .key = "hostPort" };
	const struct jpath protocol = { .up = at, .key = "protocol" };
	const struct jpath host = { .up = at, .key = "hostIP" };

	if (!json_is_object(obj))
		return jconf_fail(err, CNI_DECODE, at, "a port mapping is an object");
	if (parse_port(jconf_get(obj, "containerPort"), &pod_port, "container", &m->pod_port, err) <
		0 ||
	    parse_port(jconf_get(obj, "hostPort"), &host_port, "host", &m->host_port, err) < 0 ||
	    parse_protocol(jconf_get(obj, "protocol"), &protocol, &m->protocol, err) < 0)
		return -1;
	return parse_host(jconf_get(obj, "hostIP"), &host, m, err);
}

static int parse_mappings(const json_t *list, const struct jpath *at, void *member,
			  struct cni_error *err)
{
	struct portmap_conf *conf = member;
	size_t n;

	if (jconf_array(list, at, PORT_MAPPINGS_MAX, &n, err) < 0)
		return -1;
	free(conf->mappings);
	conf->n = 0;
	conf->mappings = calloc(n + 1, sizeof(*conf->mappings));
	if (conf->mappings == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	for (size_t i = 0; i < n; i++) {
		const struct jpath here = { .up = at, .idx = i };

		if (parse_mapping(json_array_get(list, i), &here, &conf->mappings[i], err) < 0)
			return -1;
	}
	conf->n = n;
	return 0;
}

/* What capabilities brought. */
static const struct jfield runtime_fields[] = {
	{ "portMappings", J_CUSTOM, .custom = parse_mappings },
};

/* ---- the configuration */

static int parse_backend(const json_t *value, const struct jpath *at, void *member,
			 struct cni_error *err)
{
	static const char *const names[] = { "iptables", "nftables" };
	static const struct jchoice backends = { "unrecognized backend", names, ARRAY_SIZE(names) };
	size_t ignored; /* both mean the same effect by our means (docs/decisions/006) */

	(void)member;
	return jconf_choice(value, at, &backends, &ignored, err);
}

#define CONDITIONS_MAX 256 /* words of one list */

/* [] and [""] mean none. */
static int parse_tokens(const json_t *list, const struct jpath *at, const char *const **ret,
			size_t *ret_n, struct cni_error *err)
{
	const char **tokens;
	size_t n;

	if (jconf_array(list, at, CONDITIONS_MAX, &n, err) < 0)
		return -1;
	tokens = calloc(n + 1, sizeof(*tokens));
	if (tokens == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	free((void *)(uintptr_t)*ret);
	*ret = tokens;
	*ret_n = 0;
	for (size_t i = 0; i < n; i++) {
		const struct jpath here = { .up = at, .idx = i };

		if (jconf_str(json_array_get(list, i), &here, JCONF_STR_MAX, &tokens[i], err) < 0)
			return -1;
	}
	*ret_n = n == 1 && tokens[0][0] == '\0' ? 0 : n;
	return 0;
}

static int parse_conditions4(const json_t *value, const struct jpath *at, void *member,
			     struct cni_error *err)
{
	struct nft_conditions *c = &((struct portmap_conf *)member)->conditions;

	return parse_tokens(value, at, &c->tokens4, &c->n_tokens4, err);
}

static int parse_conditions6(const json_t *value, const struct jpath *at, void *member,
			     struct cni_error *err)
{
	struct nft_conditions *c = &((struct portmap_conf *)member)->conditions;

	return parse_tokens(value, at, &c->tokens6, &c->n_tokens6, err);
}

struct mark {
	bool has_bit;
	int64_t bit;
	const char *chain;
};

static const struct jfield mark_fields[] = {
	{ "markMasqBit", J_INT64, .offset = offsetof(struct mark, bit), .has = true,
	  .has_offset = offsetof(struct mark, has_bit), .imin = INT64_MIN, .max = INT64_MAX,
	  .doc = "accepted, 0 to 31; masquerading needs no mark here" },
	{ "externalSetMarkChain", J_STR, .offset = offsetof(struct mark, chain),
	  .doc = "accepted; masquerading needs no chain of others here" },
};

static const struct jfield fields[] = {
	{ "runtimeConfig", jconf_table(runtime_fields) },
	{ "backend", J_CUSTOM, .custom = parse_backend,
	  .doc = "iptables or nftables: accepted, the effect is the same" },
	{ "snat", J_BOOL, .offset = offsetof(struct portmap_conf, snat),
	  .doc = "masquerade clients that could not get an answer otherwise; default true" },
	{ "masqAll", J_BOOL, .offset = offsetof(struct portmap_conf, masq_all),
	  .doc = "masquerade every client; default false" },
	{ "conditionsV4", J_CUSTOM, .custom = parse_conditions4,
	  .doc =
	      "which IPv4 connections may use the network's host ports: words of nft or iptables" },
	{ "conditionsV6", J_CUSTOM, .custom = parse_conditions6, .doc = "the same for IPv6" },
};

static int check_mark(const struct cni_args *args, struct cni_error *err)
{
	const struct jpath at_bit = { .key = "markMasqBit" };
	const struct jpath at_chain = { .key = "externalSetMarkChain" };
	struct mark mark = { .chain = "" };

	if (jconf_fill(args->conf, NULL, mark_fields, ARRAY_SIZE(mark_fields), &mark, err) < 0)
		return -1;
	if (mark.has_bit && mark.chain[0] != '\0')
		return jconf_fail(err, CNI_INVALID_CONFIG, &at_chain,
				  "Cannot specify externalSetMarkChain and markMasqBit");
	if (mark.has_bit && (mark.bit < 0 || mark.bit > 31))
		return jconf_fail(err, CNI_INVALID_CONFIG, &at_bit,
				  "MasqMarkBit must be between 0 and 31 (it is %lld)",
				  (long long)mark.bit);
	return 0;
}

/* Custom parsers get the struct itself: their fields' offset is 0. */
int portmap_conf_parse(const struct cni_args *args, struct portmap_conf *ret, struct cni_error *err)
{
	*ret = (struct portmap_conf){ .snat = true };
	if (jconf_fill(args->conf, NULL, fields, ARRAY_SIZE(fields), ret, err) < 0)
		return -1;
	return check_mark(args, err);
}

void portmap_conf_free(struct portmap_conf *conf)
{
	free(conf->mappings);
	free((void *)(uintptr_t)conf->conditions.tokens4);
	free((void *)(uintptr_t)conf->conditions.tokens6);
	*conf = (struct portmap_conf){ 0 };
}
