/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The gateway's side of a bridge network: per node, not per pod. What is made here (the addresses
 * on the bridge, the VLAN gateway's veth pair, the forwarding switches) serves every pod of the
 * network and stays when a pod goes; DEL, GC and the undo of a failed ADD leave it alone. So every
 * step looks first and takes "already there" for done, whoever of several ADDs at once was faster.
 * Only an address that is missing is added under a lock, after another look: of two networks whose
 * first pods come to one bridge at once, the second has to see the first one's address.
 */
#include "gateway.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fs.h"
#include "base/scoped.h"
#include "base/text.h"
#include "netlink/addr.h"
#include "netlink/forward.h"
#include "netlink/link.h"
#include "vlans.h"

static bool has_default_via(const struct cni_result *result, bool v4)
{
	for (size_t i = 0; i < result->n_routes; i++) {
		const struct route *r = &result->routes[i];

		if (r->has_gw && ipnet_is_default(&r->dst) && ip_is4(&r->dst.addr) == v4)
			return true;
	}
	return false;
}

static int add_default(struct cni_result *result, const struct ip_config *ip, struct cni_error *err)
{
	const struct ip any =
	    ip_is4(&ip->address.addr) ? ip_from_bytes("\0\0\0", 4) : (struct ip){ 0 };
	const struct route route = { .dst = ipnet_make(&any, 0),
				     .has_gw = true,
				     .gw = ip->gateway };

	return cni_result_add_route(result, &route, err);
}

int gateway_complete(const struct bridge_conf *conf, struct cni_result *result,
		     struct cni_error *err)
{
	for (size_t i = 0; conf->is_gateway && i < result->n_ips; i++) {
		struct ip_config *ip = &result->ips[i];
		const struct ip network = ipnet_network(&ip->address);

		if (!ip->has_gateway) {
			ip->gateway = ip_next(&network);
			ip->has_gateway = true;
		}
		if (conf->is_default_gateway &&
		    !has_default_via(result, ip_is4(&ip->address.addr)) &&
		    add_default(result, ip, err) < 0)
			return -1;
	}
	return 0;
}

static struct ipnet gateway_net(const struct ip_config *ip)
{
	return ipnet_make(&ip->gateway, ipnet_plen(&ip->address));
}

/* Two IPv4 subnets, or two that overlap, on one bridge: the reference refuses it, and so do we. */
static bool in_the_way(const struct addr *have, const struct ipnet *want)
{
	if (ip_is4(&have->net.addr) != ip_is4(&want->addr))
		return false;
	return ip_is4(&want->addr) || ipnet_overlaps(&have->net, want);
}

static int refuse(const struct link *target, const struct addr *have, const struct ipnet *want,
		  struct cni_error *err)
{
	char is[IPNET_TEXT], wanted[IPNET_TEXT];

	ipnet_print(&have->net, is);
	ipnet_print(want, wanted);
	return cni_fail(err, CNI_CONFLICT,
			"failed to set bridge addr: \"%s\" already has an IP address different "
			"from %s, namely %s; give this network a bridge of its own, remove that "
			"address, or set forceAddress",
			target->name, wanted, is);
}

