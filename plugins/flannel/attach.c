/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation: a pod attached by another program, whose configuration we make.
 *
 * ADD makes that configuration from ours and from the flannel daemon's file, keeps it in a state
 * file, whole or not at all, and only then runs the delegate: killed at any instant, ADD leaves
 * what DEL finds. If the delegate fails, its DEL takes back what it did and the state file goes;
 * the file stays when that DEL fails too. An attachment that had a state file before may be alive:
 * then a failing ADD takes nothing back, and the old file is put back in place.
 *
 * DEL runs the delegate with the configuration that was kept, and removes the file when, and only
 * when, that has worked: a retry finds it, so no address is lost. Without a file, or with one that
 * a crash has cut off, the configuration is made anew from today's; a delegate's DEL that finds
 * nothing is no failure. Where it cannot be made, an attachment of which there is no trace was
 * never made or has been deleted already (runtimes delete twice, and pods must go even when the
 * daemon is gone for good); a damaged state file is such a trace, and its DEL has to be tried
 * again. A file that cannot be read (a disk that is broken) is no missing one: today's
 * configuration removes what it finds, and DEL fails.
 *
 * The file is not fsynced (docs/decisions/010): one that a power cut has emptied heals as above.
 */
#include "attach.h"

#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "base/scoped.h"
#include "base/trace.h"
#include "cni/delegate.h"
#include "conf_delegate.h"
#include "state.h"

static int build(const struct cni_args *args, const char *subnet_file, struct delegate_conf *ret,
		 struct cni_error *err)
{
	struct subnet_env env;

	if (subnet_env_load(subnet_file, &env, err) < 0 ||
	    flannel_delegate_build(args, &env, ret, err) < 0)
		return -1;
	trace("delegate to %s: %s", ret->type, ret->text);
	return 0;
}

/* ---- ADD */

static void undo_save(const char *dir, const struct flannel_state *before, bool clean)
{
	struct cni_error ignored;

	if (before->found && !before->damaged)
		(void)state_save(dir, before, &before->conf, &ignored);
	else if (clean)
		(void)state_remove(dir, before, &ignored);
}

int flannel_attach(const struct cni_args *args, const struct flannel_conf *conf,
		   struct cni_result *result, struct cni_error *err)
{
	SCOPED(delegate_conf_free) struct delegate_conf wanted = { .len = 0 };
	SCOPED(flannel_state_free) struct flannel_state before = { .found = false };
	struct cni_args call;
	bool clean = false;
	int r;

	if (build(args, conf->subnet_file, &wanted, err) < 0 ||
	    state_load(args, conf->data_dir, &before, err) < 0 ||
	    state_save(conf->data_dir, &before, &wanted, err) < 0)
		return -1;
	call = delegate_conf_call(args, &wanted);
	if (before.found)
		r = cni_delegate_add(&call, wanted.type, result, err);
	else
		r = cni_delegate_attach(&call, wanted.type, result, &clean, err);
	if (r == 0)
		return 0;
	undo_save(conf->data_dir, &before, clean);
	return cni_wrap(err, "failed to delegate add");
}

/* ---- DEL */

static int make_anew(const struct cni_args *args, struct delegate_conf *ret, struct cni_error *err)
{
	struct flannel_conf conf;

	if (flannel_conf_parse(args, &conf, err) < 0)
		return -1;
	return build(args, conf.subnet_file, ret, err);
}

/* *ret_made false: it cannot be made, and there is no trace of an attachment. */
static int recover(const struct cni_args *args, const char *dir, const struct flannel_state *s,
		   struct delegate_conf *ret, bool *ret_made, struct cni_error *err)
{
	*ret_made = make_anew(args, ret, err) == 0;
	if (*ret_made)
		return 0;
	if (s->found)
		return cni_wrap(err, "the state file %s/%s is damaged", dir, s->name);
	if (err->sys != ENOENT)
		(void)fprintf(stderr, "flannel DEL %s %s: no state file, taken for deleted: %s\n",
			      args->container, args->ifname, err->msg);
	return 0;
}

