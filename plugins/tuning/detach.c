/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DEL, GC and STATUS: what backup files say, and nothing else (docs/decisions/007). */
#include <stdio.h>

#include "allowlist.h"
#include "attach.h"
#include "backup.h"
#include "base/scoped.h"
#include "restore.h"

/* A file of the reference says nothing about whose values they are: they are taken for ours. */
static bool is_for_us(const struct cni_args *args, const struct tuning_backup *b)
{
	return args->netns_fd >= 0 && (b->netns == 0 || restore_is_same(b, restore_netns(args), 0));
}

/* Trouble that must not keep a pod from going. */
static void say(const struct cni_args *args, const char *what, const struct cni_error *err)
{
	(void)fprintf(stderr, "tuning DEL %s %s: %s: %s\n", args->container, args->ifname, what,
		      err->msg);
}

int tuning_detach(const struct cni_args *args, struct cni_error *err)
{
	SCOPED(tuning_backup_free) struct tuning_backup b = { .n_sysctls = 0 };
	const char *dir = tuning_conf_data_dir(args);
	struct cni_error step;
	bool found;
	int r = 0;

	if (backup_load(args, dir, &b, &found, &step) < 0)
		say(args, "old values are lost", &step);
	else if (!found)
		return 0;
	if (found && is_for_us(args, &b))
		r = restore_values(args, &b, err);
	if (backup_remove(args, dir, &step) < 0)
		say(args, "the file of old values stays", &step);
	return r;
}

int tuning_gc(const struct cni_args *args, struct cni_error *err)
{
	return backup_gc(args, tuning_conf_data_dir(args), err);
}

int tuning_status(const struct cni_args *args, const struct tuning_conf *conf,
		  struct cni_error *err)
{
	(void)args;
	if (allowlist_check(conf, err) == 0 && backup_status(conf->data_dir, err) == 0)
		return 0;
	err->code = CNI_NOT_AVAILABLE;
	return -1;
}
