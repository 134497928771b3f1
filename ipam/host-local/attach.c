/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ADD holds the lock of the network's folder from the first look to the last change, so no other
 * program sees an attachment with half of its addresses. Order: read resolv.conf (it may be
 * missing), look for what the owner has already, reserve one address per set, and, once all of
 * that went well, write where round robin stands. Until then every reservation has its undo.
 * Killed in between, whole reservations stay behind; they name their owner, so the DEL or the GC
 * that follows a failed ADD finds them.
 *
 * DEL, CHECK and GC make nothing that is not there: no folder means that nothing is reserved.
 */
#include "attach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "alloc.h"
#include "base/error.h"
#include "base/text.h"
#include "base/undo.h"
#include "resolv.h"
#include "store/store.h"

#define SET_TEXT 400

/* ---- ADD ---- */

struct claims {
	struct store *store;
	const struct owner *owner;
	struct alloc of[HOST_LOCAL_SETS_MAX]; /* by range set */
};

static void undo_claim(void *ctx, const void *arg)
{
	const struct claims *c = ctx;
	struct cni_error ignored; /* the caller reports why we are undoing */

	(void)store_drop(c->store, c->owner, arg, &ignored);
}

/* The first address asked for that lies in the set, and is not spoken for by an earlier set. */
static const struct ip *choose_requested(const struct host_local_conf *conf, size_t set, bool *used)
{
	for (size_t i = 0; i < conf->n_requested; i++) {
		if (used[i] || range_set_find(&conf->sets[set], &conf->requested[i]) == NULL)
			continue;
		for (size_t k = i; k < conf->n_requested; k++) /* asked for twice is once */
			used[k] = used[k] || ip_equal(&conf->requested[k], &conf->requested[i]);
		return &conf->requested[i];
	}
	return NULL;
}

static int check_all_used(const struct host_local_conf *conf, const bool *used,
			  struct cni_error *err)
{
	char list[SET_TEXT], ip[IP_TEXT];
	struct text t;

	text_init(&t, list, sizeof(list));
	for (size_t i = 0; i < conf->n_requested; i++) {
		if (used[i])
			continue;
		ip_print(&conf->requested[i], ip);
		text_add(&t, " %s", ip);
	}
	if (t.len == 0)
		return 0;
	return cni_fail(err, CNI_INVALID_CONFIG, "failed to allocate all requested IPs:%s", list);
}

static int reserve(struct claims *c, const struct host_local_conf *conf, struct undo *undo,
		   struct cni_error *err)
{
	bool used[HOST_LOCAL_REQUESTED_MAX] = { false };
	struct owned owned;

	if (store_find(c->store, c->owner, &owned, err) < 0)
		return -1;
	for (size_t i = 0; i < conf->n_sets; i++) {
		c->of[i] = (struct alloc){ .set = &conf->sets[i],
					   .index = i,
					   .requested = choose_requested(conf, i, used) };
		if (alloc_address(c->store, c->owner, &owned, &c->of[i], err) < 0)
			return -1;
		undo_push(undo, undo_claim, c, &c->of[i].ip);
	}
	return check_all_used(conf, used, err);
}