/* Of an attachment whose file cannot be read: the next DEL has the file to do, and maybe more. */
static void detach_by_today(const struct cni_args *args)
{
	SCOPED(delegate_conf_free) struct delegate_conf anew = { .len = 0 };
	struct cni_error ignored;
	struct cni_args call;

	if (make_anew(args, &anew, &ignored) < 0)
		return;
	call = delegate_conf_call(args, &anew);
	(void)cni_delegate(&call, anew.type, CNI_DEL, &ignored);
}

int flannel_detach(const struct cni_args *args, struct cni_error *err)
{
	SCOPED(delegate_conf_free) struct delegate_conf anew = { .len = 0 };
	SCOPED(flannel_state_free) struct flannel_state s = { .found = false };
	const struct delegate_conf *d = &s.conf;
	struct cni_args call;
	const char *dir;

	if (flannel_conf_data_dir(args, &dir, err) < 0)
		return -1;
	if (state_load(args, dir, &s, err) < 0) {
		detach_by_today(args);
		return -1;
	}
	if (!s.found || s.damaged) {
		bool made;

		if (recover(args, dir, &s, &anew, &made, err) < 0)
			return -1;
		if (!made)
			return 0;
		d = &anew;
	}
	call = delegate_conf_call(args, d);
	if (cni_delegate(&call, d->type, CNI_DEL, err) < 0)
		return -1;
	return state_remove(dir, &s, err);
}

/* ---- CHECK */

int flannel_check(const struct cni_args *args, const struct flannel_conf *conf,
		  struct cni_error *err)
{
	SCOPED(delegate_conf_free) struct delegate_conf wanted = { .len = 0 };
	SCOPED(flannel_state_free) struct flannel_state s = { .found = false };
	struct cni_args call;

	if (build(args, conf->subnet_file, &wanted, err) < 0 ||
	    state_load(args, conf->data_dir, &s, err) < 0)
		return -1;
	if (!s.found || s.damaged)
		return cni_fail(err, CNI_CHECK_FAILED,
				"the state file %s/%s is %s; DEL does without it while the "
				"configuration and subnet.env stay as they are",
				conf->data_dir, s.name, s.found ? "damaged" : "missing");
	if (flannel_delegate_compare(&s.conf, &wanted, err) < 0 ||
	    delegate_conf_complete(args, &s.conf, err) < 0)
		return -1;
	call = delegate_conf_call(args, &s.conf);
	return cni_delegate(&call, s.conf.type, CNI_CHECK, err);
}

/* ---- GC and STATUS */

int flannel_gc(const struct cni_args *args, const struct flannel_conf *conf, struct cni_error *err)
{
	SCOPED(delegate_conf_free) struct delegate_conf wanted = { .len = 0 };
	struct cni_args call;

	if (build(args, conf->subnet_file, &wanted, err) < 0 ||
	    delegate_conf_complete(args, &wanted, err) < 0)
		return -1;
	call = delegate_conf_call(args, &wanted);
	if (cni_delegate(&call, wanted.type, CNI_GC, err) < 0)
		return -1; /* the files stay: a DEL may still need them */
	return state_gc(args, conf->data_dir, err);
}

int flannel_status(const struct cni_args *args, const struct flannel_conf *conf,
		   struct cni_error *err)
{
	SCOPED(delegate_conf_free) struct delegate_conf wanted = { .len = 0 };
	struct cni_args call;

	if (build(args, conf->subnet_file, &wanted, err) < 0) {
		if (err->code != CNI_INVALID_CONFIG)
			err->code = CNI_NOT_AVAILABLE;
		return -1;
	}
	if (state_status(conf->data_dir, err) < 0) {
		err->code = CNI_NOT_AVAILABLE;
		return -1;
	}
	call = delegate_conf_call(args, &wanted);
	if (cni_delegate(&call, wanted.type, CNI_STATUS, err) == 0)
		return 0;
	if (!err->passed)
		err->code = CNI_NOT_AVAILABLE; /* it could not even be asked (STA-01) */
	return -1;
}
