/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fs.h"
#include "base/scoped.h"
#include "base/text.h"

void flannel_state_free(struct flannel_state *s)
{
	delegate_conf_free(&s->conf);
}

/* ---- one file */

static int decode(const char *text, size_t len, struct flannel_state *s, struct cni_error *err)
{
	if (delegate_conf_decode(text, len, &s->conf, err) == 0)
		return 0;
	if (err->code == CNI_INTERNAL)
		return -1;
	s->damaged = true;
	return 0;
}

static int read_file(int dir, const char *name, struct flannel_state *s, struct cni_error *err)
{
	scoped_free char *text = NULL;
	scoped_fd int fd = -1;
	size_t len;

	s->found = true;
	if (fs_open_file(dir, name, O_NOFOLLOW, &fd, err) < 0) {
		s->found = err->sys != ENOENT;
		s->damaged = err->code == CNI_DECODE;
		return s->found && !s->damaged ? -1 : 0;
	}
	if (fs_read_all(fd, DELEGATE_CONF_MAX, name, &text, &len, err) < 0) {
		s->damaged = err->sys == EFBIG;
		return s->damaged ? 0 : -1;
	}
	return decode(text, len, s, err);
}

/* ---- an attachment's file */

/* A file that does not say whose it is counts as ours: none that the reference writes is silent. */
static bool is_of_network(const struct flannel_state *s, const char *network)
{
	return s->damaged || s->conf.network == NULL || strcmp(s->conf.network, network) == 0;
}

/* The attachment's own name first: while there is such a file the other is somebody else's. */
static int find(const struct cni_args *args, int dir, struct flannel_state *s,
		struct cni_error *err)
{
	char own[NAME_MAX + 1];
	bool fits = text_format(own, sizeof(own), "%s:%s", args->container, args->ifname);

	if (fits && read_file(dir, own, s, err) < 0)
		return -1;
	if (!s->found && text_format(s->name, sizeof(s->name), "%s", args->container)) {
		if (read_file(dir, s->name, s, err) < 0)
			return -1;
		if (!s->found || is_of_network(s, args->network))
			return 0;
		flannel_state_free(s);
		s->found = false;
	}
	(void)text_format(s->name, sizeof(s->name), "%s", fits ? own : "");
	return 0;
}

static int open_dir(const char *dir, int *ret_fd, struct cni_error *err)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return cni_fail_sys_code(err, CNI_IO, errno, "open the folder %s", dir);
	*ret_fd = fd;
	return 0;
}

int state_load(const struct cni_args *args, const char *dir, struct flannel_state *ret,
	       struct cni_error *err)
{
	SCOPED(flannel_state_free) struct flannel_state s = { .found = false };
	scoped_fd int fd = -1;

	if (open_dir(dir, &fd, err) < 0 && err->sys != ENOENT)
		return -1;
	if (fd < 0 && !text_format(s.name, sizeof(s.name), "%s", args->container))
		s.name[0] = '\0';
	if (fd >= 0 && find(args, fd, &s, err) < 0)
		return cni_wrap(err, "the state file in %s", dir);
	*ret = s;
	s.conf = (struct delegate_conf){ .len = 0 };
	return 0;
}

int state_save(const char *dir, const struct flannel_state *at, const struct delegate_conf *conf,
	       struct cni_error *err)
{
	scoped_fd int fd = -1;

	if (at->name[0] == '\0')
		return cni_fail(err, CNI_INVALID_CONFIG,
				"the container's ID is too long for the name of a file in %s", dir);
	if (fs_mkdirs(dir, 0700, err) < 0 || open_dir(dir, &fd, err) < 0 ||
	    fs_write_at(fd, at->name, conf->text, conf->len, 0600, err) < 0)
		return cni_wrap(err, "keep the delegate's configuration");
	return 0;
}

int state_remove(const char *dir, const struct flannel_state *at, struct cni_error *err)
{
	scoped_fd int fd = -1;

	if (at->name[0] == '\0') /* no such file can have been made */
		return 0;
	if (open_dir(dir, &fd, err) < 0)
		return err->sys == ENOENT ? 0 : -1;
	return fs_forget_at(fd, at->name, err);
}

/* ---- GC */

#define TMP_SECONDS 3600 /* nobody writes a file for that long */

struct collection {
	const struct cni_args *args;
	int dir;
};

/* The reference's files do not name the interface: then any of the container's keeps it. */
static bool is_valid(const struct collection *c, const char *name)
{
	char container[NAME_MAX + 1];
	size_t len = strcspn(name, ":");

	(void)text_format(container, sizeof(container), "%.*s", (int)len, name);
	return cni_attachment_valid(c->args, container, name[len] == ':' ? name + len + 1 : NULL);
}

static bool is_old_tmp(const struct collection *c, const char *name)
{
	struct stat st;

	return strncmp(name, ".tmp-", 5) == 0 &&
	       fstatat(c->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       time(NULL) - st.st_mtime > TMP_SECONDS;
}

static bool is_stale(const struct collection *c, const char *name)
{
	SCOPED(flannel_state_free) struct flannel_state s = { .found = false };
	struct cni_error ignored;

	if (name[0] == '.')
		return is_old_tmp(c, name);
	return !is_valid(c, name) && read_file(c->dir, name, &s, &ignored) == 0 && s.found &&
	       !s.damaged && s.conf.network != NULL &&
	       strcmp(s.conf.network, c->args->network) == 0;
}

int state_gc(const struct cni_args *args, const char *dir, struct cni_error *err)
{
	scoped_dir DIR *d = opendir(dir);
	struct collection c = { .args = args };
	struct cni_error step;
	struct dirent *entry;

	if (d == NULL)
		return errno == ENOENT
			   ? 0
			   : cni_fail_sys_code(err, CNI_IO, errno, "open the folder %s", dir);
	c.dir = dirfd(d);
	cni_clear(err);
	while ((entry = readdir(d)) != NULL) {
		if (is_stale(&c, entry->d_name) && fs_forget_at(c.dir, entry->d_name, &step) < 0)
			cni_keep_first(err, &step);
	}
	return err->code == CNI_OK ? 0 : -1;
}

int state_status(const char *dir, struct cni_error *err)
{
	struct stat st;

	if (stat(dir, &st) < 0)
		return errno == ENOENT ? 0
				       : cni_fail_sys_code(err, CNI_IO, errno, "look at %s", dir);
	return S_ISDIR(st.st_mode) ? 0 : cni_fail(err, CNI_IO, "dataDir: %s is no folder", dir);
}
