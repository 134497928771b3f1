/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation: a pod on a bridge.
 *
 * ADD changes the node in this order; each step that belongs to the pod has its undo, run in
 * reverse when a later one fails:
 *   1. IPAM's ADD, first, since it is what fails most often (an exhausted pool, a configuration
 *      not yet complete) and then nothing at all was changed; only "dhcp" needs the link first;
 *   2. the bridge, made if missing (per node: stays, see below);
 *   3. the veth pair, in one message batch: the host end named after the hash of (network,
 *      container, interface), marked with its owner, a port of the bridge; the pod's end inside the
 *      namespace, down. From here on a DEL that knows nothing but those three names finds it;
 *   4. the port's VLANs;
 *   5. the gateway (gateway.c; per node: stays);
 *   6. nftables: spoof check, then masquerade, before the pod can send its first packet;
 *   7. addresses, link up and routes in the pod, in one batch;
 *   8. announcements, so that neighbours forget whoever had the address before.
 * A pod interface that exists already is somebody's: it is looked for before anything is made. A
 * host veth of our own name without its pod end is what a killed ADD left: it goes first.
 *
 * DEL goes the other way: nft elements, link, address. Each step's key stays readable until it is
 * done, and while the link cannot be deleted its address stays reserved. It needs neither the
 * namespace nor prevResult. A pod that the Go plugin attached has a veth of a random name: it is
 * found through the namespace, and taken only when its host end is a port of our bridge, or one
 * that prevResult lists, and bears nobody's alias.
 *
 * Killed at any instant, ADD leaves some prefix of steps 1 to 7, and DEL removes each of them. The
 * bridge, its addresses, VLAN gateways and forwarding switches are the node's: they serve the
 * network's other pods, so neither undo, DEL nor GC removes them (a check for "last pod" would race
 * with the ADD that is just arriving, and that pod would silently lose its bridge).
 */
#include "attach.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/text.h"
#include "base/trace.h"
#include "base/undo.h"
#include "cni/codec.h"
#include "cni/delegate.h"
#include "gateway.h"
#include "netlink/route.h"
#include "nft/masq.h"
#include "vlans.h"

#define IPV6_MIN_MTU 1280 /* RFC 8200, section 5; below it the kernel switches IPv6 off */

/* One ADD under way: what the steps share. */
struct attaching {
	const struct cni_args *args;
	const struct bridge_conf *conf;
	struct owner owner;
	struct nl host;
	struct pod pod;
	uint32_t mtu;
	struct link bridge, veth, target;
	struct mac pod_mac;
	struct undo undo;
};

int bridge_random_mac(struct mac *ret, struct cni_error *err)
{
	uint64_t random;

	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return cni_fail_sys(err, errno, "read random bytes for a MAC address");
	*ret = mac_from_hash(random);
	return 0;
}

static int choose_mtu(struct attaching *a, struct cni_error *err)
{
	a->mtu = a->conf->mtu;
	if (!a->conf->mtu_auto)
		return 0;
	if (route_default_mtu(&a->host, &a->mtu, err) < 0)
		return err->sys == ENOENT
			   ? cni_fail(err, CNI_INVALID_CONFIG,
				      "mtu: \"auto\" needs a default route, and this node has "
				      "none; give a number")
			   : -1;
	return 0;
}

/*
 * A bridge of pods must not configure itself from what a pod advertises; and its own link-local
 * address must not wait for duplicate address detection: until that is over the kernel asks for no
 * neighbour on the bridge, and what is forwarded to the first pod is lost for a second or two. Best
 * effort: no IPv6, no switches.
 */
static void set_bridge_switches(const char *bridge)
{
	static const char *const off[] = { "accept_ra", "accept_dad" };
	struct cni_error ignored;
	char path[96];

	for (size_t i = 0; i < ARRAY_SIZE(off); i++) {
		(void)text_format(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/%s", bridge,
				  off[i]);
		(void)fs_sysctl(AT_FDCWD, path, "0", &ignored);
	}
}

static int make_bridge(struct attaching *a, struct cni_error *err)
{
	struct bridge_spec spec = { .name = a->conf->bridge,
				    .mtu = a->mtu,
				    .vlan_filtering = a->conf->vlan != 0 || a->conf->has_trunk };

	if (bridge_random_mac(&spec.mac, err) < 0)
		return -1;
	if (link_add_bridge(&a->host, &spec, err) < 0 && err->sys != EEXIST)
		return -1;
	set_bridge_switches(spec.name);
	return link_get(&a->host, spec.name, &a->bridge, err);
}

