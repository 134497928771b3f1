/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DEL and GC; their order and what they may touch is told at the top of attach.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "attach.h"
#include "cni/delegate.h"
#include "netlink/neigh.h"
#include "netlink/owned.h"
#include "nft/attach.h"
#include "nft/reference.h"

/* Is this host end the Go plugin's, made for this very network? */
static bool made_by_reference(const struct cni_args *args, struct nl *host, const struct link *veth)
{
	struct cni_error ignored;
	struct link master;

	if (strcmp(veth->kind, "veth") != 0 || veth->alias[0] != '\0')
		return false;
	if (args->has_prev && cni_result_host_interface(&args->prev, veth->name) != NULL)
		return true;
	return veth->master != 0 && link_get_index(host, veth->master, &master, &ignored) == 0 &&
	       strcmp(master.name, bridge_conf_name(args)) == 0;
}

/* A namespace without a path may live on in a process, and its pair with it: by prevResult's name
 * and MAC address. */
static int delete_named(const struct cni_args *args, struct nl *host, struct cni_error *err)
{
	struct link veth;
	struct mac mac;

	for (size_t i = 0; i < args->prev.n_interfaces; i++) {
		const struct cni_interface *own = &args->prev.interfaces[i];

		if (own->sandbox != NULL || own->mac == NULL || !mac_parse(own->mac, &mac) ||
		    ifname_problem(own->name) != NULL)
			continue;
		if (link_get(host, own->name, &veth, err) < 0) {
			if (err->sys != ENODEV)
				return -1;
		} else if (veth.peer_elsewhere && mac_equal(&veth.mac, &mac) &&
			   made_by_reference(args, host, &veth)) {
			return link_delete_index(host, veth.index, own->name, err);
		}
	}
	return 0;
}

static int delete_through_pod(const struct cni_args *args, struct nl *host, struct cni_error *err)
{
	struct pod pod = { .icmp6_fd = -1, .sysctl_fd = -1 };
	struct link inside, veth;
	int r = 0;

	if (args->netns_fd < 0)
		return delete_named(args, host, err);
	if (pod_open(args->netns_fd, &pod, err) < 0)
		return -1;
	if (link_get(&pod.nl, args->ifname, &inside, err) < 0)
		r = err->sys == ENODEV ? 0 : -1;
	else if (strcmp(inside.kind, "veth") == 0 && inside.peer != 0 &&
		 link_get_index(host, inside.peer, &veth, err) == 0 && veth.peer == inside.index &&
		 made_by_reference(args, host, &veth))
		r = link_delete_index(&pod.nl, inside.index, args->ifname, err);
	pod_close(&pod);
	return r;
}

/* The dead pod's addresses must not keep its MAC in the host's neighbour table. Best effort. */
static void forget_neighbours(const struct cni_args *args, struct nl *host)
{
	struct cni_error ignored;
	struct link bridge;

	if (!args->has_prev || link_get(host, bridge_conf_name(args), &bridge, &ignored) < 0)
		return;
	for (size_t i = 0; i < args->prev.n_ips; i++) {
		if (cni_result_ip_is_pods(&args->prev, i, args->ifname))
			(void)neigh_delete(host, bridge.index, &args->prev.ips[i].address.addr,
					   &ignored);
	}
}

bool bridge_owns_veth(const struct link *link, const struct owner *owner)
{
	static const char mark[] = "podwire ";
	char alias[IFALIAS_TEXT];

	ifname_alias(owner, alias);
	return strcmp(link->kind, "veth") == 0 &&
	       (strcmp(link->alias, alias) == 0 ||
		strncmp(link->alias, mark, sizeof(mark) - 1) != 0);
}

/* Only a link that is certainly not there lets its address go: any other failure is one. */
static int delete_link(const struct cni_args *args, struct cni_error *err)
{
	const struct owner owner = cni_owner(args);
	char name[IFNAME_MAX];
	scoped_nl struct nl host = { 0 };
	struct link veth;
	int r;

	ifname_host_veth(&owner, name);
	if (nl_open(&host, err) < 0)
		return -1;
	r = link_get(&host, name, &veth, err);
	if (r < 0 && err->sys != ENODEV)
		return -1;
	if (r == 0 && bridge_owns_veth(&veth, &owner))
		r = link_delete_index(&host, veth.index, name, err);
	else
		r = delete_through_pod(args, &host, err);
	forget_neighbours(args, &host);
	return r;
}

/* What the Go plugin may have made for this attachment. */
static int take_over(const struct cni_args *args, struct cni_error *err)
{
	struct nft_reference of = { .owner = cni_owner(args) };
	scoped_free struct ipnet *pods = cni_result_pod_addresses(&args->prev, args->ifname, &of.n);

	of.pods = pods;
	return nft_reference_release_masq(&of, err);
}

int bridge_detach(const struct cni_args *args, struct cni_error *err)
{
	const struct owner owner = cni_owner(args);
	struct cni_error first = { 0 }, step;

	if (nft_detach(NFT_SPOOF, &owner, NULL, NULL, &step) < 0)
		cni_keep_first(&first, &step);
	if (nft_detach(NFT_MASQ, &owner, NULL, NULL, &step) < 0)
		cni_keep_first(&first, &step);
	if (take_over(args, &step) < 0)
		cni_keep_first(&first, &step);
	if (delete_link(args, &step) < 0)
		cni_keep_first(&first, &step); /* and its address stays reserved */
	else if (cni_ipam(args, CNI_DEL, &step) < 0)
		cni_keep_first(&first, &step);
	if (first.code == CNI_OK)
		return 0;
	*err = first;
	return -1;
}

static int collect_links(const struct cni_args *args, struct cni_error *err)
{
	scoped_free char(*names)[IFNAME_MAX] = calloc(args->n_valid + 1, IFNAME_MAX);
	scoped_nl struct nl host = { 0 };

	if (names == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	for (size_t i = 0; i < args->n_valid; i++) {
		const struct owner owner = { args->network, args->valid[i].container,
					     args->valid[i].ifname };

		ifname_host_veth(&owner, names[i]);
	}
	if (nl_open(&host, err) < 0)
		return -1;
	return owned_links_gc(&host, "veth", args->network, names, args->n_valid, err);
}

int bridge_gc(const struct cni_args *args, struct cni_error *err)
{
	const struct nft_gc_call call = { .network = args->network,
					  .valid = cni_attachment_valid,
					  .arg = args };
	struct cni_error first = { 0 }, step;

	if (nft_gc(NFT_SPOOF, &call, &step) < 0)
		cni_keep_first(&first, &step);
	if (nft_gc(NFT_MASQ, &call, &step) < 0)
		cni_keep_first(&first, &step);
	if (nft_reference_gc_masq(&call, &step) < 0)
		cni_keep_first(&first, &step);
	if (collect_links(args, &step) < 0)
		cni_keep_first(&first, &step); /* and the addresses stay reserved, as in DEL */
	else if (cni_ipam(args, CNI_GC, &step) < 0)
		cni_keep_first(&first, &step);
	if (first.code == CNI_OK)
		return 0;
	*err = first;
	return -1;
}
