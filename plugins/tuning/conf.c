/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "conf/jconf.h"

/* ---- kernel switches */

static bool components_valid(const char *path, bool empty_too)
{
	for (;;) {
		size_t n = strcspn(path, "/");

		if ((n == 0 && !empty_too) || (n == 1 && path[0] == '.') ||
		    (n == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		if (path[n] == '\0')
			return true;
		path += n + 1;
	}
}

bool tuning_path_valid(const char *path)
{
	return strncmp(path, "net/", 4) == 0 && strlen(path) < TUNING_PATH &&
	       components_valid(path, false);
}

/* What the allow-list's patterns are proven for (allowlist.c), and all that the kernel uses. */
static bool printable(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text <= ' ' || *text > '~')
			return false;
	}
	return true;
}

/* As sysctl(8): where a slash comes first, dots are part of names (eth0.100). */
static bool make_path(const char *key, const char *ifname, char path[TUNING_PATH])
{
	char separated[TUNING_PATH];
	const char *mark;
	bool dots = key[strcspn(key, "./")] == '.';

	if (!text_format(separated, sizeof(separated), "%s", key))
		return false;
	for (char *p = separated; dots && *p != '\0'; p++) {
		if (*p == '.')
			*p = '/';
	}
	mark = strstr(separated, "IFNAME");
	if (mark == NULL)
		return text_format(path, TUNING_PATH, "%s", separated);
	return text_format(path, TUNING_PATH, "%.*s%s%s", (int)(mark - separated), separated,
			   ifname, mark + strlen("IFNAME"));
}

static struct tuning_sysctl *find(struct tuning_conf *conf, const char *key)
{
	for (size_t i = 0; i < conf->n_sysctls; i++) {
		if (conf->sysctls[i].key != NULL && strcmp(conf->sysctls[i].key, key) == 0)
			return &conf->sysctls[i];
	}
	return NULL;
}

static int parse_sysctl(const char *key, const json_t *value, const struct jpath *at,
			struct tuning_conf *conf, struct cni_error *err)
{
	struct tuning_sysctl *s = find(conf, key);
	const char *text;

	if (jconf_str(value, at, TUNING_VALUE_MAX - 1, &text, err) < 0)
		return -1;
	if (s == NULL && conf->n_sysctls == TUNING_SYSCTLS_MAX)
		return jconf_fail(err, CNI_INVALID_CONFIG, at, "more than %d sysctls",
				  TUNING_SYSCTLS_MAX);
	if (s == NULL)
		s = &conf->sysctls[conf->n_sysctls++];
	*s = (struct tuning_sysctl){ .key = key, .value = text };
	return 0;
}

/* args.cni's come second: they override, and stand behind. */
static int parse_sysctls(const json_t *obj, const struct jpath *at, void *member,
			 struct cni_error *err)
{
	struct tuning_conf *conf = member;
	const char *key;
	json_t *value;

	if (!json_is_object(obj))
		return jconf_fail(err, CNI_DECODE, at, "expected an object of names and values");
	if (conf->sysctls == NULL)
		conf->sysctls = calloc(TUNING_SYSCTLS_MAX, sizeof(*conf->sysctls));
	if (conf->sysctls == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	json_object_foreach((json_t *)(uintptr_t)obj, key, value) {
		const struct jpath here = { .up = at, .key = key };

		if (parse_sysctl(key, value, &here, conf, err) < 0)
			return -1;
	}
	return 0;
}

/*
 * Of two keys of one name the decoder keeps the last without a word. jansson tells where a second
 * one ends, but neither which it is if the text before is long, nor in which object: a name that
 * also stands twice elsewhere is blamed, one that is spelt with an escape or stands behind
 * another key's duplicate is not seen.
 */
static int refuse_duplicates(const struct cni_args *args, const struct tuning_conf *conf,
			     struct cni_error *err)
{
	json_error_t error;
	scoped_json json_t *doc =
	    json_loadb(args->stdin_text, args->stdin_len, JSON_REJECT_DUPLICATES, &error);
	size_t end = doc == NULL && error.position > 0 ? (size_t)error.position : 0;
	char quoted[TUNING_PATH + 2];

