/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "attach.h"
#include "cni/delegate.h"
#include "nft/attach.h"

static int validate(const struct cni_args *args, struct cni_error *err)
{
	SCOPED(bridge_conf_free) struct bridge_conf conf = { 0 };

	return bridge_conf_parse(args, &conf, err);
}

static int add(const struct cni_args *args, struct cni_result *result, struct cni_error *err)
{
	SCOPED(bridge_conf_free) struct bridge_conf conf = { 0 };

	if (bridge_conf_parse(args, &conf, err) < 0)
		return -1;
	return bridge_attach(args, &conf, result, err);
}

static int check(const struct cni_args *args, struct cni_error *err)
{
	SCOPED(bridge_conf_free) struct bridge_conf conf = { 0 };

	if (!args->has_prev)
		return cni_fail(
		    err, CNI_INVALID_CONFIG,
		    "Required prevResult missing: CHECK compares with what ADD returned");
	if (bridge_conf_parse(args, &conf, err) < 0)
		return -1;
	return bridge_check(args, &conf, err);
}

static int status(const struct cni_args *args, struct cni_error *err)
{
	SCOPED(bridge_conf_free) struct bridge_conf conf = { 0 };

	if (bridge_conf_parse(args, &conf, err) < 0)
		return -1;
	if ((conf.ip_masq || conf.spoofcheck) && nft_status(err) < 0)
		return -1;
	if (cni_ipam(args, CNI_STATUS, err) == 0)
		return 0;
	if (!err->passed)
		err->code = CNI_NOT_AVAILABLE; /* it could not even be asked (STA-01) */
	return -1;
}

const struct cni_plugin bridge_plugin = {
	.name = "bridge",
	.validate = validate,
	.add = add,
	.del = bridge_detach,
	.check = check,
	.gc = bridge_gc,
	.status = status,
};
