/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tune.h"

#include <errno.h>
#include <string.h>

#include "netlink/linkset.h"

static int open_host_end(struct tune *t, int netns_fd, struct cni_error *err)
{
	if (nl_open(&t->host, err) < 0)
		return -1;
	if (link_host_end(&t->host, netns_fd, &t->link, &t->host_end, err) == 0)
		return 0;
	if (err->sys != ENODEV)
		return -1;
	err->code = CNI_INVALID_CONFIG;
	return cni_wrap(err, "mtuBothEnds");
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