static int check_bridge_kind(const struct attaching *a, struct cni_error *err)
{
	const struct link *b = &a->bridge;

	if (strcmp(b->kind, "bridge") != 0)
		return cni_fail(
		    err, CNI_CONFLICT,
		    "failed to create bridge \"%s\": \"%s\" already exists but is not a "
		    "bridge (it is %s%s); rename it or choose another name",
		    b->name, b->name, b->kind[0] != '\0' ? "a " : "a physical ",
		    b->kind[0] != '\0' ? b->kind : "interface");
	if (bridge_conf_uses_vlans(a->conf) && !b->vlan_filtering)
		return cni_fail(
		    err, CNI_CONFLICT,
		    "bridge %s exists without VLAN filtering, which vlan and vlanTrunk "
		    "need: switch it on (ip link set %s type bridge vlan_filtering 1) or "
		    "use another bridge",
		    b->name, b->name);
	return 0;
}

/* A bridge that will not do is an error before anything is reserved or made. */
static int look_at_bridge(struct attaching *a, struct cni_error *err)
{
	if (link_get(&a->host, a->conf->bridge, &a->bridge, err) == 0)
		return check_bridge_kind(a, err);
	a->bridge.index = 0;
	return err->sys == ENODEV ? 0 : -1;
}

static int ensure_bridge(struct attaching *a, struct cni_error *err)
{
	const char *name = a->conf->bridge;
	unsigned flags = IFF_UP | (a->conf->promisc ? (unsigned)IFF_PROMISC : 0);

	if (a->bridge.index == 0 && (make_bridge(a, err) < 0 || check_bridge_kind(a, err) < 0))
		return cni_wrap(err, "bridge %s", name);
	if ((a->bridge.flags & flags) == flags)
		return 0;
	return link_set_flags(&a->host, a->bridge.index, flags, flags, name, err);
}

/* What ipMasq needs of the kernel, asked before the bridge is made, which stays; what else an ADD
 * makes is undone. */
static int look_at_nat(const struct attaching *a, struct cni_error *err)
{
	if (a->bridge.index != 0 || !a->conf->ip_masq || a->args->ipam_type == NULL ||
	    nft_status(err) == 0)
		return 0;
	err->code = CNI_KERNEL; /* "not available" is STATUS's word */
	return cni_wrap(err, "ipMasq");
}

/* Somebody's interface of that name in the pod is an error; our own leftover on the host goes. The
 * host is asked first: a pair comes into being as one, so a host end that was there before its
 * other end was looked for in vain is no ADD's of the same names that runs beside this one. */
static int clear_leftovers(struct attaching *a, struct cni_error *err)
{
	char host_name[IFNAME_MAX];
	struct link there, inside;
	bool left;

	ifname_host_veth(&a->owner, host_name);
	left = link_get(&a->host, host_name, &there, err) == 0;
	if (!left && err->sys != ENODEV)
		return -1;
	if (link_get(&a->pod.nl, a->args->ifname, &inside, err) == 0)
		return cni_fail(
		    err, CNI_CONFLICT,
		    "interface %s already exists in %s: it is left as it is; use another "
		    "name, or DEL it first",
		    a->args->ifname, a->args->netns);
	if (err->sys != ENODEV)
		return -1;
	if (!left)
		return 0;
	if (!bridge_owns_veth(&there, &a->owner))
		return cni_fail(err, CNI_CONFLICT,
				"the host has an interface %s already, which is not this pod's "
				"(alias \"%s\"): remove or rename it",
				host_name, there.alias);
	return link_delete_index(&a->host, there.index, host_name, err);
}

static void undo_veth(void *ctx, const void *arg)
{
	struct cni_error ignored;

	(void)link_delete(ctx, arg, &ignored);
}

/* A bridge that somebody made without a MAC of its own follows its ports': then what it has now
 * becomes its own, since our result says so and the pods' neighbour entries depend on it. */
static int pin_bridge_mac(struct attaching *a, struct cni_error *err)
{
	const struct mac before = a->bridge.mac;

	if (link_get_index(&a->host, a->bridge.index, &a->bridge, err) < 0)
		return -1;
	if (mac_equal(&before, &a->bridge.mac))
		return 0;
	return link_set_mac(&a->host, a->bridge.index, a->bridge.name, &a->bridge.mac, err);
}

static int make_veth(struct attaching *a, struct cni_error *err)
{
	char name[IFNAME_MAX], alias[IFALIAS_TEXT];
	struct veth_spec spec = { .host_name = name,
				  .alias = alias,
				  .master = a->bridge.index,
				  .master_name = a->bridge.name,
				  .hairpin = a->conf->hairpin,
				  .isolated = a->conf->isolated,
				  .mtu = a->mtu,
				  .pod_name = a->args->ifname,
				  .netns_fd = a->args->netns_fd };

	ifname_host_veth(&a->owner, name);
	ifname_alias(&a->owner, alias);
	if (bridge_random_mac(&spec.host_mac, err) < 0 || bridge_random_mac(&spec.pod_mac, err) < 0)
		return -1;
	if (a->conf->has_mac)
		spec.pod_mac = a->conf->mac;
	if (link_add_veth(&a->host, &spec, &a->veth, err) < 0)
		return -1;
	a->pod_mac = spec.pod_mac;
	undo_push(&a->undo, undo_veth, &a->host, a->veth.name);
	return pin_bridge_mac(a, err);
}

