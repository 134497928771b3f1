/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "switches.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/scoped.h"
#include "base/text.h"
#include "base/trace.h"
#include "netns/netns.h"

#define BLANKS	  " \t\n"
#define FULL_PATH (sizeof("/proc/sys/") + TUNING_PATH)

struct work {
	const struct tuning_conf *conf;
	struct tuning_backup *b;
};

/* The kernel separates numbers by tabs and ends with a newline; people write blanks. */
static bool same_value(const char *a, const char *b)
{
	a += strspn(a, BLANKS);
	b += strspn(b, BLANKS);
	for (;;) {
		size_t gap_a = strspn(a, BLANKS), gap_b = strspn(b, BLANKS);

		a += gap_a;
		b += gap_b;
		if (*a == '\0' || *b == '\0')
			return *a == *b;
		if (*a++ != *b++ || (gap_a > 0) != (gap_b > 0))
			return false;
	}
}

static void full_path(const char *path, char full[FULL_PATH])
{
	(void)text_format(full, FULL_PATH, "/proc/sys/%s", path);
}

/* The value without the newline at its end; *ret_readable false: the kernel tells nobody. */
static int read_switch(const char *path, char value[TUNING_VALUE_MAX], bool *ret_readable,
		       struct cni_error *err)
{
	char full[FULL_PATH];
	size_t len;

	full_path(path, full);
	*ret_readable = true;
	if (fs_read_at(AT_FDCWD, full, value, TUNING_VALUE_MAX, &len, err) < 0) {
		/* EIO: stable_secret that nobody has set. */
		*ret_readable = err->sys != EACCES && err->sys != EPERM && err->sys != EIO;
		return *ret_readable ? -1 : 0;
	}
	if (len > 0 && value[len - 1] == '\n')
		value[len - 1] = '\0';
	return 0;
}

static int write_switch(const char *path, const char *value, struct cni_error *err)
{
	char full[FULL_PATH];
	scoped_fd int fd = -1;
	size_t len = strlen(value);

	full_path(path, full);
	trace("set %s to \"%s\"", full, value);
	fd = open(full, O_WRONLY | O_CLOEXEC);
	/* Nothing to be written would be no write; an empty line empties a list. */
	if (fd < 0 || write(fd, len > 0 ? value : "\n", len > 0 ? len : 1) < 0)
		return cni_fail_sys(err, errno, "set %s to \"%s\"", full, value);
	return 0;
}

static int no_such(const struct tuning_sysctl *s, struct cni_error *err)
{
	return cni_fail_sys_code(err, CNI_INVALID_CONFIG, ENOENT,
				 "sysctl %s: /proc/sys/%s in the pod's network namespace", s->key,
				 s->path);
}

/* ---- the four, inside the namespace */

static int remember(void *arg, struct cni_error *err)
{
	struct work *w = arg;
	char now[TUNING_VALUE_MAX];
	bool readable;

	for (size_t i = 0; i < w->conf->n_sysctls; i++) {
		const struct tuning_sysctl *s = &w->conf->sysctls[i];

		if (read_switch(s->path, now, &readable, err) < 0)
			return err->sys == ENOENT ? no_such(s, err)
						  : cni_wrap(err, "sysctl %s", s->key);
		if (readable && !same_value(now, s->value) &&
		    tuning_backup_add(w->b, s->path, now, err) < 0)
			return -1;
	}
	return 0;
}

static int apply(void *arg, struct cni_error *err)
{
	const struct work *w = arg;
	char now[TUNING_VALUE_MAX];
	bool readable;

	for (size_t i = 0; i < w->conf->n_sysctls; i++) {
		const struct tuning_sysctl *s = &w->conf->sysctls[i];

		if (read_switch(s->path, now, &readable, err) < 0)
			return cni_wrap(err, "sysctl %s", s->key);
		if (readable && same_value(now, s->value))
			continue;
		if (write_switch(s->path, s->value, err) < 0)
			return cni_wrap(err, "sysctl %s (it is \"%s\")", s->key,
					readable ? now : "");
	}
	return 0;
}

static int restore_one(const struct tuning_old *old, struct cni_error *err)
{
	char now[TUNING_VALUE_MAX];
	bool readable;

	if (read_switch(old->path, now, &readable, err) < 0)
		return err->sys == ENOENT ? 0 : -1;
	return readable && same_value(now, old->value) ? 0
						       : write_switch(old->path, old->value, err);
}

static int restore(void *arg, struct cni_error *err)
{
	const struct work *w = arg;
	struct cni_error first = { 0 }, step;

	for (size_t i = w->b->n_sysctls; i > 0; i--) {
		if (restore_one(&w->b->sysctls[i - 1], &step) < 0)
			cni_keep_first(&first, &step);
	}
	if (first.code == CNI_OK)
		return 0;
	*err = first;
	return -1;
}

static int compare(void *arg, struct cni_error *err)
{
	const struct work *w = arg;
	char now[TUNING_VALUE_MAX];
	bool readable;

	for (size_t i = 0; i < w->conf->n_sysctls; i++) {
		const struct tuning_sysctl *s = &w->conf->sysctls[i];

		if (read_switch(s->path, now, &readable, err) < 0)
			return err->sys == ENOENT ? no_such(s, err)
						  : cni_wrap(err, "sysctl %s", s->key);
		if (readable && !same_value(now, s->value))
			return cni_fail(err, CNI_CHECK_FAILED,
					"Error: Tuning configured value of %s is %s, current value "
					"is %s",
					s->key, s->value, now);
	}
	return 0;
}

/* ---- the way in */

int switches_remember(int netns_fd, const struct tuning_conf *conf, struct tuning_backup *b,
		      struct cni_error *err)
{
	struct work w = { .conf = conf, .b = b };

	return conf->n_sysctls == 0 ? 0 : netns_call(netns_fd, remember, &w, err);
}

int switches_apply(int netns_fd, const struct tuning_conf *conf, struct cni_error *err)
{
	struct work w = { .conf = conf };

	return conf->n_sysctls == 0 ? 0 : netns_call(netns_fd, apply, &w, err);
}

int switches_restore(int netns_fd, const struct tuning_backup *b, struct cni_error *err)
{
	struct work w = { .b = (struct tuning_backup *)(uintptr_t)b };

	return b->n_sysctls == 0 ? 0 : netns_call(netns_fd, restore, &w, err);
}

int switches_check(int netns_fd, const struct tuning_conf *conf, struct cni_error *err)
{
	struct work w = { .conf = conf };

	return conf->n_sysctls == 0 ? 0 : netns_call(netns_fd, compare, &w, err);
}
