/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netlink/dad.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include "netlink/addr.h"
#include "netlink/link.h"
#include "netlink/route.h"

/* Looking again costs 10 to 20 us and needs no second socket for notifications; detection takes one
 * to two seconds by its nature and is asked for by nobody in a hurry. */
#define STEP_MS 20

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* The first address that is not settled, or NULL. A duplicate is an error. */
static int look(const struct addr *addrs, size_t n, const char *ifname,
		const struct addr **ret_tentative, struct cni_error *err)
{
	char text[IPNET_TEXT];

	*ret_tentative = NULL;
	for (size_t i = 0; i < n; i++) {
		ipnet_print(&addrs[i].net, text);
		if ((addrs[i].flags & IFA_F_DADFAILED) != 0)
			return cni_fail(err, CNI_CONFLICT,
					"address %s on %s is a duplicate: somebody else on this "
					"network has it already (IPv6 duplicate address detection)",
					text, ifname);
		if ((addrs[i].flags & IFA_F_TENTATIVE) != 0)
			*ret_tentative = &addrs[i];
	}
	return 0;
}

static int overdue(struct nl *nl, int index, const char *ifname, const struct addr *addr,
		   struct cni_error *err)
{
	char text[IPNET_TEXT];
	struct link link;

	if (link_get_index(nl, index, &link, err) < 0)
		return -1;
	if (link.operstate != IF_OPER_UP)
		return 0;
	ipnet_print(&addr->net, text);
	return cni_fail(err, CNI_TRY_AGAIN,
			"address %s on %s: duplicate address detection has no outcome after %d s",
			text, ifname, ADDR_SECONDS);
}

static int dad_loop(struct nl *nl, int index, const char *ifname, struct cni_error *err)
{
	int64_t deadline = now_ms() + (int64_t)ADDR_SECONDS * 1000;

	for (;;) {
		scoped_free struct addr *addrs = NULL;
		const struct addr *tentative;
		size_t n = 0;

		if (addr_list(nl, index, AF_INET6, &addrs, &n, err) < 0 ||
		    look(addrs, n, ifname, &tentative, err) < 0)
			return -1;
		if (tentative == NULL)
			return 0;
		if (now_ms() >= deadline)
			return overdue(nl, index, ifname, tentative, err);
		(void)poll(NULL, 0, STEP_MS);
	}
}

/* Less and less often: many that ask at the same time would keep the work queue from its work. */
static int local_loop(struct nl *nl, const char *link, const struct ip *addr, struct cni_error *err)
{
	int64_t deadline = now_ms() + (int64_t)ADDR_LOCAL_SECONDS * 1000;
	char text[IP_TEXT];

	for (int step_ms = 1;; step_ms += step_ms < STEP_MS ? step_ms : 0) {
		struct route_way way = { .local = false };

		if (route_lookup(nl, addr, &way, err) < 0 && err->sys != ENETUNREACH)
			return -1;
		if (way.local)
			return 0;
		if (now_ms() >= deadline)
			break;
		(void)poll(NULL, 0, step_ms);
	}
	ip_print(addr, text);
	return cni_fail(err, CNI_TRY_AGAIN, "address %s on %s is not usable after %d s", text, link,
			ADDR_LOCAL_SECONDS);
}

/* However often a loop asks, it is one step of ADD for the tests that fail each in turn. */
int dad_wait(struct nl *nl, int index, const char *ifname, struct cni_error *err)
{
	int *counter = nl->fail_after, r;

	if (nl_fault(nl, "wait for duplicate address detection", err) < 0)
		return -1;
	nl->fail_after = NULL;
	r = dad_loop(nl, index, ifname, err);
	nl->fail_after = counter;
	return r;
}

int addr_wait(struct nl *nl, const char *link, const struct ip *addr, struct cni_error *err)
{
	int *counter = nl->fail_after, r;

	if (ip_is4(addr))
		return 0;
	if (nl_fault(nl, "wait for an address to be usable", err) < 0)
		return -1;
	nl->fail_after = NULL;
	r = local_loop(nl, link, addr, err);
	nl->fail_after = counter;
	return r;
}
