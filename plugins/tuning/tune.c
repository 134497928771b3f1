/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune.h"

#include <errno.h>
#include <string.h>

#include "netlink/linkset.h"

/* Interface numbers are per namespace: the end must lead to this link in this namespace. */
static bool is_host_end(const struct link *end, const struct link *pod, int nsid)
{
	return strcmp(end->kind, "veth") == 0 && end->peer == pod->index && end->peer_elsewhere &&
	       end->peer_nsid == nsid;
}

static int open_host_end(struct tune *t, int netns_fd, struct cni_error *err)
{
	int nsid;

	if (nl_open(&t->host, err) < 0 || link_nsid(&t->host, netns_fd, &nsid, err) < 0)
		return -1;
	if (strcmp(t->link.kind, "veth") == 0 && t->link.peer != 0 && t->link.peer_elsewhere) {
		if (link_get_index(&t->host, t->link.peer, &t->host_end, err) == 0) {
			if (is_host_end(&t->host_end, &t->link, nsid))
				return 0;
		} else if (err->sys != ENODEV) {
			return -1;
		}
	}
	return cni_fail(err, CNI_INVALID_CONFIG,
			"mtuBothEnds: %s is no veth whose other end is on this host", t->link.name);
}

int tune_open(const struct cni_args *args, bool host_end, struct tune *ret, struct cni_error *err)
{
	struct tune t = { .host_end = { .index = 0 } };

	if (pod_open(args->netns_fd, &t.pod, err) < 0)
		return -1;
	if (link_get(&t.pod.nl, args->ifname, &t.link, err) < 0) {
		tune_close(&t);
		return cni_wrap(err, "the pod's interface");
	}
	if (host_end && open_host_end(&t, args->netns_fd, err) < 0) {
		tune_close(&t);
		return -1;
	}
	*ret = t;
	return 0;
}

void tune_close(struct tune *t)
{
	pod_close(&t->pod);
	nl_close(&t->host);
}