static int set_vlans(struct attaching *a, struct cni_error *err)
{
	scoped_free struct port_vlan *vlans = NULL;
	size_t n;

	if (!bridge_conf_uses_vlans(a->conf))
		return 0;
	if (vlans_of_pod(a->conf, &vlans, &n, err) < 0)
		return -1;
	return vlans_apply(&a->host, a->conf, &a->veth, vlans, n, err);
}

static int add_interfaces(struct attaching *a, struct cni_result *result, struct cni_error *err)
{
	char bridge_mac[MAC_TEXT], host_mac[MAC_TEXT], pod_mac[MAC_TEXT];

	mac_print(&a->bridge.mac, bridge_mac);
	mac_print(&a->veth.mac, host_mac);
	mac_print(&a->pod_mac, pod_mac);
	if (cni_result_add_interface(result, a->bridge.name, bridge_mac, 0, NULL, err) < 0 ||
	    cni_result_add_interface(result, a->veth.name, host_mac, 0, NULL, err) < 0)
		return -1;
	return cni_result_add_interface(result, a->args->ifname, pod_mac, a->veth.mtu,
					a->args->netns, err);
}

static void undo_ipam(void *ctx, const void *arg)
{
	struct cni_error ignored;

	(void)ctx;
	(void)cni_ipam(arg, CNI_DEL, &ignored);
}

/* Where the kernel would refuse IPv6 with an errno, say which key is at fault, before anything is
 * set. */
static int check_ipv6(const struct attaching *a, const struct ipnet *address, struct cni_error *err)
{
	scoped_fd int probe = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[IPNET_TEXT];

	ipnet_print(address, text);
	if (probe < 0 && errno == EAFNOSUPPORT)
		return cni_fail(
		    err, CNI_INVALID_CONFIG,
		    "IPAM gave the IPv6 address %s, but IPv6 is off in this kernel "
		    "(ipv6.disable=1?): take the IPv6 range out of the configuration, or "
		    "switch IPv6 on",
		    text);
	if (a->mtu != 0 && a->mtu < IPV6_MIN_MTU)
		return cni_fail(err, CNI_INVALID_CONFIG,
				"mtu: %u is too small for the IPv6 address %s, which needs 1280 or "
				"more",
				a->mtu, text);
	return 0;
}

/* What an IPAM program says is not taken on trust: a gateway of the other family would end up as an
 * address of the bridge with a senseless prefix. */
static int check_addresses(const struct attaching *a, const struct cni_result *result,
			   struct cni_error *err)
{
	for (size_t i = 0; i < result->n_ips; i++) {
		const struct ip_config *ip = &result->ips[i];
		bool v4 = ip_is4(&ip->address.addr);

		if (ip->has_gateway && ip_is4(&ip->gateway) != v4)
			return cni_fail(
			    err, CNI_DELEGATE,
			    "the IPAM plugin \"%s\" returned ips[%zu] with a gateway of "
			    "another IP version than its address",
			    a->args->ipam_type, i);
		if (!v4 && check_ipv6(a, &ip->address, err) < 0)
			return -1;
	}
	return 0;
}

static int run_ipam(struct attaching *a, struct cni_result *result, struct cni_error *err)
{
	if (cni_ipam_add(a->args, BRIDGE_RESULT_POD, result, err) < 0)
		return -1;
	undo_push(&a->undo, undo_ipam, NULL, a->args);
	if (check_addresses(a, result, err) < 0)
		return -1;
	return gateway_complete(a->conf, result, err);
}

/* The reference's dhcp speaks through the pod's interface; every other IPAM program only counts. */
static bool ipam_needs_link(const struct cni_args *args)
{
	return args->ipam_type != NULL && strcmp(args->ipam_type, "dhcp") == 0;
}

static void undo_nft(void *ctx, const void *arg)
{
	struct cni_error ignored;

	(void)nft_detach(*(const enum nft_user *)arg, ctx, NULL, NULL, &ignored);
}

struct nft_item bridge_spoof_item(const char *veth, const struct mac *mac)
{
	struct nft_item item = { .kind = NFT_ITEM_SPOOF, .mac = *mac };

	memcpy(item.veth, veth, strnlen(veth, IFNAME_MAX - 1));
	return item;
}

/*
 * Somebody flushed the ruleset and this pod needs nothing of it: the others' rules, and with them
 * the guard that closes what route_localnet opens, come back all the same. Not this pod's trouble
 * if not.
 */
