/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf.h"

#include <limits.h>
#include <string.h>

#include "base/text.h"
#include "cni/conflist.h"
#include "conf/jconf.h"
#include "nft/xtables.h"

/* What the tables fill; one offset of everything. */
struct parsed {
	struct overlay_conf *conf;
	struct overlay o;
	uint32_t port;
	const char *device4, *device6;
	struct ipnet *non_masq;
	size_t n_non_masq;
	bool masq, drop_strangers, forward;
	uint32_t mark_bit;
	const json_t *nodes;
	const char *nodes_file, *node;
};

#define AT(member) .offset = offsetof(struct parsed, member)

/* ---- backend */

const char *const overlay_backend_names[OVERLAY_BACKENDS] = {
	[OVERLAY_VXLAN] = "vxlan",
	[OVERLAY_IPIP] = "ipip",
	[OVERLAY_HOST_GW] = "host-gw",
};

int overlay_parse_backend(const json_t *value, const struct jpath *at, void *member,
			  struct cni_error *err)
{
	static const struct jchoice choice = { "unknown backend", overlay_backend_names,
					       OVERLAY_BACKENDS };
	enum overlay_backend *backend = member;
	size_t i;

	if (jconf_choice(value, at, &choice, &i, err) < 0)
		return -1;
	if (i < OVERLAY_BACKENDS)
		*backend = (enum overlay_backend)i;
	return 0;
}

static int parse_checksum(const json_t *value, const struct jpath *at, void *member,
			  struct cni_error *err)
{
	static const char *const names[] = { "auto", "outer-off", "off" };
	static const enum overlay_checksum policies[] = { OVERLAY_CSUM_AUTO, OVERLAY_CSUM_OUTER_OFF,
							  OVERLAY_CSUM_OFF };
	static const struct jchoice choice = { "unknown checksum policy", names,
					       ARRAY_SIZE(names) };
	enum overlay_checksum *policy = member;
	size_t i;

	if (jconf_choice(value, at, &choice, &i, err) < 0)
		return -1;
	if (i < ARRAY_SIZE(names))
		*policy = policies[i];
	return 0;
}

static int parse_device(const json_t *value, const struct jpath *at, void *member,
			struct cni_error *err)
{
	const char **name = member, *text, *problem;

	if (jconf_str(value, at, 64, &text, err) < 0)
		return -1;
	problem = ifname_problem(text);
	if (problem != NULL)
		return jconf_fail(err, CNI_INVALID_CONFIG, at, "\"%s\" is no interface name: %s",
				  text, problem);
	*name = text;
	return 0;
}

/* Offsets count from the whole: "backend" lies at offset 0. */
static const struct jfield backend_fields[] = {
	{ "type", J_CUSTOM, AT(o.backend), .custom = overlay_parse_backend,
	  .doc = "vxlan, ipip or host-gw" },
	{ "vni", J_UINT, AT(o.vni), .min = 1, .max = 0xffffff,
	  .doc = "vxlan: the network's number" },
	{ "port", J_UINT, AT(port), .min = 1, .max = UINT16_MAX, .doc = "vxlan: UDP port" },
	{ "mtu", J_UINT, AT(o.mtu), .max = UINT16_MAX, .doc = "of the underlay" },
	{ "learning", J_BOOL, AT(o.learning), .doc = "vxlan: learn senders" },
	{ "gbp", J_BOOL, AT(o.gbp), .doc = "vxlan: group based policy" },
	{ "directRouting", J_BOOL, AT(o.direct_routing), .doc = "no tunnel on our own L2" },
	{ "checksum", J_CUSTOM, AT(o.checksum), .custom = parse_checksum,
	  .doc = "vxlan: auto, outer-off or off" },
	{ "device", J_CUSTOM, AT(device4), .custom = parse_device, .doc = "the device's name" },
	{ "deviceV6", J_CUSTOM, AT(device6), .custom = parse_device, .doc = "that of IPv6" },
};

/* ---- the rest */

static int parse_network(const json_t *value, const struct jpath *at, bool v4, struct ipnet *ret,
			 struct cni_error *err)
{
	struct ipnet net, masked;
	char text[IPNET_TEXT];

	if (jconf_ipnet(value, at, &net, err) < 0)
		return -1;
	masked = ipnet_masked(&net);
	ipnet_print(&masked, text);
	if (ip_is4(&net.addr) != v4)
		return jconf_fail(err, CNI_INVALID_CONFIG, at, "%s is an IPv%d prefix; %s", text,
				  v4 ? 6 : 4, v4 ? "networkV6 takes it" : "network takes it");
	if (!ipnet_equal(&net, &masked))
		return jconf_fail(err, CNI_INVALID_CONFIG, at,
				  "%s has bits set behind its length; write %s",
				  json_string_value(value), text);
	if (ipnet_is_default(&net))
		return jconf_fail(err, CNI_INVALID_CONFIG, at,
				  "%s is everything; give the pods' own prefix", text);
	*ret = net;
	return 0;
}

