/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. One excursion into the pod's namespace opens a netlink socket, a raw
 * ICMPv6 socket and the folder of IPv6 switches; all three go on meaning the pod afterwards. What
 *IPAM decided is then applied in this order, because the kernel asks for it:
 *
 *	1. IPv6 switches: with disable_ipv6=1 an address is refused; duplicate address detection is
 *	   decided when an address is added and when the link goes up
 *	2. one sendmsg: addresses, link up, routes (whose gateways must be reachable by then)
 *	3. with detection on: wait for its outcome
 *	4. wait until the kernel delivers to the IPv6 addresses, which it sets up behind our back
 *
 * Nothing is undone here: all of it hangs on the link, which its maker deletes. Several of us may
 * work in one namespace at once (a runtime that attaches lo, eth0 and eth1 in parallel); only lo's
 * switch is shared, and everybody writes the same value to it.
 */
#include "netlink/pod.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/fs.h"
#include "base/text.h"
#include "netlink/addr.h"
#include "netlink/dad.h"
#include "netlink/linkmsg.h"
#include "netlink/podmsg.h"
#include "netlink/req.h"
#include "netlink/route.h"
#include "netns/netns.h"

static int open_inside(void *arg, struct cni_error *err)
{
	struct pod *pod = arg;

	if (nl_open(&pod->nl, err) < 0)
		return cni_wrap(err, "in the pod's network namespace");
	pod->icmp6_fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6);
	pod->no_ipv6 = pod->icmp6_fd < 0 && errno == EAFNOSUPPORT;
	if (!pod->no_ipv6)
		pod->sysctl_fd = netns_open_switches("net/ipv6");
	return 0;
}

int pod_open(int netns_fd, struct pod *ret, struct cni_error *err)
{
	struct pod pod = { .icmp6_fd = -1, .sysctl_fd = -1 };

	if (netns_call(netns_fd, open_inside, &pod, err) < 0)
		return -1;
	*ret = pod;
	return 0;
}

void pod_close(struct pod *pod)
{
	if (pod->nl.sk == NULL)
		return;
	nl_close(&pod->nl);
	close_fdp(&pod->icmp6_fd);
	close_fdp(&pod->sysctl_fd);
}

bool pod_has_ip(const struct pod_config *conf, size_t i)
{
	return conf->ips[i].interface == conf->interface;
}

static const struct ip_config *first_ip6(const struct pod_config *conf)
{
	for (size_t i = 0; i < conf->n_ips; i++) {
		if (pod_has_ip(conf, i) && !ip_is4(&conf->ips[i].address.addr))
			return &conf->ips[i];
	}
	return NULL;
}

static bool has_any_ip(const struct pod_config *conf)
{
	for (size_t i = 0; i < conf->n_ips; i++) {
		if (pod_has_ip(conf, i))
			return true;
	}
	return false;
}

static int switch6(struct pod *pod, const char *ifname, const char *name, const char *value,
		   struct cni_error *err)
{
	char path[96];

	(void)text_format(path, sizeof(path), "conf/%s/%s", ifname, name);
	if (nl_fault(&pod->nl, path, err) < 0 || fs_sysctl(pod->sysctl_fd, path, value, err) < 0)
		return cni_wrap(err, "IPv6 in the pod: /proc/sys/net/ipv6");
	return 0;
}

/* A comfort: what fails here only makes an address usable later, or floods the bridge. */
static void try_switch6(struct pod *pod, const char *ifname, const char *name, const char *value)
{
	struct cni_error ignored;
	char path[96];

	(void)text_format(path, sizeof(path), "conf/%s/%s", ifname, name);
	(void)fs_sysctl(pod->sysctl_fd, path, value, &ignored);
}

