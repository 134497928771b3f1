/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "cni/codec.h"
#include "conf/jconf.h"

#define ERROR_TEXT 512

/* A range as written: in "ranges", in runtimeConfig.ipRanges, or directly in "ipam". */
struct range_conf {
	struct range_text text;
	bool has_subnet;
};

// clang-format off
static const struct jfield range_fields[] = {
	{ "subnet", J_IPNET, .offset = offsetof(struct range_conf, text.subnet),
	  .has = true, .has_offset = offsetof(struct range_conf, has_subnet),
	  .doc = "the subnet, as a prefix; addresses are given with its length" },
	{ "rangeStart", J_IP, .offset = offsetof(struct range_conf, text.start),
	  .has = true, .has_offset = offsetof(struct range_conf, text.has_start),
	  .doc = "first address to give; default: the subnet's second address" },
	{ "rangeEnd", J_IP, .offset = offsetof(struct range_conf, text.end),
	  .has = true, .has_offset = offsetof(struct range_conf, text.has_end),
	  .doc = "last address to give; default: the last one, in IPv4 the one before the broadcast address" },
	{ "gateway", J_IP, .offset = offsetof(struct range_conf, text.gateway),
	  .has = true, .has_offset = offsetof(struct range_conf, text.has_gateway),
	  .doc = "the gateway, never given to anybody; default: the subnet's second address" },
};
// clang-format on

static int fill_range(const json_t *obj, const struct jpath *at, struct range_conf *ret,
		      struct cni_error *err)
{
	*ret = (struct range_conf){ .has_subnet = false };
	return jconf_fill(obj, at, range_fields, ARRAY_SIZE(range_fields), ret, err);
}

/* Say which set it is as the reference does, and in the details where it was written. */
static int fail_set(struct cni_error *err, size_t set, const struct jpath *at)
{
	char path[JPATH_MAX];
	int r = cni_wrap(err, "invalid range set %zu", set);

	jpath_print(at, path, sizeof(path));
	cni_details(err, "%s", path);
	return r;
}

/* Append a range to the set in the making, conf->sets[conf->n_sets]. */
static int append_range(struct host_local_conf *conf, const struct range_conf *range,
			const struct jpath *at, struct cni_error *err)
{
	struct range_set *set = &conf->sets[conf->n_sets];
	struct ip_range one;
	struct ip_range *bigger;

	if (!range->has_subnet)
		return jconf_fail(err, CNI_INVALID_CONFIG, at,
				  "a range needs a \"subnet\" (a prefix such as 10.1.2.0/24)");
	if (range_complete(&range->text, &one, err) < 0)
		return fail_set(err, conf->n_sets, at);
	bigger = realloc(set->r, (set->n + 1) * sizeof(*bigger));
	if (bigger == NULL)
		return cni_fail(err, CNI_INTERNAL, "no memory for the ranges");
	set->r = bigger;
	set->r[set->n++] = one;
	return 0;
}

static int start_set(struct host_local_conf *conf, const struct jpath *at, struct cni_error *err)
{
	if (conf->n_sets == HOST_LOCAL_SETS_MAX)
		return jconf_fail(err, CNI_INVALID_CONFIG, at,
				  "more than the %d range sets allowed", HOST_LOCAL_SETS_MAX);
	conf->sets[conf->n_sets] = (struct range_set){ .n = 0 };
	return 0;
}

/* Undo start_set() for a set that turned out wrong, or keep it. */
static int end_set(struct host_local_conf *conf, int r, const struct jpath *at,
		   struct cni_error *err)
{
	struct range_set *set = &conf->sets[conf->n_sets];

	if (r == 0 && range_set_check(set, err) < 0)
		r = fail_set(err, conf->n_sets, at);
	if (r < 0) {
		free(set->r);
		*set = (struct range_set){ .n = 0 };
		return -1;
	}
	conf->n_sets++;
	return 0;
}

/* One set: a list of ranges, or a range alone. */
static int parse_set(const json_t *value, const struct jpath *at, struct host_local_conf *conf,
		     struct cni_error *err)
{
	const bool alone = json_is_object(value);
	struct range_conf range;
	size_t n = 1;
	int r = 0;

	if ((!alone && jconf_array(value, at, HOST_LOCAL_RANGES_MAX, &n, err) < 0) ||
	    start_set(conf, at, err) < 0)
		return -1;
	for (size_t i = 0; r == 0 && i < n; i++) {
		const struct jpath here = { .up = at, .idx = i };
		const json_t *one = alone ? value : json_array_get(value, i);

		r = fill_range(one, alone ? at : &here, &range, err);
		if (r == 0)
			r = append_range(conf, &range, alone ? at : &here, err);
	}
	return end_set(conf, r, at, err);
}

static int parse_sets(const json_t *value, const struct jpath *at, bool alone_allowed,
		      struct host_local_conf *conf, struct cni_error *err)
{
	size_t n;

