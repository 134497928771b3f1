/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "attach.h"
#include "base/error.h"
#include "conf.h"

extern const struct cni_plugin host_local_plugin;

static int validate(const struct cni_args *args, struct cni_error *err)
{
	scoped_host_local_conf struct host_local_conf conf = { .n_sets = 0 };

	return host_local_conf_parse(args, &conf, err);
}

static int add(const struct cni_args *args, struct cni_result *result, struct cni_error *err)
{
	scoped_host_local_conf struct host_local_conf conf = { .n_sets = 0 };
	const struct owner owner = cni_owner(args);

	if (host_local_conf_parse(args, &conf, err) < 0)
		return -1;
	return host_local_add(&owner, &conf, result, err);
}

/*
 * A configuration that is wrong by now (edited while pods run) must not keep addresses reserved:
 * all that DEL and GC need is the folder. The error is reported nevertheless, as the reference
 * does, after everything was cleaned.
 */
static int del(const struct cni_args *args, struct cni_error *err)
{
	const struct owner owner = cni_owner(args);
	const char *data_dir;

	if (host_local_conf_data_dir(args, &data_dir, err) < 0 ||
	    host_local_del(&owner, data_dir, err) < 0)
		return -1;
	return validate(args, err);
}

static int gc(const struct cni_args *args, struct cni_error *err)
{
	const char *data_dir;

	if (host_local_conf_data_dir(args, &data_dir, err) < 0 ||
	    host_local_gc(args, data_dir, err) < 0)
		return -1;
	return validate(args, err);
}

static int check(const struct cni_args *args, struct cni_error *err)
{
	scoped_host_local_conf struct host_local_conf conf = { .n_sets = 0 };
	const struct owner owner = cni_owner(args);

	if (host_local_conf_parse(args, &conf, err) < 0)
		return -1;
	return host_local_check(&owner, &conf,
				args->has_prev && args->prev.n_ips > 0 ? &args->prev : NULL, err);
}

static int status(const struct cni_args *args, struct cni_error *err)
{
	scoped_host_local_conf struct host_local_conf conf = { .n_sets = 0 };

	if (host_local_conf_parse(args, &conf, err) < 0)
		return -1;
	return host_local_status(args->network, &conf, err);
}

const struct cni_plugin host_local_plugin = {
	.name = "host-local",
	.netns_optional = true,
	.validate = validate,
	.add = add,
	.del = del,
	.check = check,
	.gc = gc,
	.status = status,
};