static void repair_nft(void)
{
	struct cni_error err;

	if (nft_repair(&err) < 0)
		trace("repair nftables: %s", err.msg);
}

static int add_nft(struct attaching *a, const struct cni_result *result, struct cni_error *err)
{
	static const enum nft_user spoof = NFT_SPOOF, masq = NFT_MASQ;
	const struct nft_item item = bridge_spoof_item(a->veth.name, &a->pod_mac);
	const char *const links[] = { a->veth.name, NULL };

	if (a->conf->spoofcheck) {
		if (nft_attach(NFT_SPOOF, &a->owner, links, &item, 1, err) < 0)
			return cni_wrap(err, "macspoofchk");
		undo_push(&a->undo, undo_nft, &a->owner, &spoof);
	}
	if (a->conf->ip_masq && result->n_ips > 0) {
		if (nft_masq_attach(&a->owner, links[0], result->ips, result->n_ips, err) < 0)
			return cni_wrap(err, "ipMasq");
		undo_push(&a->undo, undo_nft, &a->owner, &masq);
	} else {
		repair_nft();
	}
	return 0;
}

struct pod_config bridge_pod_config(const struct bridge_conf *conf, const struct cni_result *result,
				    const char *ifname, int index, int interface)
{
	return (struct pod_config){ .index = index,
				    .ifname = ifname,
				    .ips = result->ips,
				    .n_ips = result->n_ips,
				    .interface = interface,
				    .routes = result->routes,
				    .n_routes = result->n_routes,
				    .dad = conf->enable_dad ? POD_DAD_ON : POD_DAD_OFF,
				    .arp_notify = result->n_ips > 0 };
}

static int configure_pod(struct attaching *a, const struct cni_result *result,
			 struct cni_error *err)
{
	const struct pod_config pod =
	    bridge_pod_config(a->conf, result, a->args->ifname, a->veth.peer, BRIDGE_RESULT_POD);

	if (a->conf->pod_down)
		return 0;
	if (pod_apply(&a->pod, &pod, err) < 0)
		return -1;
	if (result->n_ips > 0)
		pod_announce(&a->pod, &pod, &a->pod_mac, &a->host, a->veth.index);
	return 0;
}

static int finish_result(struct attaching *a, struct cni_result *result, struct cni_error *err)
{
	char mac[MAC_TEXT];

	if (a->conf->is_gateway && a->conf->vlan != 0 && result->n_ips > 0) {
		mac_print(&a->target.mac, mac);
		if (cni_result_add_interface(result, a->target.name, mac, 0, NULL, err) < 0)
			return -1;
	}
	return a->conf->dns.present ? cni_dns_copy(&result->dns, &a->conf->dns, err) : 0;
}

static int make_link(struct attaching *a, struct cni_error *err)
{
	if (ensure_bridge(a, err) < 0 || make_veth(a, err) < 0)
		return -1;
	return set_vlans(a, err);
}

static int connect_pod(struct attaching *a, struct cni_result *result, struct cni_error *err)
{
	if (a->conf->is_gateway && result->n_ips > 0 &&
	    gateway_install(&a->host, a->conf, &a->bridge, result, &a->target, err) < 0)
		return -1;
	if (add_interfaces(a, result, err) < 0 || add_nft(a, result, err) < 0 ||
	    configure_pod(a, result, err) < 0)
		return -1;
	return finish_result(a, result, err);
}

static int attach_steps(struct attaching *a, struct cni_result *result, struct cni_error *err)
{
	const bool late = ipam_needs_link(a->args);

	if (nl_open(&a->host, err) < 0 || pod_open(a->args->netns_fd, &a->pod, err) < 0 ||
	    choose_mtu(a, err) < 0 || clear_leftovers(a, err) < 0 || look_at_bridge(a, err) < 0 ||
	    look_at_nat(a, err) < 0)
		return -1;
	if (a->args->ipam_type != NULL && !late && run_ipam(a, result, err) < 0)
		return -1;
	if (make_link(a, err) < 0 || (late && run_ipam(a, result, err) < 0))
		return -1;
	return connect_pod(a, result, err);
}

int bridge_attach(const struct cni_args *args, const struct bridge_conf *conf,
		  struct cni_result *result, struct cni_error *err)
{
	struct attaching a = { .args = args,
			       .conf = conf,
			       .owner = cni_owner(args),
			       .pod = { .icmp6_fd = -1, .sysctl_fd = -1 } };
	int r;

	/* 0.1.0 and 0.2.0 cannot say "no address": refuse before the first change (CNV-06). */
	if (args->ipam_type == NULL && cni_result_check_version(result, args->version, err) < 0)
		return -1;
	r = attach_steps(&a, result, err);
	if (r == 0)
		undo_commit(&a.undo);
	undo_run(&a.undo);
	pod_close(&a.pod);
	nl_close(&a.host);
	return r;
}