	if (jconf_array(value, at, HOST_LOCAL_SETS_MAX, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct jpath here = { .up = at, .idx = i };
		const json_t *set = json_array_get(value, i);

		if (!json_is_array(set) && !(alone_allowed && json_is_object(set)))
			return jconf_fail(err, CNI_DECODE, &here,
					  "a range set must be a list of ranges");
		if (parse_set(set, &here, conf, err) < 0)
			return -1;
	}
	return 0;
}

static int parse_ranges(const json_t *value, const struct jpath *at, void *member,
			struct cni_error *err)
{
	return parse_sets(value, at, false, member, err);
}

/* The capability: containerd's library has it as a flat list of ranges, each an address of its
 * own (cni-spec.md Q-02). */
static int parse_ip_ranges(const json_t *value, const struct jpath *at, void *member,
			   struct cni_error *err)
{
	return parse_sets(value, at, true, member, err);
}

static int parse_routes(const json_t *value, const struct jpath *at, void *member,
			struct cni_error *err)
{
	struct host_local_conf *conf = member;
	size_t n;

	if (jconf_array(value, at, HOST_LOCAL_ROUTES_MAX, &n, err) < 0)
		return -1;
	if (n == 0)
		return 0;
	conf->routes = calloc(n, sizeof(*conf->routes));
	if (conf->routes == NULL)
		return cni_fail(err, CNI_INTERNAL, "no memory for %zu routes", n);
	for (conf->n_routes = 0; conf->n_routes < n; conf->n_routes++) {
		const struct jpath here = { .up = at, .idx = conf->n_routes };

		if (cni_route_decode(json_array_get(value, conf->n_routes), &here,
				     &conf->routes[conf->n_routes], err) < 0)
			return -1;
	}
	return 0;
}

/* "10.1.2.3" or "10.1.2.3/24"; of the second form only the address counts. */
static bool parse_requested(const char *s, struct ip *ret)
{
	struct ipnet net;

	if (strchr(s, '/') == NULL)
		return ip_parse(s, ret);
	if (!ipnet_parse(s, &net))
		return false;
	*ret = net.addr;
	return true;
}

static int parse_ips(const json_t *value, const struct jpath *at, void *member,
		     struct cni_error *err)
{
	struct host_local_conf *conf = member;
	size_t n;

	if (jconf_array(value, at, HOST_LOCAL_REQUESTED_MAX - conf->n_requested, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct jpath here = { .up = at, .idx = i };
		const char *s;

		if (jconf_str(json_array_get(value, i), &here, 0, &s, err) < 0)
			return -1;
		if (s[0] == '\0')
			return jconf_fail(err, CNI_INVALID_CONFIG, &here,
					  "cannot understand ip: it is empty");
		if (!parse_requested(s, &conf->requested[conf->n_requested]))
			return jconf_fail(err, CNI_INVALID_CONFIG, &here, "invalid IP address %s",
					  s);
		conf->n_requested++;
	}
	return 0;
}

static int parse_env_ip(const char *cni_args, struct host_local_conf *conf, struct cni_error *err)
{
	static const char *const keys[] = { "IP" };
	scoped_free char *ip = NULL;

	if (cni_args_parse(cni_args, keys, &ip, 1, err) < 0)
		return -1;
	if (ip == NULL || ip[0] == '\0')
		return 0;
	if (!parse_requested(ip, &conf->requested[0]))
		return cni_fail(err, CNI_BAD_ENV,
				"CNI_ARGS: IP: invalid IP address %s (one address is expected)",
				ip);
	conf->n_requested = 1;
	return 0;
}

static int parse_data_dir(const json_t *value, const struct jpath *at, void *member,
			  struct cni_error *err)
{
	const char **data_dir = member;
	const char *s;

	if (jconf_str(value, at, 0, &s, err) < 0)
		return -1;
	if (s[0] == '\0')
		return 0; /* the default, as in the reference */
	if (s[0] != '/')
		return jconf_fail(err, CNI_INVALID_CONFIG, at, "\"%s\" is not an absolute path", s);
	*data_dir = s;
	return 0;
}

static const struct jfield dir_fields[] = {
	{ "dataDir", J_CUSTOM, .offset = offsetof(struct host_local_conf, data_dir),
	  .custom = parse_data_dir,
	  .doc = "the folder of the reservations; default " HOST_LOCAL_DATA_DIR },
};

static const struct jfield ipam_fields[] = {
	{ "resolvConf", J_STR, .offset = offsetof(struct host_local_conf, resolv_conf),
	  .doc = "a resolv.conf(5) whose name servers become the result's" },
	{ "ranges", J_CUSTOM, .custom = parse_ranges,
	  .doc = "range sets: one address is given out of each; a set is a list of ranges" },
	{ "routes", J_CUSTOM, .custom = parse_routes, .doc = "routes, copied into the result" },
};

/* The first one may also come in args.cni. */
static const struct jfield runtime_fields[] = {
	{ "ips", J_CUSTOM, .custom = parse_ips, .doc = "capability ips: addresses asked for" },
	{ "ipRanges", J_CUSTOM, .custom = parse_ip_ranges,
	  .doc = "capability ipRanges: range sets, put before all others" },
};

static const struct jfield args_fields[] = {
	{ "cni", J_TABLE, .table = runtime_fields, .n_table = 1 },
};

static const struct jfield ask_fields[] = {
	{ "args", jconf_table(args_fields) },
	{ "runtimeConfig", jconf_table(runtime_fields) },
};

/* In the reference's order: the runtime's sets, the one written directly into "ipam", "ranges". */
static int parse_all(const struct cni_args *args, const json_t *ipam, struct host_local_conf *conf,
		     struct cni_error *err)
{
	const struct jpath at_ipam = { .key = "ipam" };
	struct range_conf legacy;

