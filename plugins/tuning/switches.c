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

#define BLANKS " \t\n"

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

/* The value without the newline at its end; *ret_readable false: the kernel tells nobody. */
static int read_switch(int sys_fd, const char *path, char value[TUNING_VALUE_MAX],
		       bool *ret_readable, struct cni_error *err)
{
	size_t len;

	*ret_readable = true;
	if (fs_read_at(sys_fd, path, value, TUNING_VALUE_MAX, &len, err) < 0) {
		/* EIO: stable_secret that nobody has set. */
		*ret_readable = err->sys != EACCES && err->sys != EPERM && err->sys != EIO;
		return *ret_readable ? cni_wrap(err, "/proc/sys") : 0;
	}
	if (len > 0 && value[len - 1] == '\n')
		value[len - 1] = '\0';
	return 0;
}

static int write_switch(int sys_fd, const char *path, const char *value, struct cni_error *err)
{
	scoped_fd int fd = openat(sys_fd, path, O_WRONLY | O_CLOEXEC);
	size_t len = strlen(value);

	trace("set /proc/sys/%s to \"%s\"", path, value);
	/* Nothing to be written would be no write; an empty line empties a list. */
	if (fd < 0 || write(fd, len > 0 ? value : "\n", len > 0 ? len : 1) < 0)
		return cni_fail_sys(err, errno, "set /proc/sys/%s to \"%s\"", path, value);
	return 0;
}

/* A value that is passed on to every interface, also to those of other networks. */
static bool spreads(const char *path)
{
	static const char all6[] = "net/ipv6/conf/all/";

	return strncmp(path, all6, sizeof(all6) - 1) == 0 ||
	       strcmp(path, "net/ipv4/ip_forward") == 0 ||
	       strcmp(path, "net/ipv4/conf/all/forwarding") == 0;
}

/* The present value of a configured switch; *ret_same: what is configured. */
static int look(int sys_fd, const struct tuning_sysctl *s, char now[TUNING_VALUE_MAX],
		bool *ret_same, struct cni_error *err)
{
	bool readable;

	if (read_switch(sys_fd, s->path, now, &readable, err) < 0)
		return err->sys != ENOENT
			   ? cni_wrap(err, "sysctl %s", s->key)
			   : cni_fail_sys_code(err, CNI_INVALID_CONFIG, ENOENT,
					       "sysctl %s: /proc/sys/%s in the pod's network "
					       "namespace",
					       s->key, s->path);
	if (!readable)
		now[0] = '\0';
	*ret_same = !readable || same_value(now, s->value);
	return 0;
}

int switches_remember(void *switches, struct cni_error *err)
{
	const struct switches *w = switches;
	char now[TUNING_VALUE_MAX];
	bool same;

	for (size_t i = 0; i < w->conf->n_sysctls; i++) {
		const struct tuning_sysctl *s = &w->conf->sysctls[i];

		if (look(w->sys_fd, s, now, &same, err) < 0 ||
		    (!same && tuning_backup_add(w->b, s->path, now, s->value, err) < 0))
			return -1;
	}
	return 0;
}

static int apply_one(int sys_fd, const struct tuning_sysctl *s, struct cni_error *err)
{
	char now[TUNING_VALUE_MAX];
	struct cni_error ignored;
	bool readable;

	if (write_switch(sys_fd, s->path, s->value, err) == 0)
		return 0;
	if (read_switch(sys_fd, s->path, now, &readable, &ignored) < 0 || !readable)
		return cni_wrap(err, "sysctl %s", s->key);
	if (same_value(now, s->value) &&
	    (err->sys == EROFS || err->sys == EACCES || err->sys == EPERM))
		return 0;
	return cni_wrap(err, "sysctl %s (it is \"%s\")", s->key, now);
}

int switches_apply(void *switches, struct cni_error *err)
{
	const struct switches *w = switches;

	for (size_t i = 0; i < w->conf->n_sysctls; i++) {
		if (apply_one(w->sys_fd, &w->conf->sysctls[i], err) < 0)
			return -1;
	}
	return 0;
}

static int restore_one(int sys_fd, const struct tuning_old *old, struct cni_error *err)
{
	char now[TUNING_VALUE_MAX];
	bool readable;

	if (read_switch(sys_fd, old->path, now, &readable, err) < 0)
		return err->sys == ENOENT ? 0 : -1;
	return readable && same_value(now, old->set)
		   ? write_switch(sys_fd, old->path, old->value, err)
		   : 0;
}

int switches_restore(void *switches, struct cni_error *err)
{
	const struct switches *w = switches;
	struct cni_error step;

	cni_clear(err);
	for (size_t i = w->b->n_sysctls; i > 0; i--) {
		const struct tuning_old *old = &w->b->sysctls[i - 1];

		if ((w->undo || !spreads(old->path)) && restore_one(w->sys_fd, old, &step) < 0)
			cni_keep_first(err, &step);
	}
	return err->code == CNI_OK ? 0 : -1;
}

int switches_compare(void *switches, struct cni_error *err)
{
	const struct switches *w = switches;
	char now[TUNING_VALUE_MAX];
	bool same;

	for (size_t i = 0; i < w->conf->n_sysctls; i++) {
		const struct tuning_sysctl *s = &w->conf->sysctls[i];

		if (look(w->sys_fd, s, now, &same, err) < 0)
			return -1;
		if (!same)
			return cni_fail(err, CNI_CHECK_FAILED,
					"Error: Tuning configured value of %s is %s, current value "
					"is %s",
					s->key, s->value, now);
	}
	return 0;
}

struct visit {
	int (*fn)(void *switches, struct cni_error *err);
	struct switches switches;
};

static int visit(void *arg, struct cni_error *err)
{
	struct visit *v = arg;
	scoped_fd int fd = netns_open_switches("");

	if (fd < 0)
		return cni_fail_sys(err, errno, "open /proc/sys in the pod's network namespace");
	v->switches.sys_fd = fd;
	return v->fn(&v->switches, err);
}

int switches_call(int netns_fd, int (*fn)(void *switches, struct cni_error *err),
		  const struct switches *s, struct cni_error *err)
{
	struct visit v = { .fn = fn, .switches = *s };
	size_t n = s->conf != NULL ? s->conf->n_sysctls : s->b->n_sysctls;

	return n == 0 ? 0 : netns_call(netns_fd, visit, &v, err);
}