static int fill_result(const struct claims *c, const struct host_local_conf *conf,
		       struct cni_result *result, struct cni_error *err)
{
	for (size_t i = 0; i < conf->n_sets; i++) {
		const struct ip_range *range = c->of[i].range;
		const struct ip_config ip = { .address = { .addr = c->of[i].ip,
							   .len = range->subnet.len },
					      .has_gateway = true,
					      .gateway = range->gateway,
					      .interface = -1 };

		if (cni_result_add_ip(result, &ip, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < conf->n_routes; i++) {
		if (cni_result_add_route(result, &conf->routes[i], err) < 0)
			return -1;
	}
	return 0;
}

int host_local_add(const struct owner *o, const struct host_local_conf *conf,
		   struct cni_result *result, struct cni_error *err)
{
	scoped_store struct store store = STORE_CLOSED;
	struct claims claims = { .store = &store, .owner = o };
	scoped_undo struct undo undo = { .n = 0 };

	if ((conf->resolv_conf != NULL && resolv_read(conf->resolv_conf, &result->dns, err) < 0) ||
	    store_open(&store, conf->data_dir, o->network, true, err) < 0 ||
	    reserve(&claims, conf, &undo, err) < 0 || fill_result(&claims, conf, result, err) < 0)
		return -1;
	for (size_t i = 0; i < conf->n_sets; i++) {
		if (store_set_last(&store, i, &claims.of[i].ip, err) < 0)
			return -1;
	}
	undo_commit(&undo);
	return 0;
}

/* ---- DEL, GC ---- */

/* Open what exists. *ret_open false: there is no folder, hence no reservation. */
static int open_existing(struct store *store, const char *data_dir, const char *network,
			 bool *ret_open, struct cni_error *err)
{
	*ret_open = store_open(store, data_dir, network, false, err) == 0;
	if (*ret_open)
		return 0;
	if (err->sys != ENOENT)
		return -1;
	cni_clear(err);
	return 0;
}

int host_local_del(const struct owner *o, const char *data_dir, struct cni_error *err)
{
	scoped_store struct store store = STORE_CLOSED;
	bool open;

	if (open_existing(&store, data_dir, o->network, &open, err) < 0)
		return -1;
	return open ? store_release(&store, o, err) : 0;
}

/* The valid containers by name alone, sorted when the first old-format file asks for them. */
struct keeper {
	const struct cni_args *args;
	const char **containers;
};

static void keeper_free(struct keeper *k)
{
	free(k->containers);
}

static int compare_names(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

static bool container_valid(struct keeper *k, const char *container)
{
	const size_t n = k->args->n_valid;

	if (n == 0)
		return false;
	if (k->containers == NULL) {
		k->containers = calloc(n, sizeof(*k->containers));
		if (k->containers == NULL)
			return true; /* rather keep one too many */
		for (size_t i = 0; i < n; i++)
			k->containers[i] = k->args->valid[i].container;
		qsort(k->containers, n, sizeof(*k->containers), compare_names);
	}
	return bsearch(&container, k->containers, n, sizeof(*k->containers), compare_names) != NULL;
}

static bool keep(void *ctx, const char *container, const char *ifname)
{
	struct keeper *k = ctx;

	if (ifname[0] == '\0')
		return container_valid(k, container);
	return cni_attachment_valid(k->args, container, ifname);
}

int host_local_gc(const struct cni_args *args, const char *data_dir, struct cni_error *err)
{
	scoped_store struct store store = STORE_CLOSED;
	SCOPED(keeper_free) struct keeper keeper = { .args = args };
	bool open;

	if (open_existing(&store, data_dir, args->network, &open, err) < 0)
		return -1;
	return open ? store_gc(&store, keep, &keeper, err) : 0;
}

/* ---- CHECK ---- */

static bool listed(const struct cni_result *prev, const struct ip *ip)
{
	for (size_t i = 0; i < prev->n_ips; i++) {
		if (ip_equal(&prev->ips[i].address.addr, ip))
			return true;
	}
	return false;
}

static int check_set(const struct owner *o, const struct owned *owned, const struct range_set *set,
		     const struct cni_result *prev, struct cni_error *err)
{
	char text[SET_TEXT], ip[IP_TEXT] = "";

	for (size_t i = 0; i < owned->n; i++) {
		if (range_set_find(set, &owned->ip[i]) == NULL)
			continue;
		if (prev == NULL || listed(prev, &owned->ip[i]))
			return 0;
		ip_print(&owned->ip[i], ip);
	}
	range_set_print(set, text, sizeof(text));
	if (ip[0] != '\0')
		return cni_fail(err, CNI_CHECK_FAILED,
				"%s is reserved for container %s, but prevResult does "
				"not list it",
				ip, o->container);
	return cni_fail(err, CNI_CHECK_FAILED,
			"Failed to find address added by container %s in range set %s",
			o->container, text);
}

int host_local_check(const struct owner *o, const struct host_local_conf *conf,
		     const struct cni_result *prev, struct cni_error *err)
{
	scoped_store struct store store = STORE_CLOSED;
	struct owned owned = { .n = 0 };
	bool open;

	if (open_existing(&store, conf->data_dir, o->network, &open, err) < 0 ||
	    (open && store_find(&store, o, &owned, err) < 0))
		return -1;
	if (owned.n == 0)
		return cni_fail(err, CNI_CHECK_FAILED,
				"Failed to find address added by container %s", o->container);
	for (size_t i = 0; i < conf->n_sets; i++) {
		if (check_set(o, &owned, &conf->sets[i], prev, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- STATUS ---- */

static int not_available(struct cni_error *err, int sys, const char *what, const char *path)
{
	return cni_fail_sys_code(err, CNI_NOT_AVAILABLE, sys, "cannot %s %s", what, path);
}

static int check_space(int dir, const char *path, struct cni_error *err)
{
	struct statvfs fs;

	if (fstatvfs(dir, &fs) < 0)
		return not_available(err, errno, "look at", path);
	if ((fs.f_blocks > 0 && fs.f_bfree == 0) || (fs.f_files > 0 && fs.f_ffree == 0))
		return not_available(err, ENOSPC, "write to", path);
	return 0;
}

static int check_writable(int dir, const char *path, struct cni_error *err)
{
	if (faccessat(dir, ".", W_OK | X_OK, AT_EACCESS) < 0)
		return not_available(err, errno, "write to", path);
	return check_space(dir, path, err);
}

/* The folder, or, while it is absent, the nearest parent that exists: where ADD would make it. */
static int open_nearest(char *path, bool *ret_exact, int *ret_fd)
{
	*ret_exact = true;
	for (;;) {
		char *slash = strrchr(path, '/');
		int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd >= 0) {
			*ret_fd = fd;
			return 0;
		}
		if (errno != ENOENT || slash == NULL || slash[1] == '\0')
			return -1;
		slash[slash == path ? 1 : 0] = '\0';
		*ret_exact = false;
	}
}

static int check_pools(int dir, const struct host_local_conf *conf, const char *path,
		       struct cni_error *err)
{
	char text[SET_TEXT];
	bool free_one;

	for (size_t i = 0; i < conf->n_sets; i++) {
		if (alloc_has_free(dir, &conf->sets[i], i, &free_one, err) < 0)
			return cni_wrap(err, "%s", path);
		if (free_one)
			continue;
		range_set_print(&conf->sets[i], text, sizeof(text));
		return cni_fail(err, CNI_NOT_AVAILABLE,
				"no IP addresses available in range set: %s (%s)", text, path);
	}
	return 0;
}

int host_local_status(const char *network, const struct host_local_conf *conf,
		      struct cni_error *err)
{
	char path[PATH_MAX], nearest[PATH_MAX];
	scoped_fd int dir = -1;
	bool exact;

	if (store_path(conf->data_dir, network, path, err) < 0)
		return -1;
	memcpy(nearest, path, sizeof(nearest));
	if (open_nearest(nearest, &exact, &dir) < 0)
		return not_available(err, errno, "open", path);
	if (check_writable(dir, path, err) < 0)
		return -1;
	return exact ? check_pools(dir, conf, path, err) : 0;
}
