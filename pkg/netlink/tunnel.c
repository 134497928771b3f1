/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A tunnel link is made by one message that holds everything, MAC and MTU
 * included, since a change afterwards is seen by others: udev renames nothing and re-addresses
 * nothing that was chosen at birth. Most attributes of a vxlan cannot be changed later; whoever
 * wants others deletes the link and makes it anew. Reading gives the same structs back, so that
 * wanted and found are compared field by field.
 */
#include "netlink/tunnel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string.h>

#include "netlink/attr.h"
#include "netlink/linkmsg.h"
#include "netlink/req.h"
#include "netlink/tunnelmsg.h"

/* The kernel leaves unset addresses out, or sends zeros. */
static bool take_ip(const struct nlattr *attr, int family, struct ip *ret)
{
	const struct ip ip = attr_ip(attr, family);

	if (attr == NULL || ip_is_unspecified(&ip))
		return false;
	*ret = ip;
	return true;
}

static void parse_vxlan(const struct nlattr *data, struct vxlan *v)
{
	const struct nlattr *tb[IFLA_VXLAN_MAX + 1];
	struct ip remote;

	attr_parse_nest(data, tb, IFLA_VXLAN_MAX);
	*v = (struct vxlan){
		.vni = attr_u32(tb[IFLA_VXLAN_ID]),
		.link = (int)attr_u32(tb[IFLA_VXLAN_LINK]),
		.port = ntohs(attr_u16(tb[IFLA_VXLAN_PORT])),
		.ttl = attr_u8(tb[IFLA_VXLAN_TTL]),
		.learning = attr_u8(tb[IFLA_VXLAN_LEARNING]) != 0,
		.gbp = tb[IFLA_VXLAN_GBP] != NULL,
		.udp_csum = attr_u8(tb[IFLA_VXLAN_UDP_CSUM]) != 0,
		.external = attr_u8(tb[IFLA_VXLAN_COLLECT_METADATA]) != 0,
	};
	v->has_local = take_ip(tb[IFLA_VXLAN_LOCAL], AF_INET, &v->local) ||
		       take_ip(tb[IFLA_VXLAN_LOCAL6], AF_INET6, &v->local);
	v->has_remote = take_ip(tb[IFLA_VXLAN_GROUP], AF_INET, &remote) ||
			take_ip(tb[IFLA_VXLAN_GROUP6], AF_INET6, &remote);
}

static void parse_ipip(const struct nlattr *data, struct ipip *ipip)
{
	const struct nlattr *tb[IFLA_IPTUN_MAX + 1];

	attr_parse_nest(data, tb, IFLA_IPTUN_MAX);
	*ipip = (struct ipip){
		.link = (int)attr_u32(tb[IFLA_IPTUN_LINK]),
		.local = attr_ip(tb[IFLA_IPTUN_LOCAL], AF_INET),
		.remote = attr_ip(tb[IFLA_IPTUN_REMOTE], AF_INET),
		.ttl = attr_u8(tb[IFLA_IPTUN_TTL]),
		.pmtudisc = attr_u8(tb[IFLA_IPTUN_PMTUDISC]) != 0,
	};
}

static void parse_counters(const struct nlattr *attr, struct link_counters *c)
{
	struct rtnl_link_stats64 s = { .rx_packets = 0 };
	size_t len = attr_len(attr) < sizeof(s) ? attr_len(attr) : sizeof(s);

	/* Aligned to four bytes only, and longer in newer kernels. */
	if (attr != NULL)
		memcpy(&s, attr_data(attr, len), len);
	*c = (struct link_counters){
		.rx_packets = s.rx_packets,
		.rx_bytes = s.rx_bytes,
		.rx_errors = s.rx_errors,
		.rx_dropped = s.rx_dropped,
		.tx_packets = s.tx_packets,
		.tx_bytes = s.tx_bytes,
		.tx_errors = s.tx_errors,
		.tx_dropped = s.tx_dropped,
	};
}

