/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf.h"

#include <limits.h>

#include "cni/delegate_conf.h"
#include "conf/jconf.h"

/* ---- the configuration */

static const struct jfield fields[] = {
	{ "subnetFile", J_STR, .offset = offsetof(struct flannel_conf, subnet_file),
	  .max = PATH_MAX - 1,
	  .doc = "the flannel daemon's file; default /run/flannel/subnet.env" },
	{ "dataDir", J_STR, .offset = offsetof(struct flannel_conf, data_dir),
	  .max = FLANNEL_DIR_MAX,
	  .doc = "where delegates' configurations are kept; default /var/lib/cni/flannel" },
	{ "delegate", J_CUSTOM, .custom = jconf_object,
	  .doc = "the configuration of the program that does the work; type is bridge by default" },
	{ "ipam", J_CUSTOM, .custom = jconf_object,
	  .doc = "base of the delegate's ipam; type is host-local by default" },
	{ "runtimeConfig", J_CUSTOM, .custom = jconf_object,
	  .doc = "what capabilities brought: goes to the delegate" },
};

static int fill(const struct cni_args *args, const struct jfield *table, size_t n,
		struct flannel_conf *ret, struct cni_error *err)
{
	*ret = (struct flannel_conf){ .subnet_file = "/run/flannel/subnet.env",
				      .data_dir = "/var/lib/cni/flannel" };
	if (jconf_fill(args->conf, NULL, table, n, ret, err) < 0)
		return cni_wrap(err, "failed to load flannel netconf file: failed to load netconf");
	if (ret->data_dir[0] != '/')
		return cni_fail(err, CNI_INVALID_CONFIG, "dataDir: \"%s\" is not an absolute path",
				ret->data_dir);
	return 0;
}

int flannel_conf_parse(const struct cni_args *args, struct flannel_conf *ret, struct cni_error *err)
{
	if (fill(args, fields, ARRAY_SIZE(fields), ret, err) < 0)
		return -1;
	if (ret->subnet_file[0] != '/')
		return cni_fail(err, CNI_INVALID_CONFIG,
				"subnetFile: \"%.256s\" is not an absolute path", ret->subnet_file);
	return delegate_conf_check(args->conf, "flannel", err);
}

int flannel_conf_data_dir(const struct cni_args *args, const char **ret, struct cni_error *err)
{
	struct flannel_conf conf;

	if (fill(args, &fields[1], 1, &conf, err) < 0)
		return -1;
	*ret = conf.data_dir;
	return 0;
}
