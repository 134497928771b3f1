/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/kmodule.h"

#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scoped.h"
#include "base/text.h"

#define LIST_MAX (16u << 20) /* Debian's modules.dep has 600 KB */

enum answer { LISTED, UNLISTED, UNKNOWN };

/* Lists name modules by their files: "kernel/net/sched/sch_tbf.ko.xz". */
static enum answer look(const char *release, const char *list, const char *file)
{
	scoped_free char *text = NULL;
	struct cni_error ignored;
	scoped_fd int fd = -1;
	char path[256];
	size_t len;

	if (!text_format(path, sizeof(path), "/lib/modules/%s/%s", release, list))
		return UNKNOWN;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fs_read_all(fd, LIST_MAX, path, &text, &len, &ignored) < 0)
		return UNKNOWN;
	return strstr(text, file) != NULL ? LISTED : UNLISTED;
}

bool kmodule_is_missing(const char *name)
{
	char loaded[96], file[96];
	struct utsname kernel;

	if (!text_format(loaded, sizeof(loaded), "/sys/module/%s", name) ||
	    !text_format(file, sizeof(file), "/%s.ko", name) || uname(&kernel) < 0)
		return false;
	return access(loaded, F_OK) != 0 &&
	       look(kernel.release, "modules.builtin", file) == UNLISTED &&
	       look(kernel.release, "modules.dep", file) == UNLISTED;
}
