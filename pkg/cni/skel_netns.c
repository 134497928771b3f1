/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CNI_NETNS (cni-spec.md §1.17), opened once, before any verb runs. Our own namespace is refused
 * before any side effect: the path of a dead pod may lead to the host by now, and a plugin that
 * takes down "lo" there takes down the node (NS-01, NS-02). Whether the rest is usable matters to
 * ADD and CHECK only; DEL works without (DEL-04).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/scoped.h"
#include "base/text.h"
#include "cni/call.h"

static bool override_set(char *const *env)
{
	const char *value = cni_env_get(env, "CNI_NETNS_OVERRIDE");

	return strcmp(value, "1") == 0 || text_equal_nocase(value, "true");
}

static int own_netns(const struct cni_args *args, struct cni_error *err)
{
	int r = cni_fail(err, CNI_INVALID_NETNS,
			 "plugin's netns and netns from CNI_NETNS should not be the same");

	cni_details(err,
		    "CNI_NETNS=%s is the network namespace that the plugin itself runs in; nothing "
		    "was changed. Pass the container's%s, or set CNI_NETNS_OVERRIDE=1 to work in "
		    "this one",
		    args->netns, args->verb == CNI_DEL ? ", or none if the container is gone" : "");
	return r;
}

/* Not to be opened for want of rights or descriptors: DEL and IPAM plugins do without. */
static int unopenable(struct cni_call *call, struct cni_error *err)
{
	if (call->args.verb != CNI_DEL && !call->plugin->netns_optional) {
		err->code = CNI_INVALID_NETNS;
		return -1;
	}
	cni_clear(err);
	call->netns_state = NETNS_GONE;
	return 0;
}

int cni_call_open_netns(struct cni_call *call, struct cni_error *err)
{
	struct cni_args *args = &call->args;
	const bool optional = call->plugin->netns_optional;
	int fd = -1;

	call->netns_state = NETNS_GONE;
	if (args->netns[0] == '\0' || (optional && args->verb == CNI_CHECK))
		return 0;
	if (netns_open(args->netns, override_set(args->env), &call->netns_state, &fd, err) < 0)
		return unopenable(call, err);
	if (call->netns_state == NETNS_OWN && fd < 0)
		return own_netns(args, err);
	if (optional) {
		close_fdp(&fd);
		return 0;
	}
	args->netns_fd = fd;
	if (fd < 0)
		return 0;
	args->own_netns_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (args->own_netns_fd < 0 &&
	    cni_fail_sys(err, errno,
			 "open /proc/self/ns/net (is /proc mounted where the plugin runs?)") < 0) {
		close_fdp(&args->netns_fd);
		return unopenable(call, err);
	}
	return 0;
}

static int gone(const char *path, struct cni_error *err)
{
	int r = cni_fail(err, CNI_INVALID_NETNS, "failed to open netns \"%s\": it does not exist",
			 path);

	if (strncmp(path, "/proc/", 6) == 0)
		cni_details(err,
			    "the process that CNI_NETNS names has ended: start the container's "
			    "process first, or name a live one");
	else
		cni_details(err,
			    "CNI_NETNS must be the path of a network namespace that the runtime "
			    "made before ADD, for instance with: ip netns add NAME");
	return r;
}

static int not_one(const char *path, struct cni_error *err)
{
	int r = cni_fail(err, CNI_INVALID_NETNS,
			 "failed to open netns \"%s\": it is not a network namespace", path);

	cni_details(err,
		    "CNI_NETNS must be a network namespace, like /run/netns/NAME or "
		    "/proc/PID/ns/net; a plain file there is a mount point whose namespace was "
		    "unmounted");
	return r;
}

int cni_call_require_netns(struct cni_call *call, struct cni_error *err)
{
	const struct cni_args *args = &call->args;
	const struct cni_plugin *plugin = call->plugin;

	if (plugin->netns_optional || args->netns_fd >= 0 ||
	    (args->verb != CNI_ADD && args->verb != CNI_CHECK))
		return 0;
	if (plugin->validate != NULL && plugin->validate(args, err) < 0) {
		call->in_verb = true;
		return -1;
	}
	return call->netns_state == NETNS_NOT_ONE ? not_one(args->netns, err)
						  : gone(args->netns, err);
}
