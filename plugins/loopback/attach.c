/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. Every network namespace is born with an interface "lo", down. ADD takes it
 * up, and the kernel then gives it 127.0.0.1/8 and ::1/128 by itself; DEL takes it down. Whatever
 * CNI_IFNAME says, it is "lo" (plugins.md §1.3). There is no other state, on the host or anywhere,
 * so a crash leaves nothing behind that is not gone with the namespace.
 *
 * containerd runs us at the same time as the plugins of the pod's other networks, in one
 * namespace: nothing but lo is looked at or touched.
 */
#include "attach.h"

#include <net/if.h>
#include <sys/socket.h>

#include "base/scoped.h"
#include "base/undo.h"
#include "netlink/addr.h"
#include "netlink/link.h"
#include "netns/netns.h"

static const char lo_name[] = "lo";

static int open_here(void *nl, struct cni_error *err)
{
	return nl_open(nl, err);
}

static int open_lo(const struct cni_args *args, struct nl *ret_nl, struct link *ret_lo,
		   struct cni_error *err)
{
	if (netns_call(args->netns_fd, open_here, ret_nl, err) < 0)
		return -1;
	return link_get(ret_nl, lo_name, ret_lo, err);
}

static void undo_up(void *nl, const void *lo)
{
	struct cni_error ignored;

	(void)link_set_down(nl, ((const struct link *)lo)->index, lo_name, &ignored);
}

static int refuse_foreign(const struct addr *addrs, size_t n, struct cni_error *err)
{
	char text[IPNET_TEXT];

	for (size_t i = 0; i < n; i++) {
		if (ip_is_loopback(&addrs[i].net.addr))
			continue;
		ipnet_print(&addrs[i].net, text);
		return cni_fail(err, CNI_CONFLICT,
				"loopback interface found with non-loopback address \"%s\"; remove "
				"it from lo in the pod's network namespace",
				text);
	}
	return 0;
}

/* The first address of each family. */
static int add_addresses(struct cni_result *result, const struct addr *addrs, size_t n,
			 struct cni_error *err)
{
	bool have4 = false, have6 = false;

	for (size_t i = 0; i < n; i++) {
		const struct ip_config ip = { .address = addrs[i].net, .interface = 0 };
		bool *have = ip_is4(&ip.address.addr) ? &have4 : &have6;

		if (*have)
			continue;
		*have = true;
		if (cni_result_add_ip(result, &ip, err) < 0)
			return -1;
	}
	return 0;
}

static int fill_result(const struct cni_args *args, const struct addr *addrs, size_t n,
		       struct cni_result *result, struct cni_error *err)
{
	if (args->has_prev)
		return cni_result_copy(result, &args->prev, err);
	if (cni_result_add_interface(result, lo_name, "00:00:00:00:00:00", 0, args->netns, err) < 0)
		return -1;
	return add_addresses(result, addrs, n, err);
}

int loopback_attach(const struct cni_args *args, struct cni_result *result, struct cni_error *err)
{
	scoped_nl struct nl nl = { 0 };
	scoped_undo struct undo undo = { .n = 0 };
	scoped_free struct addr *addrs = NULL;
	struct link lo;
	size_t n;

	if (open_lo(args, &nl, &lo, err) < 0)
		return -1;
	/* Before the change: an answer that is lost does not tell whether it was made. */
	if ((lo.flags & IFF_UP) == 0)
		undo_push(&undo, undo_up, &nl, &lo);
	if (link_set_up(&nl, lo.index, lo_name, err) < 0 ||
	    addr_list(&nl, lo.index, AF_UNSPEC, &addrs, &n, err) < 0 ||
	    refuse_foreign(addrs, n, err) < 0)
		return -1;
	if (fill_result(args, addrs, n, result, err) < 0)
		return -1;
	undo_commit(&undo);
	return 0;
}

int loopback_detach(const struct cni_args *args, struct cni_error *err)
{
	scoped_nl struct nl nl = { 0 };
	struct link lo;

	if (args->netns_fd < 0)
		return 0;
	if (open_lo(args, &nl, &lo, err) < 0)
		return -1;
	return link_set_down(&nl, lo.index, lo_name, err);
}

int loopback_check(const struct cni_args *args, struct cni_error *err)
{
	scoped_nl struct nl nl = { 0 };
	struct link lo;

	if (open_lo(args, &nl, &lo, err) < 0)
		return -1;
	if ((lo.flags & IFF_UP) == 0)
		return cni_fail(err, CNI_CHECK_FAILED, "loopback interface is down in %s",
				args->netns);
	return 0;
}