bool tunnel_parse(const struct nlmsghdr *nlh, struct tunnel *ret)
{
	const struct nlattr *tb[IFLA_MAX + 1], *info[IFLA_INFO_MAX + 1];
	struct tunnel t = { .link.index = 0 };

	if (!link_parse(nlh, &t.link))
		return false;
	attr_parse(nlh, sizeof(struct ifinfomsg), tb, IFLA_MAX);
	attr_parse_nest(tb[IFLA_LINKINFO], info, IFLA_INFO_MAX);
	if (strcmp(t.link.kind, "vxlan") == 0)
		parse_vxlan(info[IFLA_INFO_DATA], &t.vxlan);
	if (strcmp(t.link.kind, "ipip") == 0)
		parse_ipip(info[IFLA_INFO_DATA], &t.ipip);
	parse_counters(tb[IFLA_STATS64], &t.counters);
	*ret = t;
	return true;
}

static int take_tunnel(const struct nlmsghdr *nlh, size_t index, void *arg, struct cni_error *err)
{
	(void)index;
	(void)err;
	(void)tunnel_parse(nlh, arg);
	return 0;
}

int tunnel_get(struct nl *nl, const char *name, struct tunnel *ret, struct cni_error *err)
{
	struct tunnel t = { .link.index = 0 };
	struct nl_req req;

	nl_begin(&req);
	nl_msg(&req, RTM_GETLINK, 0, &(struct ifinfomsg){ .ifi_family = AF_UNSPEC },
	       sizeof(struct ifinfomsg));
	nl_what(&req, "read link %s", name);
	nl_put_str(&req, IFLA_IFNAME, name);
	req.reply = take_tunnel;
	req.reply_arg = &t;
	if (nl_call(nl, &req, err) < 0)
		return -1;
	/* The kernel also answers for alternative names. */
	if (t.link.index == 0 || strcmp(t.link.name, name) != 0)
		return cni_fail_sys(err, ENODEV, "read link %s", name);
	*ret = t;
	return 0;
}

struct walk {
	const char *kind;
	int (*each)(const struct tunnel *t, void *arg, struct cni_error *err);
	void *arg;
};

static int walk_tunnel(const struct nlmsghdr *nlh, void *arg, struct cni_error *err)
{
	const struct walk *w = arg;
	struct tunnel t;

	/* A kernel that does not know the kind does not filter by it. */
	if (!tunnel_parse(nlh, &t) || strcmp(t.link.kind, w->kind) != 0)
		return 0;
	return w->each(&t, w->arg, err);
}

int tunnel_each(struct nl *nl, const char *kind,
		int (*each)(const struct tunnel *t, void *arg, struct cni_error *err), void *arg,
		struct cni_error *err)
{
	struct walk walk = { .kind = kind, .each = each, .arg = arg };
	const struct nl_dump dump = { .each = walk_tunnel, .arg = &walk };
	struct nl_req req;

	nl_begin(&req);
	link_put_list(&req, kind);
	return nl_dump(nl, &req, &dump, err);
}

static void put_begin(struct nl_req *req, const char *kind, const struct tunnel_spec *spec)
{
	nl_msg(req, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
	       &(struct ifinfomsg){ .ifi_family = AF_UNSPEC }, sizeof(struct ifinfomsg));
	nl_what(req, "create %s %s", kind, spec->name);
	nl_module(req, kind);
	nl_put_str(req, IFLA_IFNAME, spec->name);
	if (spec->mtu != 0)
		nl_put_u32(req, IFLA_MTU, spec->mtu);
	if (!mac_is_zero(&spec->mac))
		nl_put(req, IFLA_ADDRESS, spec->mac.b, sizeof(spec->mac.b));
}

static void put_flags(struct nl_req *req, const struct vxlan *v)
{
	nl_put_u8(req, IFLA_VXLAN_LEARNING, v->learning);
	nl_put_u8(req, IFLA_VXLAN_PROXY, 0);
	nl_put_u8(req, IFLA_VXLAN_RSC, 0);
	nl_put_u8(req, IFLA_VXLAN_L2MISS, 0);
	nl_put_u8(req, IFLA_VXLAN_L3MISS, 0);
	nl_put_u8(req, IFLA_VXLAN_UDP_CSUM, v->udp_csum);
	nl_put_u8(req, IFLA_VXLAN_UDP_ZERO_CSUM6_TX, 0);
	nl_put_u8(req, IFLA_VXLAN_UDP_ZERO_CSUM6_RX, 0);
	if (v->gbp)
		nl_put(req, IFLA_VXLAN_GBP, NULL, 0);
}

