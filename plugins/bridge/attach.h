/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "conf.h"
#include "netlink/link.h"
#include "netlink/pod.h"

/* The order of a result's interfaces; ips[].interface is BRIDGE_RESULT_POD. */
enum { BRIDGE_RESULT_BRIDGE, BRIDGE_RESULT_HOST, BRIDGE_RESULT_POD };

/*
 * ADD: everything in the kernel, IPAM's part included; undone on failure but for the bridge itself
 * and the node's switches (see attach.c). `result` (empty) is complete on success.
 */
int bridge_attach(const struct cni_args *args, const struct bridge_conf *conf,
		  struct cni_result *result, struct cni_error *err);

/* DEL: takes away what is there, goes on past failures, keeps the address while the link lives. */
int bridge_detach(const struct cni_args *args, struct cni_error *err);

/* GC: NAT elements, host links and addresses of this network's attachments that are not valid. */
int bridge_gc(const struct cni_args *args, struct cni_error *err);

/* CHECK (check.c): nothing is changed; CNI_CHECK_FAILED names what is missing or different. */
int bridge_check(const struct cni_args *args, const struct bridge_conf *conf,
		 struct cni_error *err);

/* Which addresses of an IPAM result make the pod's end what it is: for pod_apply and pod_check. */
struct pod_config bridge_pod_config(const struct bridge_conf *conf, const struct cni_result *result,
				    const char *ifname, int index, int interface);

/*
 * Is this host link, found by the attachment's own name, the attachment's? Its alias says so; one
 * that somebody cleared or wrote over does not make it another's, only another attachment's does.
 */
bool bridge_owns_veth(const struct link *link, const struct owner *owner);

/* A random MAC that is ours to give: set explicitly, it keeps udev's policies off. */
int bridge_random_mac(struct mac *ret, struct cni_error *err);

/* macspoofchk: one element, compared and released like the others. */
struct nft_item;
struct nft_item bridge_spoof_item(const char *veth, const struct mac *mac);
