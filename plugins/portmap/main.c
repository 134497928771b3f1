/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <unistd.h>

#include "attach.h"
#include "base/scoped.h"
#include "nft/attach.h"

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

/* Where pkg/nft/nft_program.c looks. */
static int check_nft_program(struct cni_error *err)
{
	static const char *const paths[] = { "/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft",
					     "/usr/local/sbin/nft" };

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		if (access(paths[i], X_OK) == 0)
			return 0;
	}
	return cni_fail(
	    err, CNI_NOT_AVAILABLE,
	    "conditionsV4 and conditionsV6 need the program nft, which is not installed "
	    "(%s)",
	    paths[0]);
}

static int status(const struct cni_args *args, struct cni_error *err)
{
	SCOPED(portmap_conf_free) struct portmap_conf conf = { 0 };

	if (portmap_conf_parse(args, &conf, err) < 0)
		return -1;
	if (conf.conditions.n_tokens4 + conf.conditions.n_tokens6 != 0 &&
	    check_nft_program(err) < 0)
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
