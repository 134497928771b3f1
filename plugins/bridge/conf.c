/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf.h"

#include <stdio.h>
#include <string.h>

#include "cni/codec.h"
#include "conf/jconf.h"

#define DEFAULT_BRIDGE "cni0"

static int parse_bridge(const json_t *value, const struct jpath *at, void *member,
			struct cni_error *err)
{
	const char *problem, *name;

	if (jconf_str(value, at, JCONF_STR_MAX, &name, err) < 0)
		return -1;
	if (name[0] == '\0')
		return 0; /* as absent */
	problem = ifname_problem(name);
	if (problem != NULL)
		return jconf_fail(err, CNI_INVALID_CONFIG, at,
				  "\"%s\" cannot be a bridge's name: %s", name, problem);
	*(const char **)member = name;
	return 0;
}

static int parse_mtu(const json_t *value, const struct jpath *at, void *member,
		     struct cni_error *err)
{
	struct bridge_conf *conf = member;
	uint64_t mtu;

	if (json_is_string(value)) {
		if (strcmp(json_string_value(value), "auto") != 0)
			return jconf_fail(err, CNI_INVALID_CONFIG, at,
					  "\"%s\" is neither a number nor \"auto\"",
					  json_string_value(value));
		conf->mtu_auto = true;
		return 0;
	}
	if (jconf_uint(value, at, 0, 65535, &mtu, err) < 0)
		return -1;
	if (mtu != 0 && mtu < 68)
		return jconf_fail(err, CNI_INVALID_CONFIG, at,
				  "%u is below IPv4's smallest MTU, 68 (0 is the kernel's own)",
				  (unsigned)mtu);
	conf->mtu = (uint32_t)mtu;
	return 0;
}

static int parse_vlan(const json_t *value, const struct jpath *at, void *member,
		      struct cni_error *err)
{
	json_int_t id = json_integer_value(value);
	int64_t checked;

	if (json_is_integer(value) && (id < 0 || id > VLAN_ID_MAX))
		return jconf_fail(err, CNI_INVALID_CONFIG, at,
				  "invalid VLAN ID %lld (must be between 0 and 4094)",
				  (long long)id);
	if (jconf_int(value, at, 0, VLAN_ID_MAX, &checked, err) < 0)
		return -1;
	*(uint32_t *)member = (uint32_t)checked;
	return 0;
}

static int parse_masq_backend(const json_t *value, const struct jpath *at, void *member,
			      struct cni_error *err)
{
	static const char *const names[] = { "iptables", "nftables" };
	static const struct jchoice backends = { "unknown ipmasq backend", names,
						 ARRAY_SIZE(names) };
	size_t ignored; /* both mean the same effect by our means (docs/decisions/006) */

	(void)member;
	return jconf_choice(value, at, &backends, &ignored, err);
}

struct trunk {
	bool has_min, has_max, has_id;
	int64_t min, max, id;
};

static const struct jfield trunk_fields[] = {
	{ "minID", J_INT64, .offset = offsetof(struct trunk, min), .has = true,
	  .has_offset = offsetof(struct trunk, has_min), .imin = INT64_MIN, .max = INT64_MAX },
	{ "maxID", J_INT64, .offset = offsetof(struct trunk, max), .has = true,
	  .has_offset = offsetof(struct trunk, has_max), .imin = INT64_MIN, .max = INT64_MAX },
	{ "id", J_INT64, .offset = offsetof(struct trunk, id), .has = true,
	  .has_offset = offsetof(struct trunk, has_id), .imin = INT64_MIN, .max = INT64_MAX },
};

static bool vlan_in_range(int64_t id)
{
	return id >= 1 && id <= VLAN_ID_MAX;
}

