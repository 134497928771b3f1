/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stamp.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/text.h"

#define STAMP_MAX 65536 /* bytes of a file */

int overlay_run_dir(bool create, int *ret_fd, struct cni_error *err)
{
	scoped_fd int run = -1;
	int fd;

	if (fs_run_dir(create, &run, err) < 0)
		return -1;
	if (create && mkdirat(run, "overlay", 0700) < 0 && errno != EEXIST)
		return cni_fail_sys_code(err, CNI_IO, errno,
					 "create the folder /run/podwire/overlay");
	fd = openat(run, "overlay", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return cni_fail_sys_code(err, CNI_IO, errno,
					 "open the folder /run/podwire/overlay");
	*ret_fd = fd;
	return 0;
}

static void stamp_name(const char *network, char buf[NAME_MAX + 1])
{
	(void)text_format(buf, NAME_MAX + 1, "stamp-%s", network);
}

bool overlay_stamp_read(int dir, const char *network, struct overlay_stamp *ret)
{
	char name[NAME_MAX + 1];
	scoped_free char *text = NULL;
	scoped_fd int fd = -1;
	struct cni_error ignored;
	size_t len;

	*ret = (struct overlay_stamp){ .file = "" };
	stamp_name(network, name);
	return fs_open_file(dir, name, O_NOFOLLOW, &fd, &ignored) == 0 &&
	       fs_read_all(fd, STAMP_MAX, name, &text, &len, &ignored) == 0 &&
	       overlay_stamp_decode(text, len, ret);
}

int overlay_stamp_write(int dir, const struct overlay_conf *conf, const struct overlay *o,
			const char *file, struct cni_error *err)
{
	scoped_free char *text = overlay_stamp_encode(conf, o, file);
	char name[NAME_MAX + 1];

	if (text == NULL)
		return cni_fail(err, CNI_INTERNAL, "no memory for the stamp");
	stamp_name(conf->network, name);
	return fs_write_at(dir, name, text, strlen(text), 0600, err);
}

int overlay_stamp_remove(int dir, const char *network, struct cni_error *err)
{
	char name[NAME_MAX + 1];

	stamp_name(network, name);
	return fs_forget_at(dir, name, err);
}

int overlay_lock(int dir, const char *network, int *ret_lock, struct cni_error *err)
{
	char name[NAME_MAX + 1];

	(void)text_format(name, sizeof(name), "lock-%s", network);
	return fs_lock_at(dir, name, ret_lock, err);
}