static int parse_network4(const json_t *value, const struct jpath *at, void *member,
			  struct cni_error *err)
{
	struct overlay *o = member;

	o->has4 = parse_network(value, at, true, &o->network4, err) == 0;
	return o->has4 ? 0 : -1;
}

static int parse_network6(const json_t *value, const struct jpath *at, void *member,
			  struct cni_error *err)
{
	struct overlay *o = member;

	o->has6 = parse_network(value, at, false, &o->network6, err) == 0;
	return o->has6 ? 0 : -1;
}

static int parse_non_masq(const json_t *value, const struct jpath *at, void *member,
			  struct cni_error *err)
{
	struct parsed *p = member;
	size_t n;

	if (jconf_array(value, at, OVERLAY_NONMASQ_MAX, &n, err) < 0)
		return -1;
	p->non_masq = calloc(n + 1, sizeof(*p->non_masq));
	if (p->non_masq == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	for (size_t i = 0; i < n; i++) {
		const struct jpath here = { .up = at, .idx = i };

		if (jconf_ipnet(json_array_get(value, i), &here, &p->non_masq[i], err) < 0)
			return -1;
		p->non_masq[i] = ipnet_masked(&p->non_masq[i]);
	}
	p->n_non_masq = n;
	return 0;
}

static int parse_senders(const json_t *value, const struct jpath *at, void *member,
			 struct cni_error *err)
{
	static const char *const names[] = { "nodes" };
	static const struct jchoice choice = { "unknown policy", names, ARRAY_SIZE(names) };
	bool *drop = member;
	size_t i;

	if (jconf_choice(value, at, &choice, &i, err) < 0)
		return -1;
	*drop = i == 0;
	return 0;
}

static int parse_list(const json_t *value, const struct jpath *at, void *member,
		      struct cni_error *err)
{
	const json_t **list = member;

