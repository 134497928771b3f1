/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "attach.h"
#include "base/scoped.h"
#include "nft/attach.h"
#include "nft/nft_program.h"

static int add(const struct cni_args *args, struct cni_result *result, struct cni_error *err)
{
	SCOPED(portmap_conf_free) struct portmap_conf conf = { 0 };

	if (portmap_conf_parse(args, &conf, err) < 0)
		return -1;
	return portmap_attach(args, &conf, result, err);
}

static int check(const struct cni_args *args, struct cni_error *err)
{
	SCOPED(portmap_conf_free) struct portmap_conf conf = { 0 };

	if (portmap_conf_parse(args, &conf, err) < 0)
		return -1;
	return portmap_check(args, &conf, err);
}

static int status(const struct cni_args *args, struct cni_error *err)
{
	SCOPED(portmap_conf_free) struct portmap_conf conf = { 0 };

	if (portmap_conf_parse(args, &conf, err) < 0)
		return -1;
	if (conf.conditions.n_tokens4 + conf.conditions.n_tokens6 != 0 &&
	    nft_program_status(err) < 0)
		return -1;
	return nft_status(err);
}

const struct cni_plugin portmap_plugin = {
	.name = "portmap",
	.chained = true,
	.add = add,
	.del = portmap_detach,
	.check = check,
	.gc = portmap_gc,
	.status = status,
};
