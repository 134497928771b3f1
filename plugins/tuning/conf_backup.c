/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf_backup.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "conf/jconf.h"

static struct tuning_old *find(struct tuning_backup *b, const char *path)
{
	for (size_t i = 0; i < b->n_sysctls; i++) {
		if (strcmp(b->sysctls[i].path, path) == 0)
			return &b->sysctls[i];
	}
	return NULL;
}

int tuning_backup_add(struct tuning_backup *b, const char *path, const char *value, const char *set,
		      struct cni_error *err)
{
	struct tuning_old *old = find(b, path);

	if (old != NULL) {
		old->set = set;
		return 0;
	}
	if (b->n_sysctls == TUNING_OLD_MAX)
		return cni_fail(err, CNI_INVALID_CONFIG, "more than %u sysctls to be remembered",
				TUNING_OLD_MAX);
	if (b->sysctls == NULL)
		b->sysctls = calloc(TUNING_OLD_MAX, sizeof(*b->sysctls));
	if (b->sysctls == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	old = &b->sysctls[b->n_sysctls];
	(void)text_format(old->path, sizeof(old->path), "%s", path);
	old->value = strdup(value);
	old->set = set;
	if (old->value == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	b->n_sysctls++;
	return 0;
}

void tuning_backup_free(struct tuning_backup *b)
{
	for (size_t i = 0; i < b->n_sysctls; i++)
		free(b->sysctls[i].value);
	free(b->sysctls);
	json_decref(b->doc);
	*b = (struct tuning_backup){ 0 };
}

/* ---- writing */

/* False without memory, or for text that is not UTF-8; `value` is taken over. */
static bool put(json_t *obj, const char *key, json_t *value)
{
	return json_object_set_new(obj, key, value) == 0;
}

static bool put_text(json_t *obj, const char *key, const char *text)
{
	return text == NULL || put(obj, key, json_string(text));
}

static bool put_link(json_t *obj, const struct link_values *v)
{
	char mac[MAC_TEXT];

	mac_print(&v->mac, mac);
	return (!v->has_mac || put(obj, "mac", json_string(mac))) &&
	       (!v->has_promisc || put(obj, "promisc", json_boolean(v->promisc))) &&
	       (!v->has_mtu || put(obj, "mtu", json_integer(v->mtu))) &&
	       (!v->has_allmulti || put(obj, "allmulti", json_boolean(v->allmulti))) &&
	       (!v->has_txqlen || put(obj, "txQLen", json_integer(v->txqlen)));
}

static bool put_sysctls(json_t *obj, const struct tuning_backup *b)
{
	json_t *sysctls = json_object();

	if (!put(obj, "sysctl", sysctls))
		return false;
	for (size_t i = 0; i < b->n_sysctls; i++) {
		const struct tuning_old *old = &b->sysctls[i];

		if (!put(sysctls, old->path, json_pack("[s, s]", old->value, old->set)))
			return false;
	}
	return true;
}

int tuning_backup_encode(const struct tuning_backup *b, char **ret, struct cni_error *err)
{
	scoped_json json_t *obj = json_object();
	bool made =
	    obj != NULL && put_link(obj, &b->link) && put_text(obj, "network", b->network) &&
	    put_text(obj, "containerID", b->container) && put_text(obj, "ifname", b->ifname) &&
	    (b->netns == 0 || put(obj, "netns", json_integer(b->netns))) &&
	    (b->ifindex == 0 || put(obj, "ifindex", json_integer(b->ifindex))) &&
	    (b->host_mtu == 0 || put(obj, "hostMtu", json_integer(b->host_mtu))) &&
	    (b->n_sysctls == 0 || put_sysctls(obj, b));
	char *text = made ? json_dumps(obj, JSON_INDENT(1)) : NULL;

	if (text == NULL)
		return cni_fail(err, CNI_INTERNAL,
				"old values cannot be written down: out of memory, or one of them "
				"is no UTF-8 text");
	*ret = text;
	return 0;
}

/* ---- reading */

static int parse_sysctls(const json_t *obj, const struct jpath *at, void *member,
			 struct cni_error *err)
{
	struct tuning_backup *b = member;
	const char *path, *old, *set;
	json_t *value;
	size_t n;

	if (!json_is_object(obj))
		return jconf_fail(err, CNI_DECODE, at, "expected an object of paths and values");
	json_object_foreach((json_t *)(uintptr_t)obj, path, value) {
		const struct jpath here = { .up = at, .key = path };

		if (jconf_array(value, &here, 2, &n, err) < 0)
			return -1;
		if (n != 2 || !tuning_path_valid(path))
			return jconf_fail(err, CNI_INVALID_CONFIG, &here,
					  "expected a path below /proc/sys/net and two values");
		if (jconf_str(json_array_get(value, 0), &here, TUNING_VALUE_MAX - 1, &old, err) <
			0 ||
		    jconf_str(json_array_get(value, 1), &here, TUNING_VALUE_MAX - 1, &set, err) <
			0 ||
		    tuning_backup_add(b, path, old, set, err) < 0)
			return -1;
	}
	return 0;
}

#define AT(member)  .offset = offsetof(struct tuning_backup, member)
#define HAS(member) .has = true, .has_offset = offsetof(struct tuning_backup, member)

static const struct jfield kept[] = {
	{ "mac", J_MAC, AT(link.mac), HAS(link.has_mac) },
	{ "promisc", J_BOOL, AT(link.promisc), HAS(link.has_promisc) },
	{ "mtu", J_UINT, AT(link.mtu), HAS(link.has_mtu) },
	{ "allmulti", J_BOOL, AT(link.allmulti), HAS(link.has_allmulti) },
	{ "txQLen", J_UINT, AT(link.txqlen), HAS(link.has_txqlen) },
	{ "hostMtu", J_UINT, AT(host_mtu) },
	{ "sysctl", J_CUSTOM, .custom = parse_sysctls },
	{ "network", J_STR, AT(network) },
	{ "containerID", J_STR, AT(container) },
	{ "ifname", J_STR, AT(ifname) },
	{ "netns", J_INT64, AT(netns), .imin = 1, .max = INT64_MAX },
	{ "ifindex", J_INT64, AT(ifindex), .imin = 1, .max = INT32_MAX },
};

int tuning_backup_decode(const char *text, size_t len, struct tuning_backup *ret,
			 struct cni_error *err)
{
	struct tuning_backup b = { .n_sysctls = 0 };
	scoped_json json_t *doc = NULL;

	if (jconf_load(text, len, "the backup file", &doc, err) < 0)
		return -1;
	if (jconf_fill(doc, NULL, kept, ARRAY_SIZE(kept), &b, err) < 0) {
		tuning_backup_free(&b);
		return -1;
	}
	b.link.has_mtu = b.link.mtu != 0;
	b.doc = take_ptr(&doc);
	*ret = b;
	return 0;
}
