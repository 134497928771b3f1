/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "attach.h"
#include "base/scoped.h"

static int validate(const struct cni_args *args, struct cni_error *err)
{
	SCOPED(tuning_conf_free) struct tuning_conf conf = { 0 };

	return tuning_conf_parse(args, &conf, err);
}

static int add(const struct cni_args *args, struct cni_result *result, struct cni_error *err)
{
	SCOPED(tuning_conf_free) struct tuning_conf conf = { 0 };

	if (tuning_conf_parse(args, &conf, err) < 0)
		return -1;
	return tuning_attach(args, &conf, result, err);
}

static int check(const struct cni_args *args, struct cni_error *err)
{
	SCOPED(tuning_conf_free) struct tuning_conf conf = { 0 };

	if (tuning_conf_parse(args, &conf, err) < 0)
		return -1;
	return tuning_check(args, &conf, err);
}

static int status(const struct cni_args *args, struct cni_error *err)
{
	SCOPED(tuning_conf_free) struct tuning_conf conf = { 0 };

	if (tuning_conf_parse(args, &conf, err) < 0)
		return -1;
	return tuning_status(args, &conf, err);
}

const struct cni_plugin tuning_plugin = {
	.name = "tuning",
	.chained = true,
	.validate = validate,
	.add = add,
	.del = tuning_detach,
	.check = check,
	.gc = tuning_gc,
	.status = status,
};