	if (doc != NULL || json_error_code(&error) != json_error_duplicate_key)
		return 0;
	for (size_t i = 0; i < conf->n_sysctls; i++) {
		const char *key = conf->sysctls[i].key;

		if (text_format(quoted, sizeof(quoted), "\"%s\"", key) && strlen(quoted) <= end &&
		    memcmp(args->stdin_text + end - strlen(quoted), quoted, strlen(quoted)) == 0)
			return cni_fail(err, CNI_INVALID_CONFIG,
					"sysctl: duplicated sysctl keys are not allowed: %s stands "
					"there twice",
					quoted);
	}
	return 0;
}

static int locate_sysctls(const struct cni_args *args, struct tuning_conf *conf,
			  struct cni_error *err)
{
	/* STATUS is about no interface: any name shows whether the keys are well formed. */
	const char *ifname = args->ifname[0] != '\0' ? args->ifname : "lo";

	if (conf->n_sysctls == 0)
		return 0;
	for (size_t i = 0; i < conf->n_sysctls; i++) {
		struct tuning_sysctl *s = &conf->sysctls[i];

		if (!printable(s->key) || !make_path(s->key, ifname, s->path) ||
		    !tuning_path_valid(s->path))
			return cni_fail(err, CNI_INVALID_CONFIG,
					"invalid net sysctl key: \"%s\" (a switch below "
					"/proc/sys/net, like net.ipv4.conf.IFNAME.log_martians)",
					s->key);
	}
	return refuse_duplicates(args, conf, err);
}

/* ---- the link */

static int parse_mtu(const json_t *value, const struct jpath *at, void *member,
		     struct cni_error *err)
{
	struct link_values *link = &((struct tuning_conf *)member)->link;
	uint64_t mtu;

	if (jconf_uint(value, at, 0, 65535, &mtu, err) < 0)
		return -1;
	if (mtu != 0 && mtu < 68)
		return jconf_fail(err, CNI_INVALID_CONFIG, at,
				  "%u is below IPv4's smallest MTU, 68 (0 leaves it as it is)",
				  (unsigned)mtu);
	link->has_mtu = mtu != 0;
	link->mtu = (uint32_t)mtu;
	return 0;
}

/* ---- the configuration */

static const char *dir_problem(const char *dir)
{
	if (dir[0] != '/')
		return "is not an absolute path";
	if (strlen(dir) > TUNING_DIR_MAX)
		return "is too long";
	return components_valid(dir, true) ? NULL : "has a component \".\" or \"..\"";
}

static int parse_dir(const json_t *value, const struct jpath *at, void *member,
		     struct cni_error *err)
{
	struct tuning_conf *conf = member;
	const char *dir, *problem;