static int set_switches6(struct pod *pod, const struct pod_config *conf, struct cni_error *err)
{
	const struct ip_config *six = first_ip6(conf);
	char text[IPNET_TEXT];

	if (six != NULL && pod->no_ipv6) {
		ipnet_print(&six->address, text);
		return cni_fail(err, CNI_INVALID_CONFIG,
				"address %s for %s: IPv6 is switched off in this kernel (no "
				"/proc/sys/net/ipv6): take the IPv6 range out of ipam, or boot "
				"without ipv6.disable=1",
				text, conf->ifname);
	}
	if (pod->sysctl_fd < 0)
		return 0;
	/* Also for the link-local address of a pod that has IPv4 only: its probes go to all. Where
	 * IPAM gave nothing (L2), whoever configures the pod decides. */
	if (!has_any_ip(conf))
		return 0;
	if (conf->dad == POD_DAD_ON)
		try_switch6(pod, conf->ifname, "enhanced_dad", "1");
	try_switch6(pod, conf->ifname, "accept_dad", conf->dad == POD_DAD_ON ? "1" : "0");
	if (six == NULL)
		return 0;
	try_switch6(pod, "lo", "disable_ipv6", "0");
	if (switch6(pod, conf->ifname, "disable_ipv6", "0", err) < 0)
		return -1;
	return switch6(pod, conf->ifname, "keep_addr_on_down", "1", err);
}

/* Room for one more message: what is there goes first. */
static int room(struct pod *pod, struct nl_req *req, struct cni_error *err)
{
	if (req->n < NL_REQ_MSGS)
		return 0;
	if (nl_call(&pod->nl, req, err) < 0)
		return -1;
	nl_begin(req);
	return 0;
}

static int put_addresses(struct pod *pod, struct nl_req *req, const struct pod_config *conf,
			 struct cni_error *err)
{
	for (size_t i = 0; i < conf->n_ips; i++) {
		const struct ipnet *net = &conf->ips[i].address;
		bool nodad = conf->dad == POD_DAD_OFF && !ip_is4(&net->addr);

		if (!pod_has_ip(conf, i))
			continue;
		if (room(pod, req, err) < 0)
			return -1;
		addr_put_add(req, conf->index, conf->ifname, net, nodad ? IFA_F_NODAD : 0);
	}
	return 0;
}

static int put_up(struct pod *pod, struct nl_req *req, const struct pod_config *conf,
		  struct cni_error *err)
{
	if (room(pod, req, err) < 0)
		return -1;
	link_put_set(req, conf->index, IFF_UP, IFF_UP);
	nl_what(req, "set link %s up in the pod", conf->ifname);
	if (conf->arp_notify)
		link_put_inet(req, IPV4_DEVCONF_ARP_NOTIFY, 1);
	return 0;
}

/* Only a route that may leave the link can take a gateway that it did not ask for. */
static struct route with_gateway(const struct route *route, const struct pod_config *conf)
{
	struct route full = *route;
	bool onlink = route->has_scope && route->scope >= RT_SCOPE_LINK;

	for (size_t i = 0; i < conf->n_ips && !full.has_gw && !onlink; i++) {
		const struct ip_config *ip = &conf->ips[i];

		if (!pod_has_ip(conf, i) || !ip->has_gateway ||
		    ip_is4(&ip->gateway) != ip_is4(&route->dst.addr))
			continue;
		full.has_gw = true;
		full.gw = ip->gateway;
	}
	return full;
}

static int put_routes(struct pod *pod, struct nl_req *req, const struct pod_config *conf,
		      struct cni_error *err)
{
	for (size_t i = 0; i < conf->n_routes; i++) {
		const struct route route = with_gateway(&conf->routes[i], conf);

		if (room(pod, req, err) < 0)
			return -1;
		route_put_add(req, conf->index, conf->ifname, &route);
	}
	return 0;
}

static int wait_addresses(struct pod *pod, const struct pod_config *conf, struct cni_error *err)
{
	if (conf->dad == POD_DAD_ON && first_ip6(conf) != NULL &&
	    dad_wait(&pod->nl, conf->index, conf->ifname, err) < 0)
		return -1;
	for (size_t i = 0; i < conf->n_ips; i++) {
		if (pod_has_ip(conf, i) &&
		    addr_wait(&pod->nl, conf->ifname, &conf->ips[i].address.addr, err) < 0)
			return -1;
	}
	return 0;
}

int pod_apply(struct pod *pod, const struct pod_config *conf, struct cni_error *err)
{
	struct nl_req req;

	if (set_switches6(pod, conf, err) < 0)
		return -1;
	nl_begin(&req);
	if (put_addresses(pod, &req, conf, err) < 0 || put_up(pod, &req, conf, err) < 0 ||
	    put_routes(pod, &req, conf, err) < 0 || nl_call(&pod->nl, &req, err) < 0)
		return -1;
	return wait_addresses(pod, conf, err);
}