/* Is it there? If not, and with `clear`, nothing is in its way afterwards. */
static int look(struct nl *host, const struct link *target, const struct ipnet *want,
		const struct bridge_conf *clear, bool *ret_there, struct cni_error *err)
{
	scoped_free struct addr *have = NULL;
	size_t n;

	*ret_there = false;
	if (addr_list(host, target->index, ip_family(&want->addr), &have, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n && !*ret_there; i++)
		*ret_there = ipnet_equal(&have[i].net, want);
	for (size_t i = 0; clear != NULL && i < n && !*ret_there; i++) {
		if (!in_the_way(&have[i], want))
			continue;
		if (!clear->force_address)
			return refuse(target, &have[i], want, err);
		if (addr_delete(host, target->index, target->name, &have[i].net, err) < 0)
			return -1;
	}
	return 0;
}

/* IPv6 on, and the address kept when somebody takes the bridge down and up, as IPv4's is. */
static int prepare_ipv6(const char *name, struct cni_error *err)
{
	char path[96];

	(void)text_format(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/keep_addr_on_down", name);
	if (fs_sysctl(AT_FDCWD, path, "1", err) < 0)
		cni_clear(err); /* a comfort, not a need */
	(void)text_format(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	return fs_sysctl(AT_FDCWD, path, "0", err);
}

/* *lock (-1: not taken yet) is the caller's to close. */
static int take_lock(int *lock, struct cni_error *err)
{
	scoped_fd int run = -1;

	if (*lock >= 0)
		return 0;
	if (fs_run_dir(true, &run, err) < 0)
		return -1;
	return fs_lock_at(run, "bridge.lock", lock, err);
}

static int add_address(struct nl *host, const struct bridge_conf *conf, const struct link *target,
		       const struct ipnet *want, struct cni_error *err)
{
	bool there;

	if (look(host, target, want, conf, &there, err) < 0)
		return -1;
	if (there)
		return 0;
	if (!ip_is4(&want->addr) && prepare_ipv6(target->name, err) < 0)
		return -1;
	if (addr_add(host, target->index, target->name, want, ip_is4(&want->addr) ? 0 : IFA_F_NODAD,
		     err) < 0 &&
	    err->sys != EEXIST)
		return -1;
	if (addr_wait(host, target->name, &want->addr, err) < 0)
		return -1;
	/* Written to itself the MAC is the link's own: a bridge stops following its ports. */
	return link_set_mac(host, target->index, target->name, &target->mac, err);
}

void gateway_vlan_name(const struct bridge_conf *conf, char name[IFNAME_MAX])
{
	(void)text_format(name, IFNAME_MAX, "%s.%u", conf->bridge, conf->vlan);
}

/* The port's name must be known to whoever comes second: a hash of bridge and VLAN, not a random
 * one. */
static void vlan_port_name(const struct bridge_conf *conf, char name[IFNAME_MAX])
{
	char gateway[IFNAME_MAX];

	gateway_vlan_name(conf, gateway);
	ifname_host_veth(&(struct owner){ conf->bridge, "vlan-gateway", gateway }, name);
}

static int make_vlan_pair(struct nl *host, const struct link *bridge, const char *port,
			  const char *gateway, struct cni_error *err)
{
	struct veth_spec spec = { .host_name = port,
				  .master = bridge->index,
				  .master_name = bridge->name,
				  .mtu = bridge->mtu,
				  .pod_name = gateway,
				  .netns_fd = -1 };
	struct link made;

	if (bridge_random_mac(&spec.host_mac, err) < 0 || bridge_random_mac(&spec.pod_mac, err) < 0)
		return -1;
	if (link_add_veth(host, &spec, &made, err) < 0 && err->sys != EEXIST)
		return -1;
	return 0;
}

/* The pair's other end, put back into the bridge should that have been made anew. */
static int gateway_port(struct nl *host, const struct link *gateway, const struct link *bridge,
			struct link *port, struct cni_error *err)
{
	if (strcmp(gateway->kind, "veth") != 0 ||
	    link_get_index(host, gateway->peer, port, err) < 0 || port->peer != gateway->index)
		return cni_fail(
		    err, CNI_CONFLICT,
		    "%s exists but is no veth with both ends on this host: rename or remove "
		    "it, bridge %s needs that name for the gateway of a VLAN",
		    gateway->name, bridge->name);
	if (port->master == bridge->index)
		return 0;
	return link_set_master(host, port->index, port->name, bridge->index, err);
}

/* Found by name, then verified: an ADD that was killed may have left the pair without its VLAN. */
static int ensure_vlan_gateway(struct nl *host, const struct bridge_conf *conf,
			       const struct link *bridge, struct link *target,
			       struct cni_error *err)
{
	const struct port_vlan vlan = { .id = (uint16_t)conf->vlan,
					.pvid = true,
					.untagged = true };
	char gateway[IFNAME_MAX], port_name[IFNAME_MAX];
	struct link port;

	gateway_vlan_name(conf, gateway);
	vlan_port_name(conf, port_name);
	if (link_get(host, gateway, target, err) < 0) {
		if (err->sys != ENODEV ||
		    make_vlan_pair(host, bridge, port_name, gateway, err) < 0 ||
		    link_get(host, gateway, target, err) < 0)
			return cni_wrap(err, "VLAN gateway %s", gateway);
	}
	if (gateway_port(host, target, bridge, &port, err) < 0 ||
	    vlans_apply(host, conf, &port, &vlan, 1, err) < 0 ||
	    link_set_up(host, port.index, port.name, err) < 0 ||
	    link_set_up(host, target->index, gateway, err) < 0)
		return cni_wrap(err, "VLAN gateway %s", gateway);
	return 0;
}

int gateway_install(struct nl *host, const struct bridge_conf *conf, const struct link *bridge,
		    const struct cni_result *result, struct link *target, struct cni_error *err)
{
	bool v4 = false, v6 = false, there;
	scoped_fd int lock = -1;

	*target = *bridge;
	if (conf->vlan != 0 && ensure_vlan_gateway(host, conf, bridge, target, err) < 0)
		return -1;
	for (size_t i = 0; i < result->n_ips; i++) {
		const struct ipnet want = gateway_net(&result->ips[i]);

		if (look(host, target, &want, NULL, &there, err) < 0)
			return -1;
		if (!there &&
		    (take_lock(&lock, err) < 0 || add_address(host, conf, target, &want, err) < 0))
			return -1;
		v4 |= ip_is4(&want.addr);
		v6 |= !ip_is4(&want.addr);
	}
	if (v4 && forward_enable(host, AF_INET, err) < 0)
		return -1;
	return v6 ? forward_enable(host, AF_INET6, err) : 0;
}

static int check_address(struct nl *host, const struct link *target, const struct ip_config *ip,
			 struct cni_error *err)
{
	const struct ipnet want = gateway_net(ip);
	scoped_free struct addr *have = NULL;
	char text[IPNET_TEXT];
	size_t n;

	if (addr_list(host, target->index, ip_family(&want.addr), &have, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (ipnet_equal(&have[i].net, &want))
			return forward_check(host, ip_family(&want.addr), err);
	}
	ipnet_print(&want, text);
	return cni_fail(err, CNI_CHECK_FAILED,
			"%s has lost the gateway's address %s: add it again (ip address add %s dev "
			"%s), or add any pod of this network",
			target->name, text, text, target->name);
}

int gateway_check(struct nl *host, const struct bridge_conf *conf, const struct cni_result *result,
		  struct cni_error *err)
{
	char name[IFNAME_MAX];
	struct link target;

	if (conf->vlan != 0)
		gateway_vlan_name(conf, name);
	else
		(void)text_format(name, sizeof(name), "%s", conf->bridge);
	if (link_get(host, name, &target, err) < 0)
		return err->sys == ENODEV ? cni_fail(err, CNI_CHECK_FAILED,
						     "the gateway interface %s is gone", name)
					  : -1;
	for (size_t i = 0; i < result->n_ips; i++) {
		if (result->ips[i].has_gateway &&
		    check_address(host, &target, &result->ips[i], err) < 0)
			return -1;
	}
	return 0;
}