static const char *trunk_problem(const struct trunk *t)
{
	if (t->has_max && !t->has_min)
		return "minID and maxID should be configured simultaneously, minID is missing";
	if (t->has_min && !t->has_max)
		return "minID and maxID should be configured simultaneously, maxID is missing";
	if (t->has_min && !vlan_in_range(t->min))
		return "incorrect trunk minID parameter";
	if (t->has_max && !vlan_in_range(t->max))
		return "incorrect trunk maxID parameter";
	if (t->has_min && t->min > t->max)
		return "minID is greater than maxID in trunk parameter";
	if (t->has_id && !vlan_in_range(t->id))
		return "incorrect trunk id parameter";
	return NULL;
}

static void trunk_set(struct bridge_conf *conf, int64_t id)
{
	conf->trunk[id / 8] |= (uint8_t)(1u << (id % 8));
}

static int parse_one_trunk(const json_t *value, const struct jpath *at, struct bridge_conf *conf,
			   struct cni_error *err)
{
	struct trunk t = { 0 };
	const char *problem;

	if (jconf_fill(value, at, trunk_fields, ARRAY_SIZE(trunk_fields), &t, err) < 0)
		return -1;
	problem = trunk_problem(&t);
	if (problem != NULL)
		return jconf_fail(err, CNI_INVALID_CONFIG, at, "%s (VLAN IDs are 1 to 4094)",
				  problem);
	for (int64_t id = t.min; t.has_min && id <= t.max; id++)
		trunk_set(conf, id);
	if (t.has_id)
		trunk_set(conf, t.id);
	return 0;
}

static int parse_trunks(const json_t *value, const struct jpath *at, void *member,
			struct cni_error *err)
{
	struct bridge_conf *conf = member;
	size_t n;

