/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netlink/forward.h"

#include <fcntl.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include "base/fs.h"
#include "base/text.h"
#include "netlink/attr.h"
#include "netlink/req.h"
#include "netlink/route.h"

static const char *forward_switch(int family)
{
	return family == AF_INET ? "/proc/sys/net/ipv4/ip_forward"
				 : "/proc/sys/net/ipv6/conf/all/forwarding";
}

static int take_forwarding(const struct nlmsghdr *nlh, size_t index, void *arg,
			   struct cni_error *err)
{
	const struct nlattr *tb[NETCONFA_FORWARDING + 1];

	(void)index;
	(void)err;
	if (nlh->nlmsg_type != RTM_NEWNETCONF ||
	    attr_header(nlh, sizeof(struct netconfmsg)) == NULL)
		return 0;
	attr_parse(nlh, sizeof(struct netconfmsg), tb, NETCONFA_FORWARDING);
	*(bool *)arg = attr_u32(tb[NETCONFA_FORWARDING]) != 0;
	return 0;
}

/*
 * Not from the switch's file: all namespaces' files of that name lie in one chain of the kernel's
 * name cache, and a pod's own stay there as long as it lives. Finding the host's takes 70 us with
 * 1,000 pods (measured; fs/proc/proc_sysctl.c, proc_sys_compare).
 */
static int is_on(struct nl *nl, int family, bool *ret, struct cni_error *err)
{
	const struct netconfmsg ncm = { .ncm_family = (uint8_t)family };
	struct nl_req req;

	nl_begin(&req);
	nl_msg(&req, RTM_GETNETCONF, 0, &ncm, sizeof(ncm));
	nl_what(&req, "read %s", forward_switch(family));
	nl_put_u32(&req, NETCONFA_IFINDEX, (uint32_t)NETCONFA_IFINDEX_ALL);
	req.reply = take_forwarding;
	req.reply_arg = ret;
	return nl_call(nl, &req, err);
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
	bool on = false;

	if (is_on(nl, family, &on, err) < 0)
		return -1;
	if (on)
		return 0;
	if (family == AF_INET6 && guard_default_routes(nl, err) < 0)
		return -1;
	return fs_sysctl(AT_FDCWD, forward_switch(family), "1", err);
}

int forward_check(struct nl *nl, int family, struct cni_error *err)
{
	bool on = false;

	if (is_on(nl, family, &on, err) < 0)
		return -1;
	if (!on)
		return cni_fail(err, CNI_CHECK_FAILED,
				"%s is off: pods cannot reach other networks; switch it on",
				forward_switch(family));
	return 0;
}
