/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netlink/forward.h"

#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include "base/fs.h"
#include "base/text.h"
#include "netlink/route.h"

static const char *forward_switch(int family)
{
	return family == AF_INET ? "/proc/sys/net/ipv4/ip_forward"
				 : "/proc/sys/net/ipv6/conf/all/forwarding";
}

static int is_on(const char *path, bool *ret, struct cni_error *err)
{
	char now[16];

	if (fs_read_at(AT_FDCWD, path, now, sizeof(now), NULL, err) < 0)
		return -1;
	*ret = now[0] == '1';
	return 0;
}

/* accept_ra: 1 means "unless forwarding", 2 means "also when forwarding"; 0 stays the operator's.
 */
static int keep_advertised_routes(int index, struct cni_error *err)
{
	char name[IF_NAMESIZE], path[96], now[16];

	if (if_indextoname((unsigned)index, name) == NULL)
		return 0; /* gone meanwhile, and its routes with it */
	(void)text_format(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/accept_ra", name);
	if (fs_read_at(AT_FDCWD, path, now, sizeof(now), NULL, err) < 0)
		return -1;
	return now[0] == '1' ? fs_sysctl(AT_FDCWD, path, "2", err) : 0;
}

static int guard_default_routes(struct nl *nl, struct cni_error *err)
{
	scoped_free struct route_found *routes = NULL;
	size_t n = 0;

	if (route_list(nl, AF_INET6, 0, &routes, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct route_found *r = &routes[i];

		if (r->protocol == RTPROT_RA && ipnet_is_default(&r->route.dst) && r->index != 0 &&
		    keep_advertised_routes(r->index, err) < 0)
			return cni_wrap(err, "keep the IPv6 default route learnt by router "
					     "advertisement");
	}
	return 0;
}

int forward_enable(struct nl *nl, int family, struct cni_error *err)
{
	const char *path = forward_switch(family);
	bool on = false;

	if (is_on(path, &on, err) < 0)
		return -1;
	if (on)
		return 0;
	if (family == AF_INET6 && guard_default_routes(nl, err) < 0)
		return -1;
	return fs_sysctl(AT_FDCWD, path, "1", err);
}

int forward_check(int family, struct cni_error *err)
{
	const char *path = forward_switch(family);
	bool on = false;

	if (is_on(path, &on, err) < 0)
		return -1;
	if (!on)
		return cni_fail(err, CNI_CHECK_FAILED,
				"%s is off: pods cannot reach other networks; switch it on", path);
	return 0;
}
