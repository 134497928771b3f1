/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plan.h"

#include <errno.h>
#include <stdlib.h>

#include "netlink/route.h"

int portmap_plan_make(const struct cni_args *args, const struct portmap_conf *conf,
		      struct portmap_plan *ret, struct cni_error *err)
{
	ret->owner = cni_owner(args);
	ret->pod = portmap_pod(args);
	if (!ret->pod.has4 && !ret->pod.has6)
		return cni_fail(err, CNI_INVALID_CONFIG,
				"prevResult has no address for interface %s that host ports could "
				"lead to",
				args->ifname);
	if (nft_conditions_hash(&conf->conditions, ret->conditions, err) < 0 ||
	    portmap_items(conf, &ret->pod, ret->conditions, &ret->items, &ret->n, err) < 0)
		return -1;
	return nl_open(&ret->nl, err);
}

void portmap_plan_free(struct portmap_plan *p)
{
	free(p->items);
	p->items = NULL;
	nl_close(&p->nl);
}

int portmap_way(struct portmap_plan *p, bool four, struct link *ret, struct cni_error *err)
{
	const struct ipnet *pod = four ? &p->pod.v4 : &p->pod.v6;
	char text[IP_TEXT];
	struct route_way way = { .local = false };

	ip_print(&pod->addr, text);
	if (route_lookup(&p->nl, &pod->addr, &way, err) == 0 && (way.local || way.gateway))
		return cni_fail_sys(err, EHOSTUNREACH,
				    "no host interface leads to the pod's address %s", text);
	if (way.index == 0 || link_get_index(&p->nl, way.index, ret, err) < 0)
		return cni_wrap(err, "find the host interface that leads to the pod's address %s",
				text);
	return 0;
}

bool portmap_no_way(const struct cni_error *err)
{
	return err->sys == ENETUNREACH || err->sys == EHOSTUNREACH;
}
