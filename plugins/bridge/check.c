/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CHECK: everything that ADD made, compared with prevResult; nothing is repaired (CHK-08). */
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "attach.h"
#include "cni/delegate.h"
#include "gateway.h"
#include "nft/masq.h"
#include "vlans.h"

struct checking {
	const struct cni_args *args;
	const struct bridge_conf *conf;
	struct owner owner;
	const struct cni_interface *pod_entry; /* in prevResult */
	size_t pod_index;
	struct nl host;
	struct pod pod;
	struct link bridge, inside, veth;
};

static int check_mac(const struct cni_interface *entry, const struct link *link, const char *what,
		     struct cni_error *err)
{
	char have[MAC_TEXT];
	struct mac want;

	if (entry->mac == NULL || entry->mac[0] == '\0')
		return 0;
	mac_print(&link->mac, have);
	if (!mac_parse(entry->mac, &want) || !mac_equal(&want, &link->mac))
		return cni_fail(err, CNI_CHECK_FAILED, "%s %s Mac doesn't match: %s, expected %s",
				what, entry->name, have, entry->mac);
	return 0;
}

static int check_bridge(struct checking *c, struct cni_error *err)
{
	const char *name = c->conf->bridge;
	const struct cni_interface *entry = cni_result_host_interface(&c->args->prev, name);

	if (link_get(&c->host, name, &c->bridge, err) < 0)
		return err->sys == ENODEV
			   ? cni_fail(err, CNI_CHECK_FAILED, "bridge %s is gone", name)
			   : -1;
	if (strcmp(c->bridge.kind, "bridge") != 0)
		return cni_fail(err, CNI_CHECK_FAILED, "%s is not a bridge any more", name);
	if (!(c->bridge.flags & IFF_UP))
		return cni_fail(err, CNI_CHECK_FAILED, "bridge %s is down: ip link set %s up", name,
				name);
	if (c->conf->promisc && !(c->bridge.flags & IFF_PROMISC))
		return cni_fail(err, CNI_CHECK_FAILED, "bridge %s is not promiscuous any more",
				name);
	return entry != NULL ? check_mac(entry, &c->bridge, "Bridge interface", err) : 0;
}

static int check_inside(struct checking *c, struct cni_error *err)
{
	const char *name = c->args->ifname;

	if (link_get(&c->pod.nl, name, &c->inside, err) < 0)
		return err->sys == ENODEV
			   ? cni_fail(err, CNI_CHECK_FAILED, "interface %s is gone from %s", name,
				      c->args->netns)
			   : -1;
	if (strcmp(c->inside.kind, "veth") != 0)
		return cni_fail(err, CNI_CHECK_FAILED, "interface %s in %s is no veth", name,
				c->args->netns);
	if (!c->conf->pod_down && !(c->inside.flags & IFF_UP))
		return cni_fail(err, CNI_CHECK_FAILED, "interface %s in %s is down", name,
				c->args->netns);
	return check_mac(c->pod_entry, &c->inside, "container interface", err);
}

static int check_port(struct checking *c, struct cni_error *err)
{
	const struct cni_interface *entry;

	if (link_get_index(&c->host, c->inside.peer, &c->veth, err) < 0 ||
	    c->veth.peer != c->inside.index || c->veth.master != c->bridge.index)
		return cni_fail(
		    err, CNI_CHECK_FAILED,
		    "CNI veth created for bridge %s was not found: the host end of %s is "
		    "no port of it any more",
		    c->conf->bridge, c->args->ifname);
	entry = cni_result_host_interface(&c->args->prev, c->veth.name);
	if (entry == NULL)
		return cni_fail(err, CNI_CHECK_FAILED,
				"prevResult does not list %s, the host end of %s", c->veth.name,
				c->args->ifname);
	if (!(c->veth.flags & IFF_UP))
		return cni_fail(err, CNI_CHECK_FAILED, "bridge port %s is down", c->veth.name);
	if (c->veth.hairpin != c->conf->hairpin)
		return cni_fail(err, CNI_CHECK_FAILED, "hairpinMode of port %s is %s", c->veth.name,
				c->veth.hairpin ? "on" : "off");
	if (c->veth.isolated != c->conf->isolated)
		return cni_fail(err, CNI_CHECK_FAILED, "portIsolation of port %s is %s",
				c->veth.name, c->veth.isolated ? "on" : "off");
	return check_mac(entry, &c->veth, "host interface", err);
}

