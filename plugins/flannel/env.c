/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "env.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/num.h"
#include "base/scoped.h"
#include "base/text.h"

/* ---- values */

static int parse_prefix(const char *text, bool four, struct ipnet *ret, struct cni_error *err)
{
	struct ipnet net;

	if (!ipnet_parse(text, &net) || ip_is4(&net.addr) != four)
		return cni_fail(err, CNI_DECODE,
				"\"%.64s\" is not an IPv%c prefix (an address, '/' and a length)",
				text, four ? '4' : '6');
	*ret = ipnet_masked(&net);
	return 0;
}

static bool is_listed(const struct subnet_family *f, const struct ipnet *net)
{
	for (size_t i = 0; i < f->n_networks; i++) {
		if (ipnet_equal(&f->networks[i], net))
			return true;
	}
	return false;
}

static int parse_networks(char *list, bool four, struct subnet_family *f, struct cni_error *err)
{
	f->n_networks = 0;
	for (char *next; list != NULL; list = next) {
		struct ipnet net;

		next = strchr(list, ',');
		if (next != NULL)
			*next++ = '\0';
		if (parse_prefix(list, four, &net, err) < 0)
			return -1;
		if (is_listed(f, &net))
			continue;
		if (f->n_networks == SUBNET_ENV_NETWORKS)
			return cni_fail(err, CNI_DECODE, "more than %d networks",
					SUBNET_ENV_NETWORKS);
		f->networks[f->n_networks++] = net;
	}
	return 0;
}

static int take_network4(char *value, struct subnet_env *env, struct cni_error *err)
{
	return parse_networks(value, true, &env->v4, err);
}

static int take_network6(char *value, struct subnet_env *env, struct cni_error *err)
{
	return parse_networks(value, false, &env->v6, err);
}

static int take_subnet4(char *value, struct subnet_env *env, struct cni_error *err)
{
	env->v4.has_subnet = true;
	return parse_prefix(value, true, &env->v4.subnet, err);
}

static int take_subnet6(char *value, struct subnet_env *env, struct cni_error *err)
{
	env->v6.has_subnet = true;
	return parse_prefix(value, false, &env->v6.subnet, err);
}

static int take_mtu(char *value, struct subnet_env *env, struct cni_error *err)
{
	uint64_t mtu;

	if (!num_parse(value, UINT32_MAX, &mtu))
		return cni_fail(err, CNI_DECODE, "\"%.64s\" is not a number of bytes", value);
	env->has_mtu = true;
	env->mtu = (uint32_t)mtu;
	return 0;
}

static int take_masq(char *value, struct subnet_env *env, struct cni_error *err)
{
	if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
		return cni_fail(err, CNI_DECODE, "\"%.64s\" is neither true nor false", value);
	env->has_masq = true;
	env->masq = value[0] == 't';
	return 0;
}

/* ---- lines */

static const struct {
	const char *name;
	int (*take)(char *value, struct subnet_env *env, struct cni_error *err);
} keys[] = {
	{ "FLANNEL_NETWORK", take_network4 },
	{ "FLANNEL_SUBNET", take_subnet4 },
	{ "FLANNEL_IPV6_NETWORK", take_network6 },
	{ "FLANNEL_IPV6_SUBNET", take_subnet6 },
	{ "FLANNEL_MTU", take_mtu },
	{ "FLANNEL_IPMASQ", take_masq },
};

static int parse_line(char *line, struct subnet_env *env, struct cni_error *err)
{
	size_t len = strcspn(line, "=");
	bool has_value = line[len] == '=';

	line[len] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(line, keys[i].name) != 0)
			continue;
		if (!has_value)
			return cni_fail(err, CNI_DECODE, "%s has no value: '=' is missing", line);
		return keys[i].take(line + len + 1, env, err) < 0 ? cni_wrap(err, "%s", line) : 0;
	}
	return 0;
}

static int parse_lines(char *text, const char *file, struct subnet_env *env, struct cni_error *err)
{
	unsigned number = 1;

	for (char *next; text != NULL; text = next, number++) {
		size_t len = strcspn(text, "\n");

		next = text[len] == '\n' ? text + len + 1 : NULL;
		text[len] = '\0';
		if (len > 0 && text[len - 1] == '\r')
			text[len - 1] = '\0';
		if (parse_line(text, env, err) < 0)
			return cni_wrap(err, "%s line %u", file, number);
	}
	return 0;
}

/* ---- the file */

static int check_complete(const struct subnet_env *env, const char *file, struct cni_error *err)
{
	char missing[128];
	struct text t;

	text_init(&t, missing, sizeof(missing));
	if (env->v4.n_networks + env->v6.n_networks == 0)
		text_add(&t, "FLANNEL_NETWORK, FLANNEL_IPV6_NETWORK");
	if (!env->v4.has_subnet && !env->v6.has_subnet)
		text_add(&t, "%sFLANNEL_SUBNET, FLANNEL_IPV6_SUBNET", t.len > 0 ? ", " : "");
	if (!env->has_mtu)
		text_add(&t, "%sFLANNEL_MTU", t.len > 0 ? ", " : "");
	if (!env->has_masq)
		text_add(&t, "%sFLANNEL_IPMASQ", t.len > 0 ? ", " : "");
	if (t.len == 0)
		return 0;
	return cni_fail(err, CNI_TRY_AGAIN, "%s is missing %s", file, missing);
}

int subnet_env_parse(char *text, size_t len, const char *file, struct subnet_env *ret,
		     struct cni_error *err)
{
	struct subnet_env env = { .has_mtu = false };

	if (strlen(text) != len)
		return cni_fail(err, CNI_DECODE, "%s has a NUL byte: it is no text", file);
	if (parse_lines(text, file, &env, err) < 0 || check_complete(&env, file, err) < 0)
		return -1;
	*ret = env;
	return 0;
}

/* People, and tools of theirs, look for these very words. */
static int missing_file(const char *file, struct cni_error *err)
{
	int r = cni_fail(err, CNI_TRY_AGAIN, "open %s: no such file or directory", file);

	err->sys = ENOENT;
	return r;
}

static int load(const char *file, struct subnet_env *ret, struct cni_error *err)
{
	scoped_free char *text = NULL;
	scoped_fd int fd = -1;
	size_t len;

	if (fs_open_file(AT_FDCWD, file, 0, &fd, err) < 0)
		return err->sys == ENOENT ? missing_file(file, err) : -1;
	if (fs_read_all(fd, SUBNET_ENV_MAX, file, &text, &len, err) < 0)
		return -1;
	return subnet_env_parse(text, len, file, ret, err);
}

int subnet_env_load(const char *file, struct subnet_env *ret, struct cni_error *err)
{
	struct cni_error cause;
	int r;

	if (load(file, ret, &cause) == 0)
		return 0;
	r = cni_fail(err, cause.code,
		     "failed to load flannel 'subnet.env' file: %s. Check the flannel pod log "
		     "for this node.",
		     cause.msg);
	err->sys = cause.sys;
	return r;
}
