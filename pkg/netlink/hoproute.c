/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "netlink/req.h"
#include "netlink/route.h"

static struct rtmsg header(const struct ipnet *dst, uint8_t protocol)
{
	return (struct rtmsg){
		.rtm_family = (uint8_t)ip_family(&dst->addr),
		.rtm_dst_len = (uint8_t)ipnet_plen(dst),
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = protocol,
		.rtm_scope = RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_UNICAST,
	};
}

void route_put_hop(struct nl_req *req, const struct hop_route *r)
{
	struct rtmsg rtm = header(&r->dst, r->protocol);
	char text[IPNET_TEXT];

	ipnet_print(&r->dst, text);
	rtm.rtm_flags = r->nhid == 0 && r->hop.onlink ? RTNH_F_ONLINK : 0;
	nl_msg(req, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &rtm, sizeof(rtm));
	nl_what(req, "set route %s", text);
	nl_put_ip(req, RTA_DST, &r->dst.addr);
	if (r->nhid != 0) {
		nl_put_u32(req, RTA_NH_ID, r->nhid);
		return;
	}
	nl_put_u32(req, RTA_OIF, (uint32_t)r->hop.index);
	if (!ip_is_unspecified(&r->hop.gw))
		nl_put_ip(req, RTA_GATEWAY, &r->hop.gw);
}

/* A route by a nexthop object is not found by gateway and link, nor the other way round. Hops of
 * IPv6 that share a prefix are shown with the first one's protocol, and have their own: gateway and
 * link are enough to tell them apart. */
void route_put_delete(struct nl_req *req, const struct route_found *r)
{
	const bool hop6 = r->route.has_gw && !ip_is4(&r->route.dst.addr);
	struct rtmsg rtm = header(&r->route.dst, hop6 ? RTPROT_UNSPEC : r->protocol);
	char text[IPNET_TEXT];

	ipnet_print(&r->route.dst, text);
	rtm.rtm_scope = RT_SCOPE_NOWHERE; /* any */
	rtm.rtm_type = r->type;
	nl_msg(req, RTM_DELROUTE, 0, &rtm, sizeof(rtm));
	nl_what(req, "remove route %s", text);
	nl_tolerate(req, ESRCH);
	nl_put_ip(req, RTA_DST, &r->route.dst.addr);
	if (r->route.priority != 0)
		nl_put_u32(req, RTA_PRIORITY, r->route.priority);
	route_put_metrics(req, &r->route); /* or one beside it that has none would go */
	if (r->nhid != 0) {
		nl_put_u32(req, RTA_NH_ID, r->nhid);
		return;
	}
	if (r->index != 0)
		nl_put_u32(req, RTA_OIF, (uint32_t)r->index);
	if (r->route.has_gw)
		nl_put_ip(req, RTA_GATEWAY, &r->route.gw);
}

void route_put_match(struct nl_req *req, const struct ip *dst)
{
	const struct rtmsg rtm = { .rtm_family = (uint8_t)ip_family(dst),
				   .rtm_dst_len = ip_is4(dst) ? 32 : 128,
				   .rtm_flags = RTM_F_FIB_MATCH };
	static const int none[] = { ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL };
	char text[IP_TEXT];

	ip_print(dst, text);
	nl_msg(req, RTM_GETROUTE, 0, &rtm, sizeof(rtm));
	nl_what(req, "look up the route that %s matches", text);
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		nl_tolerate(req, none[i]);
	nl_put_ip(req, RTA_DST, dst);
}
