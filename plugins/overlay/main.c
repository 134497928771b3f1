/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "attach.h"
#include "tool.h"

static int validate(const struct cni_args *args, struct cni_error *err)
{
	scoped_overlay_conf struct overlay_conf conf;

	return overlay_conf_parse(args->conf, args->network, &conf, err);
}

static int add(const struct cni_args *args, struct cni_result *result, struct cni_error *err)
{
	scoped_overlay_conf struct overlay_conf conf;

	if (overlay_conf_parse(args->conf, args->network, &conf, err) < 0)
		return -1;
	return overlay_attach(args, &conf, result, err);
}

static int check(const struct cni_args *args, struct cni_error *err)
{
	scoped_overlay_conf struct overlay_conf conf = { .network = NULL };

	if (!args->has_prev)
		return cni_fail(
		    err, CNI_INVALID_CONFIG,
		    "Required prevResult missing: CHECK compares with what ADD returned");
	if (overlay_conf_parse(args->conf, args->network, &conf, err) < 0)
		return -1;
	return overlay_check(args, &conf, err);
}

static int status(const struct cni_args *args, struct cni_error *err)
{
	scoped_overlay_conf struct overlay_conf conf;

	if (overlay_conf_parse(args->conf, args->network, &conf, err) < 0)
		return -1;
	return overlay_answer_status(args, &conf, err);
}

const struct cni_plugin overlay_plugin = {
	.name = "overlay",
	.validate = validate,
	.add = add,
	.del = overlay_detach,
	.check = check,
	.gc = overlay_gc,
	.status = status,
	.tool = overlay_tool,
};
