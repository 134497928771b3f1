/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "base/scoped.h"
#include "base/text.h"

static int open_dir(const char *dir, int *ret_fd, struct cni_error *err)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return cni_fail_sys_code(err, CNI_IO, errno, "open the folder %s", dir);
	*ret_fd = fd;
	return 0;
}

static bool file_name(const struct cni_args *args, char name[NAME_MAX + 1])
{
	return text_format(name, NAME_MAX + 1, "%s_%s.json", args->container, args->ifname);
}

static int read_file(int dir_fd, const char *name, struct tuning_backup *ret, struct cni_error *err)
{
	scoped_free char *text = NULL;
	scoped_fd int fd = -1;
	size_t len;

	if (fs_open_file(dir_fd, name, O_NOFOLLOW, &fd, err) < 0)
		return -1;
	if (fs_read_all(fd, TUNING_BACKUP_MAX, name, &text, &len, err) < 0) {
		err->code = err->sys == EFBIG ? CNI_DECODE : err->code;
		return -1;
	}
	if (tuning_backup_decode(text, len, ret, err) == 0)
		return 0;
	err->code = err->code == CNI_INVALID_CONFIG ? CNI_DECODE : err->code;
	return cni_wrap(err, "%s", name);
}

/* The reference does not say. */
static bool is_named(const char *said, const char *name)
{
	return said == NULL || strcmp(said, name) == 0;
}

int backup_load(const struct cni_args *args, const char *dir, struct tuning_backup *ret,
		bool *ret_found, struct cni_error *err)
{
	SCOPED(tuning_backup_free) struct tuning_backup b = { .n_sysctls = 0 };
	char name[NAME_MAX + 1];
	scoped_fd int dir_fd = -1;

	*ret_found = false;
	if (!file_name(args, name))
		return 0; /* none of that name can have been made */
	if (open_dir(dir, &dir_fd, err) < 0 || read_file(dir_fd, name, &b, err) < 0)
		return err->sys == ENOENT || err->sys == ENOTDIR ? 0 : -1;
	if (!is_named(b.container, args->container) || !is_named(b.ifname, args->ifname))
		return cni_fail(err, CNI_CONFLICT,
				"%s/%s holds the old values of container %s, interface %s (remove "
				"it if that is gone)",
				dir, name, b.container != NULL ? b.container : "?",
				b.ifname != NULL ? b.ifname : "?");
	*ret = b;
	b = (struct tuning_backup){ .n_sysctls = 0 };
	*ret_found = true;
	return 0;
}

int backup_save(const struct cni_args *args, const char *dir, const struct tuning_backup *b,
		struct cni_error *err)
{
	scoped_free char *text = NULL;
	char name[NAME_MAX + 1];
	scoped_fd int dir_fd = -1;

	if (!file_name(args, name))
		return cni_fail(err, CNI_INVALID_CONFIG,
				"the container's ID is too long for the name of a file in %s", dir);
	if (tuning_backup_encode(b, &text, err) < 0 || fs_mkdirs(dir, 0700, err) < 0 ||
	    open_dir(dir, &dir_fd, err) < 0 ||
	    fs_write_at(dir_fd, name, text, strlen(text), 0600, err) < 0)
		return cni_wrap(err, "remember old values in %s", dir);
	return 0;
}

int backup_remove(const struct cni_args *args, const char *dir, struct cni_error *err)
{
	char name[NAME_MAX + 1];
	scoped_fd int dir_fd = -1;

	if (!file_name(args, name))
		return 0;
	if (open_dir(dir, &dir_fd, err) < 0)
		return err->sys == ENOENT || err->sys == ENOTDIR ? 0 : -1;
	return fs_forget_at(dir_fd, name, err);
}

/* ---- GC */

/* Is it a file of this network whose attachment is gone? */
static bool is_stale(const struct cni_args *args, int dir_fd, const char *name)
{
	struct tuning_backup b = { .n_sysctls = 0 };
	struct cni_error ignored;
	size_t len = strlen(name);
	bool stale;

	if (name[0] == '.' || len < sizeof(".json") ||
	    strcmp(name + len - strlen(".json"), ".json") != 0 ||
	    read_file(dir_fd, name, &b, &ignored) < 0)
		return false;
	stale = b.network != NULL && b.container != NULL && b.ifname != NULL &&
		strcmp(b.network, args->network) == 0 &&
		!cni_attachment_valid(args, b.container, b.ifname);
	tuning_backup_free(&b);
	return stale;
}

int backup_gc(const struct cni_args *args, const char *dir, struct cni_error *err)
{
	scoped_dir DIR *d = opendir(dir);
	struct cni_error step;
	struct dirent *entry;

	if (d == NULL && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (d == NULL)
		return cni_fail_sys_code(err, CNI_IO, errno, "open the folder %s", dir);
	cni_clear(err);
	while ((entry = readdir(d)) != NULL) {
		if (is_stale(args, dirfd(d), entry->d_name) &&
		    fs_forget_at(dirfd(d), entry->d_name, &step) < 0)
			cni_keep_first(err, &step);
	}
	return err->code == CNI_OK ? 0 : -1;
}

int backup_status(const char *dir, struct cni_error *err)
{
	struct stat st;

	if (stat(dir, &st) < 0)
		return errno == ENOENT ? 0
				       : cni_fail_sys_code(err, CNI_IO, errno, "look at %s", dir);
	return S_ISDIR(st.st_mode) ? 0 : cni_fail(err, CNI_IO, "%s is no folder", dir);
}