	if (!json_is_array(value))
		return jconf_fail(err, CNI_DECODE, at, "expected a list of nodes");
	*list = value;
	return 0;
}

static const struct jfield fields[] = {
	{ "network", J_CUSTOM, AT(o), .custom = parse_network4, .doc = "all pods of the cluster" },
	{ "networkV6", J_CUSTOM, AT(o), .custom = parse_network6, .doc = "their IPv6 addresses" },
	{ "backend", jconf_table(backend_fields), .doc = "how packets cross between nodes" },
	{ "ipMasq", J_BOOL, AT(masq), .doc = "masquerade what pods send to others than pods" },
	{ "nonMasqueradeCIDRs", J_CUSTOM, .custom = parse_non_masq, .doc = "but not to these" },
	{ "forward", J_BOOL, AT(forward),
	  .doc = "pods may pass where FORWARD drops; default true" },
	{ "markForwardBit", J_UINT, AT(mark_bit), .max = 31, .doc = "of the mark for that; 12" },
	{ "senders", J_CUSTOM, AT(drop_strangers), .custom = parse_senders, .doc = "nodes" },
	{ "nodes", J_CUSTOM, AT(nodes), .custom = parse_list, .doc = "the cluster" },
	{ "nodesFile", J_STR, AT(nodes_file), .max = PATH_MAX - 1, .doc = "a file with that list" },
	{ "node", J_STR, AT(node), .max = OVERLAY_NODE_NAME_MAX, .doc = "our entry's name" },
	{ "delegate", J_CUSTOM, .custom = jconf_object, .doc = "the pod's interface; bridge" },
	{ "ipam", J_CUSTOM, .custom = jconf_object, .doc = "base of its ipam; host-local" },
	{ "runtimeConfig", J_CUSTOM, .custom = jconf_object, .doc = "goes to the delegate" },
};

/* ---- what has to fit together */

static int check(const struct parsed *p, struct cni_error *err)
{
	if (!p->o.has4 && !p->o.has6)
		return cni_fail(err, CNI_INVALID_CONFIG,
				"network: the key is missing; give the pods' prefix as network "
				"(IPv4), networkV6 or both");
	if (p->o.has6 && p->o.backend == OVERLAY_IPIP)
		return cni_fail(err, CNI_INVALID_CONFIG,
				"networkV6: ipip carries IPv4 only; take backend.type vxlan or "
				"host-gw, or leave networkV6 out");
	if (p->nodes != NULL && p->nodes_file != NULL)
		return cni_fail(
		    err, CNI_INVALID_CONFIG,
		    "nodesFile: there is a list of nodes as well; leave one of them out");
	if (p->nodes == NULL && p->nodes_file == NULL)
		return cni_fail(err, CNI_INVALID_CONFIG,
				"nodes: the key is missing; list the nodes there or in a file that "
				"nodesFile names");
	if (p->nodes_file != NULL && p->nodes_file[0] != '/')
		return cni_fail(err, CNI_INVALID_CONFIG,
				"nodesFile: \"%.256s\" is not an absolute path", p->nodes_file);
	if (p->drop_strangers && p->o.backend != OVERLAY_VXLAN)
		return cni_fail(
		    err, CNI_INVALID_CONFIG,
		    "senders: only backend.type vxlan can tell who sends; leave it out");
	return 0;
}

static int check_name(const char *network, struct cni_error *err)
{
	return strlen(network) <= OVERLAY_NAME_MAX
		   ? 0
		   : cni_fail(err, CNI_INVALID_CONFIG,
			      "name: longer than %d bytes, which an "
			      "overlay's cannot be",
			      OVERLAY_NAME_MAX);
}

/* flannel's names, as long as the kernel takes them: of a large VNI they are too long. */
static void name_devices(const struct parsed *p, struct overlay_conf *conf)
{
	struct overlay *o = &conf->overlay;

	conf->device4[0] = conf->device6[0] = '\0';
	if (o->backend == OVERLAY_IPIP)
		(void)text_format(conf->device4, IFNAME_MAX, "flannel.ipip");
	else if (o->backend == OVERLAY_VXLAN) {
		if (!text_format(conf->device4, IFNAME_MAX, "flannel.%u", o->vni))
			(void)text_format(conf->device4, IFNAME_MAX, "flan.%u", o->vni);
		if (!text_format(conf->device6, IFNAME_MAX, "flannel-v6.%u", o->vni))
			(void)text_format(conf->device6, IFNAME_MAX, "flan6.%u", o->vni);
	}
	if (p->device4 != NULL && conf->device4[0] != '\0')
		(void)text_format(conf->device4, IFNAME_MAX, "%s", p->device4);
	if (p->device6 != NULL && conf->device6[0] != '\0')
		(void)text_format(conf->device6, IFNAME_MAX, "%s", p->device6);
	o->device4 = conf->device4[0] != '\0' ? conf->device4 : NULL;
	o->device6 = conf->device6[0] != '\0' ? conf->device6 : NULL;
}

static int check_devices(const struct overlay *o, struct cni_error *err)
{
	if (o->has4 && o->has6 && o->device4 != NULL && o->device6 != NULL &&
	    strcmp(o->device4, o->device6) == 0)
		return cni_fail(
		    err, CNI_INVALID_CONFIG,
		    "backend.deviceV6: \"%s\" is the IPv4 device's name; choose another",
		    o->device6);
	return 0;
}

/* ---- the delegate, as far as we look at it */

static void look_at_delegate(const json_t *doc, struct overlay_conf *conf)
{
	const json_t *delegate = jconf_get(doc, "delegate");
	const char *type = json_string_value(json_object_get(delegate, "type"));
	const char *name = json_string_value(jconf_get(delegate, "bridge"));

	conf->bridge = type == NULL || strcmp(type, "bridge") == 0;
	conf->bridge_name = name != NULL && name[0] != '\0' ? name : "cni0";
	conf->force_address = json_is_true(jconf_get(delegate, "forceAddress"));
}

/* ---- digest */

/* Of what makes the node's side; other keys, which differ from call to call, do not count. */
static int make_digest(const json_t *doc, const char *network, char ret[OVERLAY_DIGEST],
		       struct cni_error *err)
{
	static const char *const keys[] = { "network", "networkV6",	"backend",
					    "ipMasq",  "senders",	"nonMasqueradeCIDRs",
					    "nodes",   "nodesFile",	"node",
					    "forward", "markForwardBit" };
	scoped_json json_t *part = json_object();
	scoped_free char *text = NULL;
	const char *strings[2];

