/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "attach.h"

static int validate(const struct cni_args *args, struct cni_error *err)
{
	struct flannel_conf conf;

	return flannel_conf_parse(args, &conf, err);
}

static int add(const struct cni_args *args, struct cni_result *result, struct cni_error *err)
{
	struct flannel_conf conf;

	if (flannel_conf_parse(args, &conf, err) < 0)
		return -1;
	return flannel_attach(args, &conf, result, err);
}

static int check(const struct cni_args *args, struct cni_error *err)
{
	struct flannel_conf conf;

	if (!args->has_prev)
		return cni_fail(
		    err, CNI_INVALID_CONFIG,
		    "Required prevResult missing: CHECK compares with what ADD returned");
	if (flannel_conf_parse(args, &conf, err) < 0)
		return -1;
	return flannel_check(args, &conf, err);
}

static int gc(const struct cni_args *args, struct cni_error *err)
{
	struct flannel_conf conf;

	if (flannel_conf_parse(args, &conf, err) < 0)
		return -1;
	return flannel_gc(args, &conf, err);
}

static int status(const struct cni_args *args, struct cni_error *err)
{
	struct flannel_conf conf;

	if (flannel_conf_parse(args, &conf, err) < 0)
		return -1;
	return flannel_status(args, &conf, err);
}

const struct cni_plugin flannel_plugin = {
	.name = "flannel",
	.validate = validate,
	.add = add,
	.del = flannel_detach,
	.check = check,
	.gc = gc,
	.status = status,
};