	if (jconf_str(value, at, TUNING_DIR_MAX, &dir, err) < 0)
		return -1;
	if (dir[0] == '\0')
		return 0; /* as absent */
	problem = dir_problem(dir);
	if (problem != NULL)
		return jconf_fail(err, CNI_INVALID_CONFIG, at, "\"%s\" %s", dir, problem);
	conf->data_dir = dir;
	return 0;
}

#define AT(member)  .offset = offsetof(struct tuning_conf, member)
#define HAS(member) .has = true, .has_offset = offsetof(struct tuning_conf, member)

/* Custom parsers get the struct itself: their fields' offset is 0. The first ones may also come in
 * args.cni. */
static const struct jfield fields[] = {
	{ "sysctl", J_CUSTOM, .custom = parse_sysctls,
	  .doc = "{name: value}: switches below /proc/sys/net; IFNAME stands for the interface" },
	{ "mac", J_MAC, AT(link.mac), HAS(link.has_mac),
	  .doc = "MAC address of the pod's interface" },
	{ "promisc", J_BOOL, AT(link.promisc), HAS(link.has_promisc), .doc = "promiscuous mode" },
	{ "mtu", J_CUSTOM, .custom = parse_mtu, .doc = "68 to 65535; 0 leaves it as it is" },
	{ "allmulti", J_BOOL, AT(link.allmulti), HAS(link.has_allmulti),
	  .doc = "receive all multicast packets" },
	{ "txQLen", J_UINT, AT(link.txqlen), HAS(link.has_txqlen),
	  .doc = "length of the transmit queue in packets; 0 is a value" },
	{ "mtuBothEnds", J_BOOL, AT(mtu_both_ends),
	  .doc = "mtu is also that of the veth's host end; default false" },
	{ "dataDir", J_CUSTOM, .custom = parse_dir,
	  .doc = "folder of the old values; default /run/cni/tuning" },
};

static const struct jfield args_fields[] = {
	{ "cni", J_TABLE, .table = fields, .n_table = 6 },
};
static const struct jfield runtime_fields[] = { { "mac", J_MAC, AT(link.mac), HAS(link.has_mac) } };

/* Each place overrides those before it; CNI_ARGS comes first. */
static const struct jfield places[] = {
	{ "runtimeConfig", jconf_table(runtime_fields) },
	{ "args", jconf_table(args_fields) },
};

static int parse_runtime(const struct cni_args *args, struct tuning_conf *conf,
			 struct cni_error *err)
{
	static const char *const keys[] = { "MAC" };
	const struct jpath env = { .key = "CNI_ARGS MAC" };
	scoped_free char *mac = NULL;

	if (cni_args_parse(args->cni_args, keys, &mac, 1, err) < 0)
		return -1;
	if (mac != NULL && jconf_mac(mac, &env, &conf->link.mac, &conf->link.has_mac, err) < 0)
		return -1;
	return jconf_fill(args->conf, NULL, places, ARRAY_SIZE(places), conf, err);
}

/* The kernel switches IPv6 off on such a link, and its addresses are lost. */
static int check_mtu6(const struct cni_args *args, const struct tuning_conf *conf,
		      struct cni_error *err)
{
	char text[IPNET_TEXT];

	for (size_t i = 0; conf->link.has_mtu && conf->link.mtu < 1280 && i < args->prev.n_ips;
	     i++) {
		const struct ipnet *net = &args->prev.ips[i].address;

		if (ip_is4(&net->addr) || !cni_result_ip_is_pods(&args->prev, i, args->ifname))
			continue;
		ipnet_print(net, text);
		return cni_fail(err, CNI_INVALID_CONFIG,
				"mtu: %u is below IPv6's smallest MTU, 1280, and the pod has the "
				"address %s",
				conf->link.mtu, text);
	}
	return 0;
}

int tuning_conf_parse(const struct cni_args *args, struct tuning_conf *ret, struct cni_error *err)
{
	struct tuning_conf conf = { .data_dir = TUNING_DATA_DIR };

	if (jconf_fill(args->conf, NULL, fields, ARRAY_SIZE(fields), &conf, err) < 0 ||
	    parse_runtime(args, &conf, err) < 0 || locate_sysctls(args, &conf, err) < 0 ||
	    check_mtu6(args, &conf, err) < 0) {
		tuning_conf_free(&conf);
		return -1;
	}
	conf.mtu_both_ends &= conf.link.has_mtu;
	*ret = conf;
	return 0;
}

void tuning_conf_free(struct tuning_conf *conf)
{
	free(conf->sysctls);
	*conf = (struct tuning_conf){ 0 };
}

const char *tuning_conf_data_dir(const struct cni_args *args)
{
	const char *dir = json_string_value(jconf_get(args->conf, "dataDir"));

	return dir == NULL || dir[0] == '\0' || dir_problem(dir) != NULL ? TUNING_DATA_DIR : dir;
}
