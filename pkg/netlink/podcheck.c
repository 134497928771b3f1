/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "base/text.h"
#include "netlink/addr.h"
#include "netlink/pod.h"
#include "netlink/podmsg.h"
#include "netlink/route.h"

static int check_addr(const struct ipnet *want, const struct addr *addrs, size_t n,
		      const char *ifname, struct cni_error *err)
{
	char text[IPNET_TEXT], other[IPNET_TEXT];

	ipnet_print(want, text);
	for (size_t i = 0; i < n; i++) {
		ipnet_print(&addrs[i].net, other);
		if (!ip_equal(&addrs[i].net.addr, &want->addr))
			continue;
		if ((addrs[i].flags & IFA_F_DADFAILED) != 0)
			return cni_fail(err, CNI_CHECK_FAILED,
					"address %s on %s is a duplicate and not in use", text,
					ifname);
		if (ipnet_equal(&addrs[i].net, want))
			return 0;
		return cni_fail(err, CNI_CHECK_FAILED, "address %s on %s is there as %s", text,
				ifname, other);
	}
	return cni_fail(err, CNI_CHECK_FAILED, "address %s is missing on %s", text, ifname);
}

static int check_addresses(struct pod *pod, const struct pod_config *conf, struct cni_error *err)
{
	scoped_free struct addr *addrs = NULL;
	size_t n = 0;

	if (addr_list(&pod->nl, conf->index, AF_UNSPEC, &addrs, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < conf->n_ips; i++) {
		if (pod_has_ip(conf, i) &&
		    check_addr(&conf->ips[i].address, addrs, n, conf->ifname, err) < 0)
			return -1;
	}
	return 0;
}

/* The kernel files "table": 0 under main. */
static bool same_table(const struct route *found, const struct route *want)
{
	return !want->has_table ||
	       found->table == (want->table != RT_TABLE_UNSPEC ? want->table : RT_TABLE_MAIN);
}

static bool same_extras(const struct route *found, const struct route *want)
{
	return (want->mtu == 0 || found->mtu == want->mtu) &&
	       (want->advmss == 0 || found->advmss == want->advmss) &&
	       (want->priority == 0 || found->priority == want->priority) &&
	       same_table(found, want) &&
	       (!want->has_scope || !ip_is4(&want->dst.addr) || found->scope == want->scope);
}

static bool matches(const struct route_found *found, const struct route *want, int index)
{
	const struct ipnet dst = ipnet_masked(&want->dst);

	if (found->type != RTN_UNICAST || !ipnet_equal(&found->route.dst, &dst) ||
	    !same_extras(&found->route, want))
		return false;
	if (ipnet_is_default(&dst))
		return true;
	return found->index == index &&
	       (!want->has_gw || (found->route.has_gw && ip_equal(&found->route.gw, &want->gw)));
}

static int find(const struct route *want, const struct route_found *routes, size_t n,
		const struct pod_config *conf, struct cni_error *err)
{
	char dst[IPNET_TEXT], gw[IP_TEXT] = "";

	for (size_t i = 0; i < n; i++) {
		if (matches(&routes[i], want, conf->index))
			return 0;
	}
	ipnet_print(&want->dst, dst);
	if (want->has_gw)
		ip_print(&want->gw, gw);
	return cni_fail(err, CNI_CHECK_FAILED,
			"route %s%s%s of %s is missing, or not as the result says", dst,
			want->has_gw ? " via " : "", gw, conf->ifname);
}

/* The route that comes with an address; a /32 or /128 has none. */
static int find_prefix(const struct ipnet *net, const struct route_found *routes, size_t n,
		       const struct pod_config *conf, struct cni_error *err)
{
	const struct route want = { .dst = ipnet_masked(net) };

	return net->len == 128 ? 0 : find(&want, routes, n, conf, err);
}

static int check_family(struct pod *pod, const struct pod_config *conf, int family,
			struct cni_error *err)
{
	scoped_free struct route_found *routes = NULL;
	size_t n = 0;

	if (route_list(&pod->nl, family, 0, &routes, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < conf->n_routes; i++) {
		if (ip_family(&conf->routes[i].dst.addr) == family &&
		    find(&conf->routes[i], routes, n, conf, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < conf->n_ips; i++) {
		if (pod_has_ip(conf, i) && ip_family(&conf->ips[i].address.addr) == family &&
		    find_prefix(&conf->ips[i].address, routes, n, conf, err) < 0)
			return -1;
	}
	return 0;
}

static bool concerns(const struct pod_config *conf, int family)
{
	for (size_t i = 0; i < conf->n_routes; i++) {
		if (ip_family(&conf->routes[i].dst.addr) == family)
			return true;
	}
	for (size_t i = 0; i < conf->n_ips; i++) {
		if (pod_has_ip(conf, i) && ip_family(&conf->ips[i].address.addr) == family)
			return true;
	}
	return false;
}

int pod_check(struct pod *pod, const struct pod_config *conf, struct cni_error *err)
{
	if (check_addresses(pod, conf, err) < 0)
		return -1;
	if (concerns(conf, AF_INET) && check_family(pod, conf, AF_INET, err) < 0)
		return -1;
	return concerns(conf, AF_INET6) ? check_family(pod, conf, AF_INET6, err) : 0;
}
