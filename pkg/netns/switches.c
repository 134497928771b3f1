/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel switches are looked at through a proc of our own, which is mounted nowhere and ends with
 * the descriptor. In the machine's the folders /proc/sys/net/ipv6 of all namespaces lie in one
 * chain of the name cache, where every pod's stays as long as the pod: this and every later look
 * there took 1 ms with 1,000 pods, a proc takes 60 us (measured; fs/proc/proc_sysctl.c,
 * proc_sys_compare). Who may not mount has the machine's; and where that is read-only, somebody
 * wants it so.
 */
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scoped.h"
#include "base/text.h"
#include "netns/netns.h"

static int mount_proc(void)
{
	scoped_fd int context = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);

	if (context < 0 || syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOEXEC);
}

int netns_open_switches(const char *sub)
{
	const int flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
	struct statvfs sys;
	bool writable = statvfs("/proc/sys", &sys) == 0 && (sys.f_flag & ST_RDONLY) == 0;
	scoped_fd int proc = writable ? mount_proc() : -1;
	char path[64];
	int fd = -1;

	(void)text_format(path, sizeof(path), "/proc/sys/%s", sub);
	if (proc >= 0)
		fd = openat(proc, path + sizeof("/proc/") - 1, flags);
	return fd >= 0 ? fd : open(path, flags);
}
