/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf.h"

#include <string.h>

#include "conf/jconf.h"
#include "net/fwnames.h"
#include "nft/xtables.h"

#define DEFAULT_ZONE "trusted"

static const char *const backend_names[] = {
	[FIREWALL_IPTABLES] = "iptables",
	[FIREWALL_FIREWALLD] = "firewalld",
	[FIREWALL_NFTABLES] = "nftables",
};
_Static_assert(ARRAY_SIZE(backend_names) == FIREWALL_AUTO, "\"\" is the number of names");

static const char *const ingress_names[] = {
	[INGRESS_OPEN] = "open",
	[INGRESS_SAME_BRIDGE] = "same-bridge",
	[INGRESS_ISOLATED] = "isolated",
};

static int parse_backend(const json_t *value, const struct jpath *at, void *member,
			 struct cni_error *err)
{
	static const struct jchoice choice = { "unrecognized backend", backend_names,
					       ARRAY_SIZE(backend_names) };
	size_t i;

	if (jconf_choice(value, at, &choice, &i, err) < 0)
		return -1;
	*(enum firewall_backend *)member = (enum firewall_backend)i;
	return 0;
}

static int parse_ingress(const json_t *value, const struct jpath *at, void *member,
			 struct cni_error *err)
{
	static const struct jchoice choice = { "unknown ingress policy:", ingress_names,
					       ARRAY_SIZE(ingress_names) };
	size_t i;

	if (jconf_choice(value, at, &choice, &i, err) < 0)
		return -1;
	*(enum ingress_policy *)member =
	    i == ARRAY_SIZE(ingress_names) ? INGRESS_OPEN : (enum ingress_policy)i;
	return 0;
}

static int parse_zone(const json_t *value, const struct jpath *at, void *member,
		      struct cni_error *err)
{
	const char *zone;

	if (jconf_str(value, at, JCONF_STR_MAX, &zone, err) < 0)
		return -1;
	if (zone[0] == '\0')
		return 0;
	if (!zone_name_valid(zone))
		return jconf_fail(err, CNI_INVALID_CONFIG, at,
				  "\"%s\" cannot be the name of a zone of firewalld (letters, "
				  "digits, '_', '-', '/'; at most %d)",
				  zone, ZONE_NAME_MAX - 1);
	*(const char **)member = zone;
	return 0;
}

static int parse_admin(const json_t *value, const struct jpath *at, void *member,
		       struct cni_error *err)
{
	static const char *const taken[] = { "FORWARD", "INPUT",  "OUTPUT", "ACCEPT",
					     "DROP",	"RETURN", "QUEUE" };
	const char *name;

	if (jconf_str(value, at, JCONF_STR_MAX, &name, err) < 0)
		return -1;
	if (name[0] == '\0')
		return 0;
	if (!ipt_chain_valid(name))
		return jconf_fail(err, CNI_INVALID_CONFIG, at,
				  "\"%s\" cannot be the name of a chain of iptables (at most %d "
				  "characters, no blank, not '-' or '!' first)",
				  name, IPT_CHAIN_MAX - 1);
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		if (strcmp(name, taken[i]) == 0)
			return jconf_fail(err, CNI_INVALID_CONFIG, at,
					  "\"%s\" is iptables' own: name a chain for your rules",
					  name);
	}
	*(const char **)member = name;
	return 0;
}

#define AT(member) .offset = offsetof(struct firewall_conf, member)

static const struct jfield fields[] = {
	{ "backend", J_CUSTOM, AT(backend), .custom = parse_backend,
	  .doc = "iptables, firewalld or nftables; default firewalld if it runs, else iptables" },
	{ "iptablesAdminChainName", J_CUSTOM, AT(admin), .custom = parse_admin,
	  .doc = "chain of iptables that is asked first, made if missing; default CNI-ADMIN" },
	{ "firewalldZone", J_CUSTOM, AT(zone), .custom = parse_zone,
	  .doc = "zone of firewalld that pods belong to; default trusted" },
	{ "ingressPolicy", J_CUSTOM, AT(ingress), .custom = parse_ingress,
	  .doc = "open (default), same-bridge, isolated: which bridges reach the pod" },
	{ "markForwardBit", J_UINT, AT(mark_bit), .max = 31,
	  .doc = "bit of the packet mark, 0 to 31, that means \"may be forwarded\"; default 12" },
};

int firewall_conf_parse(const struct cni_args *args, struct firewall_conf *ret,
			struct cni_error *err)
{
	struct firewall_conf conf = { .backend = FIREWALL_AUTO,
				      .zone = DEFAULT_ZONE,
				      .admin = XTABLES_ADMIN,
				      .mark_bit = XTABLES_MARK_BIT };

	if (jconf_fill(args->conf, NULL, fields, ARRAY_SIZE(fields), &conf, err) < 0)
		return -1;
	*ret = conf;
	return 0;
}

const char *firewall_conf_zone(const struct cni_args *args)
{
	const char *zone = json_string_value(jconf_get(args->conf, "firewalldZone"));

	return zone == NULL || !zone_name_valid(zone) ? DEFAULT_ZONE : zone;
}

bool firewall_conf_asks_firewalld(const struct cni_args *args)
{
	const char *backend = json_string_value(jconf_get(args->conf, "backend"));

	return backend == NULL ||
	       (strcmp(backend, "iptables") != 0 && strcmp(backend, "nftables") != 0);
}
