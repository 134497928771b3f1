/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "attach.h"
#include "nft/attach.h"
#include "plan.h"

static int validate(const struct cni_args *args, struct cni_error *err)
{
	struct firewall_conf conf;

	return firewall_conf_parse(args, &conf, err);
}

static int add(const struct cni_args *args, struct cni_result *result, struct cni_error *err)
{
	struct firewall_conf conf;

	if (firewall_conf_parse(args, &conf, err) < 0)
		return -1;
	return firewall_attach(args, &conf, result, err);
}

static int check(const struct cni_args *args, struct cni_error *err)
{
	struct firewall_conf conf;

	if (firewall_conf_parse(args, &conf, err) < 0)
		return -1;
	return firewall_check(args, &conf, err);
}

static int status(const struct cni_args *args, struct cni_error *err)
{
	struct firewall_conf conf;

	if (firewall_conf_parse(args, &conf, err) < 0)
		return -1;
	if (conf.backend == FIREWALL_FIREWALLD && firewall_demand(err) < 0) {
		err->code = CNI_NOT_AVAILABLE;
		return -1;
	}
	return nft_status(err);
}

const struct cni_plugin firewall_plugin = {
	.name = "firewall",
	.oldest = CNI_V040,
	.chained = true,
	.validate = validate,
	.add = add,
	.del = firewall_detach,
	.check = check,
	.gc = firewall_gc,
	.status = status,
};
