/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

struct cni_error;

enum netns_state {
	NETNS_OK,      /* a network namespace, not ours; *ret_fd is open */
	NETNS_OWN,     /* our own: *ret_fd is -1 */
	NETNS_GONE,    /* path empty, missing, a dead process's */
	NETNS_NOT_ONE, /* exists but is a plain file, another kind of namespace, … */
};

/*
 * Open a namespace by path (any absolute or relative path; cni-spec.md §1.17). Opened
 * O_RDONLY|O_CLOEXEC|O_NONBLOCK once and kept; nsfs magic and NS_GET_NSTYPE are checked, and
 * st_dev/st_ino compared with /proc/self/ns/net. Only a failing open for another reason (EMFILE,
 * EACCES) is -1. For NETNS_OWN with `allow_own` (CNI_NETNS_OVERRIDE) the fd is open.
 */
int netns_open(const char *path, bool allow_own, enum netns_state *ret_state, int *ret_fd,
	       struct cni_error *err);

/*
 * Call fn inside the namespace and come home. Never forks. Not getting home aborts the program:
 * nothing after it would be where it thinks it is. Errors of fn pass through.
 */
int netns_call(int netns_fd, int (*fn)(void *arg, struct cni_error *err), void *arg,
	       struct cni_error *err);

/*
 * The folder `sub` of /proc/sys (relative; "" is /proc/sys itself), O_PATH, for openat(): below
 * net/ a path means the namespace of whoever opens it, so this is called inside, and an fd on a
 * folder below net/ keeps meaning that namespace. -1: errno. Costs the same whatever the number of
 * namespaces (switches.c).
 */
int netns_open_switches(const char *sub);