void tunnel_put_vxlan(struct nl_req *req, const struct tunnel_spec *spec, const struct vxlan *v)
{
	const uint16_t port = htons(v->port);

	put_begin(req, "vxlan", spec);
	/* No queue of its own: the underlay's link has one. */
	nl_put_u32(req, IFLA_TXQLEN, 0);
	nl_nest(req, IFLA_LINKINFO);
	nl_put_str(req, IFLA_INFO_KIND, "vxlan");
	nl_nest(req, IFLA_INFO_DATA);
	nl_put_u32(req, IFLA_VXLAN_ID, v->vni);
	if (v->link != 0)
		nl_put_u32(req, IFLA_VXLAN_LINK, (uint32_t)v->link);
	if (v->has_local)
		nl_put_ip(req, ip_is4(&v->local) ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6, &v->local);
	nl_put_u8(req, IFLA_VXLAN_TTL, v->ttl);
	nl_put_u8(req, IFLA_VXLAN_TOS, 0);
	nl_put(req, IFLA_VXLAN_PORT, &port, sizeof(port));
	put_flags(req, v);
	nl_end(req);
	nl_end(req);
}

void tunnel_put_ipip(struct nl_req *req, const struct tunnel_spec *spec, const struct ipip *ipip)
{
	put_begin(req, "ipip", spec);
	nl_nest(req, IFLA_LINKINFO);
	nl_put_str(req, IFLA_INFO_KIND, "ipip");
	nl_nest(req, IFLA_INFO_DATA);
	if (ipip->link != 0)
		nl_put_u32(req, IFLA_IPTUN_LINK, (uint32_t)ipip->link);
	nl_put_ip(req, IFLA_IPTUN_LOCAL, &ipip->local);
	nl_put_ip(req, IFLA_IPTUN_REMOTE, &ipip->remote);
	nl_put_u8(req, IFLA_IPTUN_TTL, ipip->ttl);
	nl_put_u8(req, IFLA_IPTUN_TOS, 0);
	nl_put_u8(req, IFLA_IPTUN_PMTUDISC, ipip->pmtudisc);
	nl_put_u8(req, IFLA_IPTUN_PROTO, IPPROTO_IPIP);
	nl_end(req);
	nl_end(req);
}

int link_add_vxlan(struct nl *nl, const struct tunnel_spec *spec, const struct vxlan *vxlan,
		   struct cni_error *err)
{
	struct nl_req req;

	nl_begin(&req);
	tunnel_put_vxlan(&req, spec, vxlan);
	return nl_call(nl, &req, err);
}

int link_add_ipip(struct nl *nl, const struct tunnel_spec *spec, const struct ipip *ipip,
		  struct cni_error *err)
{
	struct nl_req req;

	nl_begin(&req);
	tunnel_put_ipip(&req, spec, ipip);
	return nl_call(nl, &req, err);
}

/* vxlan is refused without any data, ipip for a protocol that cannot be inside. */
int tunnel_known(struct nl *nl, const char *kind, bool *ret, struct cni_error *err)
{
	struct nl_req req;

	nl_begin(&req);
	put_begin(&req, kind, &(struct tunnel_spec){ .name = "podwire-none" });
	nl_what(&req, "ask for links of kind %s", kind);
	nl_nest(&req, IFLA_LINKINFO);
	nl_put_str(&req, IFLA_INFO_KIND, kind);
	if (strcmp(kind, "ipip") == 0) {
		nl_nest(&req, IFLA_INFO_DATA);
		nl_put_u8(&req, IFLA_IPTUN_PROTO, IPPROTO_UDP);
		nl_end(&req);
	}
	nl_end(&req);
	if (nl_call(nl, &req, err) == 0)
		return cni_fail(err, CNI_INTERNAL, "the kernel made a %s without attributes", kind);
	if (err->sys != EINVAL && err->sys != EOPNOTSUPP)
		return -1;
	*ret = err->sys == EINVAL;
	cni_clear(err);
	return 0;
}