static int check_vlans(struct checking *c, struct cni_error *err)
{
	scoped_free struct port_vlan *vlans = NULL;
	size_t n;

	if (!bridge_conf_uses_vlans(c->conf))
		return 0;
	if (!c->bridge.vlan_filtering)
		return cni_fail(
		    err, CNI_CHECK_FAILED,
		    "VLAN filtering of bridge %s is off, so that its VLANs reach each other",
		    c->bridge.name);
	if (vlans_of_pod(c->conf, &vlans, &n, err) < 0)
		return -1;
	return vlans_check(&c->host, c->conf, &c->veth, vlans, n, err);
}

/* The pod's own addresses and gateways, without what other plugins of the chain added elsewhere. */
static int own_addresses(const struct checking *c, struct cni_result *own, struct cni_error *err)
{
	for (size_t i = 0; i < c->args->prev.n_ips; i++) {
		struct ip_config ip = c->args->prev.ips[i];

		if (!cni_result_ip_is_pods(&c->args->prev, i, c->args->ifname))
			continue;
		ip.interface = BRIDGE_RESULT_POD;
		if (cni_result_add_ip(own, &ip, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < c->args->prev.n_routes; i++) {
		if (cni_result_add_route(own, &c->args->prev.routes[i], err) < 0)
			return -1;
	}
	return 0;
}

static int check_nft(struct checking *c, const struct cni_result *own, struct cni_error *err)
{
	const struct nft_item spoof = bridge_spoof_item(c->veth.name, &c->inside.mac);

	if (c->conf->spoofcheck && nft_check(NFT_SPOOF, &c->owner, &spoof, 1, err) < 0)
		return cni_wrap(err, "macspoofchk");
	if (c->conf->ip_masq && own->n_ips > 0 &&
	    nft_masq_check(&c->owner, c->veth.name, own->ips, own->n_ips, err) < 0)
		return cni_wrap(err, "ipMasq");
	return 0;
}

static int check_addresses(struct checking *c, struct cni_error *err)
{
	struct cni_result own = { 0 };
	int r = own_addresses(c, &own, err);

	if (r == 0 && own.n_ips > 0) {
		const struct pod_config pod = bridge_pod_config(c->conf, &own, c->args->ifname,
								c->inside.index, BRIDGE_RESULT_POD);

		r = pod_check(&c->pod, &pod, err);
		if (r == 0 && c->conf->is_gateway && c->args->ipam_type != NULL)
			r = gateway_check(&c->host, c->conf, &own, err);
	}
	if (r == 0)
		r = check_nft(c, &own, err);
	cni_result_free(&own);
	return r;
}

int bridge_check(const struct cni_args *args, const struct bridge_conf *conf, struct cni_error *err)
{
	struct checking c = { .args = args,
			      .conf = conf,
			      .owner = cni_owner(args),
			      .pod = { .icmp6_fd = -1, .sysctl_fd = -1 } };
	int r;

	if (cni_ipam(args, CNI_CHECK, err) < 0)
		return -1;
	c.pod_entry =
	    cni_result_pod_interface(&args->prev, args->ifname, args->netns, &c.pod_index);
	if (c.pod_entry == NULL)
		return cni_fail(
		    err, CNI_CHECK_FAILED,
		    "Sandbox in prevResult doesn't match configured netns: no interface "
		    "%s in %s is listed",
		    args->ifname, args->netns);
	r = nl_open(&c.host, err) < 0 || pod_open(args->netns_fd, &c.pod, err) < 0 ||
		    check_bridge(&c, err) < 0 || check_inside(&c, err) < 0 ||
		    check_port(&c, err) < 0 || check_vlans(&c, err) < 0 ||
		    check_addresses(&c, err) < 0
		? -1
		: 0;
	pod_close(&c.pod);
	nl_close(&c.host);
	return r;
}
