/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "attach.h"

static int validate(const struct cni_args *args, struct cni_error *err)
{
	struct bandwidth_conf conf;

	return bandwidth_conf_parse(args, &conf, err);
}

static int add(const struct cni_args *args, struct cni_result *result, struct cni_error *err)
{
	struct bandwidth_conf conf;

	if (bandwidth_conf_parse(args, &conf, err) < 0)
		return -1;
	return bandwidth_attach(args, &conf, result, err);
}

/* A configuration that cannot be read asks for nothing. */
static int del(const struct cni_args *args, struct cni_error *err)
{
	struct bandwidth_conf conf = { .fq_codel = false };
	struct cni_error ignored;

	(void)bandwidth_conf_parse(args, &conf, &ignored);
	return bandwidth_detach(args, &conf, err);
}

static int check(const struct cni_args *args, struct cni_error *err)
{
	struct bandwidth_conf conf;

	if (bandwidth_conf_parse(args, &conf, err) < 0)
		return -1;
	return bandwidth_check(args, &conf, err);
}

const struct cni_plugin bandwidth_plugin = {
	.name = "bandwidth",
	.oldest = CNI_V030,
	.chained = true,
	.validate = validate,
	.add = add,
	.del = del,
	.check = check,
	.gc = bandwidth_gc,
	.status = validate,
};
