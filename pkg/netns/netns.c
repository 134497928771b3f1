/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netns/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/error.h"
#include "base/scoped.h"

#define OWN_NETNS "/proc/self/ns/net"

/* What a path that cannot be opened says about the namespace; -1: nothing, it is our own trouble.
 */
static int state_of_errno(int sys, enum netns_state *ret)
{
	switch (sys) {
	case ENOENT:
	case ENOTDIR:
	case ESRCH: /* /proc/PID/ns/net of a process that is just going */
		*ret = NETNS_GONE;
		return 0;
	case ELOOP:
	case ENAMETOOLONG:
	case ENXIO: /* a socket, or a device without hardware */
	case ENODEV:
		*ret = NETNS_NOT_ONE;
		return 0;
	default:
		return -1;
	}
}

static bool is_netns(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == NSFS_MAGIC &&
	       ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET;
}

static bool is_own(int fd)
{
	struct stat theirs, own;

	return fstat(fd, &theirs) == 0 && stat(OWN_NETNS, &own) == 0 &&
	       theirs.st_dev == own.st_dev && theirs.st_ino == own.st_ino;
}

int netns_open(const char *path, bool allow_own, enum netns_state *ret_state, int *ret_fd,
	       struct cni_error *err)
{
	enum netns_state state = NETNS_GONE;
	scoped_fd int fd = -1;
	int sys = ENOENT;

	if (path != NULL && path[0] != '\0') {
		/* O_NONBLOCK: the path may be a FIFO that nobody writes to. */
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		sys = errno;
	}
	if (fd < 0 && state_of_errno(sys, &state) < 0)
		return cni_fail_sys(err, sys, "open network namespace %s", path);
	if (fd >= 0)
		state = !is_netns(fd) ? NETNS_NOT_ONE : is_own(fd) ? NETNS_OWN : NETNS_OK;
	*ret_state = state;
	*ret_fd = state == NETNS_OK || (state == NETNS_OWN && allow_own) ? take_fd(&fd) : -1;
	return 0;
}

int netns_call(int netns_fd, int (*fn)(void *arg, struct cni_error *err), void *arg,
	       struct cni_error *err)
{
	scoped_fd int home = open(OWN_NETNS, O_RDONLY | O_CLOEXEC);
	int r;

	if (home < 0)
		return cni_fail_sys(err, errno, "open our own network namespace %s", OWN_NETNS);
	if (setns(netns_fd, CLONE_NEWNET) < 0)
		return cni_fail_sys(err, errno, "enter the pod's network namespace");
	r = fn(arg, err);
	if (setns(home, CLONE_NEWNET) < 0)
		abort();
	return r;
}