	if (jconf_array(value, at, VLAN_ID_MAX, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct jpath here = { .up = at, .idx = i };

		if (parse_one_trunk(json_array_get(value, i), &here, conf, err) < 0)
			return -1;
	}
	conf->has_trunk = true; /* an empty list too: it asks for a VLAN-aware bridge */
	return 0;
}

static int parse_dns(const json_t *value, const struct jpath *at, void *member,
		     struct cni_error *err)
{
	return cni_dns_decode(value, at, member, err);
}

static const struct jfield mac_fields[] = {
	{ "mac", J_MAC, .offset = offsetof(struct bridge_conf, mac), .has = true,
	  .has_offset = offsetof(struct bridge_conf, has_mac) },
};

static const struct jfield args_fields[] = { { "cni", jconf_table(mac_fields) } };

/* Each place of the MAC that is given overrides the one before; CNI_ARGS is the weakest. */
static const struct jfield mac_places[] = {
	{ "args", jconf_table(args_fields) },
	{ "runtimeConfig", jconf_table(mac_fields) },
};

static int parse_macs(const struct cni_args *args, struct bridge_conf *conf, struct cni_error *err)
{
	static const char *const keys[] = { "MAC" };
	const struct jpath env = { .key = "CNI_ARGS MAC" };
	scoped_free char *mac = NULL;

	if (cni_args_parse(args->cni_args, keys, &mac, 1, err) < 0)
		return -1;
	if (mac != NULL && jconf_mac(mac, &env, &conf->mac, &conf->has_mac, err) < 0)
		return -1;
	return jconf_fill(args->conf, NULL, mac_places, ARRAY_SIZE(mac_places), conf, err);
}

#define AT(member) .offset = offsetof(struct bridge_conf, member)

static const struct jfield fields[] = {
	{ "bridge", J_CUSTOM, AT(bridge), .custom = parse_bridge,
	  .doc = "name of the bridge, made if missing; default cni0" },
	{ "isGateway", J_BOOL, AT(is_gateway), .doc = "put the gateway's addresses on the bridge" },
	{ "isDefaultGateway", J_BOOL, AT(is_default_gateway),
	  .doc = "isGateway, and the pod's default routes go there" },
	{ "forceAddress", J_BOOL, AT(force_address),
	  .doc = "replace a differing address of the bridge" },
	{ "ipMasq", J_BOOL, AT(ip_masq), .doc = "masquerade what leaves the pod's subnet" },
	{ "ipMasqBackend", J_CUSTOM, .custom = parse_masq_backend,
	  .doc = "iptables or nftables; accepted, both mean our nftables table" },
	{ "mtu", J_CUSTOM, .custom = parse_mtu,
	  .doc = "0 to 65535, 0 is the kernel's; \"auto\" is that of the default route's link" },
	{ "hairpinMode", J_BOOL, AT(hairpin),
	  .doc = "let a pod's packets back out of its own port" },
	{ "promiscMode", J_BOOL, AT(promisc), .doc = "bridge in promiscuous mode" },
	{ "vlan", J_CUSTOM, AT(vlan), .custom = parse_vlan,
	  .doc = "0 to 4094: the port's own VLAN" },
	{ "vlanTrunk", J_CUSTOM, .custom = parse_trunks,
	  .doc = "list of {minID, maxID} and {id}: tagged VLANs of the port" },
	{ "preserveDefaultVlan", J_BOOL, AT(preserve_default_vlan),
	  .doc = "keep the port's default VLAN beside vlan and vlanTrunk; default false" },
	{ "macspoofchk", J_BOOL, AT(spoofcheck), .doc = "drop frames with another source MAC" },
	{ "portIsolation", J_BOOL, AT(isolated), .doc = "isolated ports do not reach each other" },
	{ "disableContainerInterface", J_BOOL, AT(pod_down), .doc = "leave the pod's end down" },
	{ "enabledad", J_BOOL, AT(enable_dad), .doc = "duplicate address detection for IPv6" },
	{ "dns", J_CUSTOM, AT(dns), .custom = parse_dns, .doc = "overrides IPAM's dns" },
};

static int check_combinations(const struct cni_args *args, const struct bridge_conf *conf,
			      struct cni_error *err)
{
	if (conf->hairpin && conf->promisc)
		return cni_fail(err, CNI_INVALID_CONFIG,
				"hairpinMode, promiscMode: cannot set hairpin mode and promiscuous "
				"mode at the same time");
	if (conf->pod_down && args->ipam_type != NULL)
		return cni_fail(err, CNI_INVALID_CONFIG,
				"disableContainerInterface: cannot use IPAM when "
				"DisableContainerInterface flag is set (ipam.type is \"%s\")",
				args->ipam_type);
	if (conf->vlan != 0 && conf->is_gateway &&
	    snprintf(NULL, 0, "%s.%u", conf->bridge, conf->vlan) >= IFNAME_MAX)
		return cni_fail(err, CNI_INVALID_CONFIG,
				"bridge: \"%s\" with vlan %u needs the gateway interface "
				"\"%s.%u\", longer than the kernel's 15 characters",
				conf->bridge, conf->vlan, conf->bridge, conf->vlan);
	return 0;
}

int bridge_conf_parse(const struct cni_args *args, struct bridge_conf *ret, struct cni_error *err)
{
	struct bridge_conf conf = { .bridge = DEFAULT_BRIDGE };

	if (jconf_fill(args->conf, NULL, fields, ARRAY_SIZE(fields), &conf, err) < 0 ||
	    parse_macs(args, &conf, err) < 0) {
		bridge_conf_free(&conf);
		return -1;
	}
	conf.is_gateway |= conf.is_default_gateway;
	if (check_combinations(args, &conf, err) < 0) {
		bridge_conf_free(&conf);
		return -1;
	}
	*ret = conf;
	return 0;
}

void bridge_conf_free(struct bridge_conf *conf)
{
	cni_dns_free(&conf->dns);
}

const char *bridge_conf_name(const struct cni_args *args)
{
	const char *name = json_string_value(jconf_get(args->conf, "bridge"));

	return name == NULL || ifname_problem(name) != NULL ? DEFAULT_BRIDGE : name;
}

bool bridge_conf_trunks(const struct bridge_conf *conf, unsigned id)
{
	return (conf->trunk[id / 8] >> (id % 8)) & 1;
}

bool bridge_conf_uses_vlans(const struct bridge_conf *conf)
{
	if (conf->vlan != 0)
		return true;
	for (size_t i = 0; i < sizeof(conf->trunk); i++) {
		if (conf->trunk[i] != 0)
			return true;
	}
	return false;
}