	for (size_t i = 0; i < ARRAY_SIZE(keys) && part != NULL; i++) {
		json_t *value = jconf_get(doc, keys[i]);

		if (value != NULL && json_object_set(part, keys[i], value) < 0)
			return cni_fail(err, CNI_INTERNAL, "out of memory");
	}
	text = part != NULL ? json_dumps(part, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	if (text == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	strings[0] = network;
	strings[1] = text;
	text_base32(text_hash(strings, 2), OVERLAY_DIGEST - 1, ret);
	return 0;
}

/* ---- entry */

void overlay_conf_free(struct overlay_conf *conf)
{
	free(conf->non_masq);
	conf->non_masq = NULL;
	json_decref(conf->doc);
	conf->doc = NULL;
}

static int fill(const json_t *doc, struct parsed *p, struct overlay_conf *conf,
		struct cni_error *err)
{
	int r = jconf_fill(doc, NULL, fields, ARRAY_SIZE(fields), p, err);

	conf->non_masq = p->non_masq;
	conf->n_non_masq = p->n_non_masq;
	return r;
}

int overlay_conf_parse(const json_t *doc, const char *network, struct overlay_conf *ret,
		       struct cni_error *err)
{
	struct parsed p = { .o = { .backend = OVERLAY_VXLAN, .vni = 1 },
			    .port = 8472,
			    .forward = true,
			    .mark_bit = XTABLES_MARK_BIT };

	*ret = (struct overlay_conf){ .network = network };
	if (check_name(network, err) < 0 || fill(doc, &p, ret, err) < 0 || check(&p, err) < 0 ||
	    delegate_conf_check(doc, "overlay", err) < 0)
		return -1;
	ret->overlay = p.o;
	ret->overlay.port = (uint16_t)p.port;
	ret->masq = p.masq;
	ret->drop_strangers = p.drop_strangers;
	ret->forward = p.forward;
	ret->mark_bit = p.mark_bit;
	ret->nodes = p.nodes;
	ret->nodes_file = p.nodes_file;
	ret->node = p.node != NULL && p.node[0] != '\0' ? p.node : NULL;
	name_devices(&p, ret);
	look_at_delegate(doc, ret);
	if (check_devices(&ret->overlay, err) < 0)
		return -1;
	return make_digest(doc, network, ret->digest, err);
}

int overlay_conf_read(const char *text, size_t len, const char *what, struct overlay_conf *ret,
		      struct cni_error *err)
{
	json_t *doc;
	int r;

	*ret = (struct overlay_conf){ .doc = NULL };
	if (cni_conflist_entry(text, len, what, "overlay", &doc, err) < 0)
		return -1;
	r = overlay_conf_parse(doc, json_string_value(json_object_get(doc, "name")), ret, err);
	ret->doc = doc;
	return r < 0 ? cni_wrap(err, "%.256s", what) : 0;
}

/* ---- what is left of a damaged one */

static void salvage_networks(const json_t *doc, struct overlay *ret)
{
	struct cni_error ignored;

	*ret = (struct overlay){ .has4 = false };
	for (size_t i = 0; i < 2; i++) { /* network and networkV6 */
		struct parsed p = { .o = *ret };

		if (jconf_fill(doc, NULL, &fields[i], 1, &p, &ignored) == 0)
			*ret = p.o;
	}
	if (!ret->has4 && !ret->has6) { /* host-local wants ranges, and looks at none of them */
		ret->has4 = true;
		(void)ipnet_parse("192.0.2.0/24", &ret->network4);
	}
}

/* An object without the key that could keep the delegate's configuration from being made. */
static bool keep_object(json_t *to, const json_t *doc, const char *key, const char *without)
{
	json_t *value = jconf_get(doc, key), *copy;

	if (!json_is_object(value))
		return true;
	copy = json_copy(value);
	if (without != NULL)
		(void)json_object_del(copy, without);
	return json_object_set_new(to, key, copy) == 0;
}

static int salvage(const json_t *doc, json_t **ret, struct cni_error *err)
{
	scoped_json json_t *kept = json_object();
	const json_t *type = json_object_get(jconf_get(doc, "delegate"), "type");
	json_t *version = jconf_get(doc, "cniVersion");

	if (!keep_object(kept, doc, "delegate", json_is_string(type) ? NULL : "type") ||
	    !keep_object(kept, doc, "ipam", "routes") ||
	    !keep_object(kept, doc, "runtimeConfig", NULL) ||
	    (version != NULL && json_object_set(kept, "cniVersion", version) < 0))
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	*ret = take_ptr(&kept);
	return 0;
}

int overlay_conf_salvage(const struct cni_args *args, struct delegate_conf *ret,
			 struct cni_error *err)
{
	SCOPED(delegate_conf_free) struct delegate_conf d = { .len = 0 };
	scoped_json json_t *kept = NULL;
	struct cni_args call = *args;
	struct overlay o;

	salvage_networks(args->conf, &o);
	if (salvage(args->conf, &kept, err) < 0)
		return -1;

	const struct delegate_wants wants = {
		.v4 = { .has_subnet = o.has4, .subnet = o.network4 },
		.v6 = { .has_subnet = o.has6, .subnet = o.network6 },
	};

	call.conf = kept;
	if (delegate_conf_build(&call, &wants, &d, err) < 0 ||
	    delegate_conf_complete(args, &d, err) < 0)
		return -1;
	*ret = d;
	d = (struct delegate_conf){ .len = 0 };
	return 0;
}
