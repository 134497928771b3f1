/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DEL, GC and STATUS: what backup files say, and nothing else (docs/decisions/007). DEL does not
 * fail for a pod that is going away: a runtime stops at the first plugin that fails, and the pod's
 * addresses and links would stay for a value that nobody will look at.
 */
#include "detach.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "allowlist.h"
#include "attach.h"
#include "backup.h"
#include "base/scoped.h"
#include "base/trace.h"
#include "netlink/linkset.h"
#include "netns/netns.h"
#include "switches.h"

/* ---- the link */

static int open_host_end(struct tune *t, int netns_fd, struct cni_error *err)
{
	if (nl_open(&t->host, err) < 0)
		return -1;
	return link_host_end(&t->host, netns_fd, &t->link, &t->host_end, err);
}

int tune_open(const struct cni_args *args, bool host_end, struct tune *ret, struct cni_error *err)
{
	struct tune t = { .host_end = { .index = 0 } };

	if (pod_open(args->netns_fd, &t.pod, err) < 0)
		return -1;
	if (link_get(&t.pod.nl, args->ifname, &t.link, err) < 0) {
		tune_close(&t);
		return cni_wrap(err, "the pod's interface");
	}
	if (host_end && open_host_end(&t, args->netns_fd, err) < 0) {
		tune_close(&t);
		if (err->sys == ENODEV)
			err->code = CNI_INVALID_CONFIG;
		return cni_wrap(err, "mtuBothEnds");
	}
	*ret = t;
	return 0;
}

void tune_close(struct tune *t)
{
	pod_close(&t->pod);
	nl_close(&t->host);
}

/* ---- whose values */

static int get_cookie(void *cookie, struct cni_error *err)
{
	scoped_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(uint64_t);

	if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, cookie, &len) == 0)
		return 0;
	return cni_fail_sys(err, errno, "ask for the cookie of the pod's network namespace");
}

int tuning_netns(const struct cni_args *args, int64_t *ret, struct cni_error *err)
{
	struct stat st;
	uint64_t cookie;

	if (netns_call(args->netns_fd, get_cookie, &cookie, err) == 0) {
		*ret = (int64_t)cookie;
		return 0;
	}
	if (err->sys != ENOPROTOOPT || fstat(args->netns_fd, &st) < 0)
		return -1;
	*ret = (int64_t)st.st_ino;
	return 0;
}

bool tuning_is_same(const struct tuning_backup *b, bool adding, int64_t netns, int ifindex)
{
	if (b->netns == 0)
		return !adding;
	return b->netns == netns && (b->ifindex == 0 || ifindex == 0 || b->ifindex == ifindex);
}

/* ---- putting back */

/* A link that is gone has nothing to be put back. */
static void note(struct cni_error *first, int r, const struct cni_error *step)
{
	if (r < 0 && step->sys != ENODEV)
		cni_keep_first(first, step);
}

static void restore_link(const struct cni_args *args, const struct tuning_backup *b,
			 struct cni_error *first)
{
	const struct link_values host = { .has_mtu = true, .mtu = b->host_mtu };
	scoped_tune struct tune t = { .host_end = { .index = 0 } };
	struct cni_error step;
	int r = tune_open(args, false, &t, &step);

	note(first, r, &step);
	if (r < 0 || (b->ifindex != 0 && b->ifindex != t.link.index))
		return; /* gone, or another link of that name */
	note(first, link_set_values(&t.pod.nl, &t.link, &b->link, &step), &step);
	if (b->host_mtu != 0) {
		r = open_host_end(&t, args->netns_fd, &step);
		note(first, r < 0 ? r : link_set_values(&t.host, &t.host_end, &host, &step), &step);
	}
	if (b->link.has_mac)
		note(first,
		     link_change_mac(&t.pod.nl, t.link.index, t.link.name, &b->link.mac, &step),
		     &step);
}

int tuning_restore(const struct cni_args *args, const struct tuning_backup *b, bool undo,
		   struct cni_error *err)
{
	const struct switches switches = { .b = (struct tuning_backup *)(uintptr_t)b,
					   .undo = undo };
	struct cni_error step;

	cni_clear(err);
	if (link_values_any(&b->link) || b->host_mtu != 0)
		restore_link(args, b, err);
	if (switches_call(args->netns_fd, switches_restore, &switches, &step) < 0)
		cni_keep_first(err, &step);
	return err->code == CNI_OK ? 0 : -1;
}

/* ---- the verbs */

static void say(const struct cni_args *args, const char *what, const struct cni_error *err)
{
	(void)fprintf(stderr, "tuning DEL %s %s: %s: %s\n", args->container, args->ifname, what,
		      err->msg);
	trace("%s: %s", what, err->msg);
}

static void restore_ours(const struct cni_args *args, const struct tuning_backup *b)
{
	struct cni_error step;
	int64_t netns;

	if (tuning_netns(args, &netns, &step) < 0 ||
	    (tuning_is_same(b, false, netns, 0) && tuning_restore(args, b, false, &step) < 0))
		say(args, "not everything could be put back", &step);
}

int tuning_detach(const struct cni_args *args, struct cni_error *err)
{
	SCOPED(tuning_backup_free) struct tuning_backup b = { .n_sysctls = 0 };
	const char *dir = tuning_conf_data_dir(args);
	struct cni_error step;
	bool found;

	(void)err;
	if (backup_load(args, dir, &b, &found, &step) < 0) {
		if (step.code == CNI_CONFLICT)
			return 0; /* another's */
		say(args, "old values cannot be read", &step);
		if (step.code != CNI_DECODE)
			return 0; /* the file may be read another time, and is GC's then */
	} else if (!found) {
		return 0;
	}
	if (found && args->netns_fd >= 0)
		restore_ours(args, &b);
	if (backup_remove(args, dir, &step) < 0)
		say(args, "the file of old values stays", &step);
	return 0;
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
