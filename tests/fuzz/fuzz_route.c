/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sys/socket.h>

#include "fuzz_message.h"
#include "netlink/route.h"

#include "../../pkg/netlink/route.c" /* its readers of messages are nobody else's */

struct both {
	struct found found;
	struct route_way way;
};

static struct both read_one(const uint8_t *data, size_t size, uint8_t filler)
{
	struct nlmsghdr *nlh = fuzz_message(data, size, RTM_NEWROUTE, filler);
	const struct rtmsg *rtm = attr_header(nlh, sizeof(*rtm));
	struct both both = { .found.family =
				 rtm != NULL && rtm->rtm_family == AF_INET6 ? AF_INET6 : AF_INET };
	struct cni_error err;

	FUZZ_CHECK(take_route(nlh, &both.found, &err) == 0);
	FUZZ_CHECK(take_lookup(nlh, 0, &both.way, &err) == 0);
	free(nlh);
	return both;
}

/* A route message of any bytes, hops included: no more routes than fit into it, each of the family
 * asked for, and what stands behind the message has no influence. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct both a, b;

	if (size < sizeof(struct nlmsghdr))
		return 0;
	a = read_one(data, size, 0);
	b = read_one(data, size, 0xff);
	FUZZ_CHECK(a.found.n == b.found.n && a.found.n <= 1 + size / sizeof(struct rtnexthop));
	FUZZ_CHECK(a.way.index == b.way.index && a.way.gateway == b.way.gateway);
	for (size_t i = 0; i < a.found.n; i++) {
		const struct route_found *r = &a.found.list[i], *s = &b.found.list[i];

		FUZZ_CHECK(ip_family(&r->route.dst.addr) == a.found.family);
		FUZZ_CHECK(ipnet_equal(&r->route.dst, &s->route.dst) && r->index == s->index);
		FUZZ_CHECK(r->route.has_gw == s->route.has_gw &&
			   (!r->route.has_gw || ip_equal(&r->route.gw, &s->route.gw)));
	}
	free(a.found.list);
	free(b.found.list);
	return 0;
}