	if (parse_env_ip(args->cni_args, conf, err) < 0 ||
	    jconf_fill(args->conf, NULL, ask_fields, ARRAY_SIZE(ask_fields), conf, err) < 0 ||
	    fill_range(ipam, &at_ipam, &legacy, err) < 0)
		return -1;
	if (legacy.has_subnet && parse_set(ipam, &at_ipam, conf, err) < 0)
		return -1;
	if (jconf_fill(ipam, &at_ipam, dir_fields, ARRAY_SIZE(dir_fields), conf, err) < 0)
		return -1;
	return jconf_fill(ipam, &at_ipam, ipam_fields, ARRAY_SIZE(ipam_fields), conf, err);
}

/* Versions before 0.3.0 have room for one address of each family in a result. */
static int check_families(const struct host_local_conf *conf, enum cni_version version,
			  struct cni_error *err)
{
	size_t n4 = 0;

	for (size_t i = 0; i < conf->n_sets; i++)
		n4 += ip_is4(&conf->sets[i].r[0].start) ? 1 : 0;
	if (version >= CNI_V030 || (n4 <= 1 && conf->n_sets - n4 <= 1))
		return 0;
	return cni_fail(err, CNI_INVALID_CONFIG,
			"CNI version %s does not support more than 1 address per family",
			cni_version_text(version));
}

static int fail_overlap(const struct host_local_conf *conf, size_t i, size_t j,
			struct cni_error *err)
{
	char one[ERROR_TEXT], other[ERROR_TEXT];
	int r = cni_fail(err, CNI_INVALID_CONFIG, "range set %zu overlaps with %zu", i, j);

	range_set_print(&conf->sets[i], one, sizeof(one));
	range_set_print(&conf->sets[j], other, sizeof(other));
	cni_details(err, "%s and %s", one, other);
	return r;
}

static int check_overlaps(const struct host_local_conf *conf, struct cni_error *err)
{
	for (size_t i = 0; i < conf->n_sets; i++) {
		for (size_t j = i + 1; j < conf->n_sets; j++) {
			if (range_set_overlaps(&conf->sets[i], &conf->sets[j]))
				return fail_overlap(conf, i, j, err);
		}
	}
	return 0;
}

static int check_some(const struct host_local_conf *conf, struct cni_error *err)
{
	int r;

	if (conf->n_sets > 0)
		return 0;
	r = cni_fail(err, CNI_INVALID_CONFIG, "no IP ranges specified");
	cni_details(err, "give ipam.ranges, ipam.subnet, or the capability ipRanges");
	return r;
}

static int get_ipam(const struct cni_args *args, const json_t **ret, struct cni_error *err)
{
	*ret = jconf_get(args->conf, "ipam");
	if (*ret == NULL)
		return cni_fail(err, CNI_INVALID_CONFIG, "IPAM config missing 'ipam' key");
	return 0;
}

int host_local_conf_parse(const struct cni_args *args, struct host_local_conf *ret,
			  struct cni_error *err)
{
	scoped_host_local_conf struct host_local_conf conf = { .data_dir = HOST_LOCAL_DATA_DIR };
	const json_t *ipam;

	if (get_ipam(args, &ipam, err) < 0 || parse_all(args, ipam, &conf, err) < 0 ||
	    check_some(&conf, err) < 0 || check_families(&conf, args->version, err) < 0 ||
	    check_overlaps(&conf, err) < 0)
		return -1;
	if (conf.resolv_conf != NULL && conf.resolv_conf[0] == '\0')
		conf.resolv_conf = NULL;
	*ret = conf;
	conf = (struct host_local_conf){ .n_sets = 0 }; /* its parts are the caller's now */
	return 0;
}

void host_local_conf_free(struct host_local_conf *conf)
{
	for (size_t i = 0; i < conf->n_sets; i++)
		free(conf->sets[i].r);
	free(conf->routes);
	*conf = (struct host_local_conf){ .data_dir = HOST_LOCAL_DATA_DIR };
}

int host_local_conf_data_dir(const struct cni_args *args, const char **ret, struct cni_error *err)
{
	const struct jpath at = { .key = "ipam" };
	struct host_local_conf conf = { .data_dir = HOST_LOCAL_DATA_DIR };

	if (jconf_fill(jconf_get(args->conf, "ipam"), &at, dir_fields, ARRAY_SIZE(dir_fields),
		       &conf, err) < 0)
		return -1;
	*ret = conf.data_dir;
	return 0;
}
