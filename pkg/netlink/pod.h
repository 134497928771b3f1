/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>

#include "net/ifcfg.h"
#include "net/mac.h"
#include "netlink/link.h"
#include "netlink/sock.h"

/*
 * The pod's side of every interface plugin: what IPAM decided becomes addresses, routes and
 * announcements; and is compared in CHECK. One excursion into the namespace opens everything that
 * later needs to be there.
 */
struct pod {
	struct nl nl;
	int icmp6_fd;  /* raw ICMPv6, for announcements; -1: not allowed here, or no IPv6 */
	int sysctl_fd; /* O_PATH of the pod's /proc/sys/net/ipv6, which keeps meaning the pod (a
			  descriptor of /proc/sys/net does not); -1: absent */
	bool no_ipv6;  /* the kernel has IPv6 switched off */
};

int pod_open(int netns_fd, struct pod *ret, struct cni_error *err);
void pod_close(struct pod *pod); /* nothing happens if pod->nl is not open */
#define scoped_pod SCOPED(pod_close)

enum pod_dad {
	POD_DAD_OFF, /* IFA_F_NODAD, accept_dad=0: usable at once */
	POD_DAD_ON,  /* enhanced DAD; pod_apply waits (<= 5 s) until every address has settled; a
			duplicate is an error */
};

struct pod_config {
	int index;
	const char *ifname;
	const struct ip_config *ips; /* only those of this interface are applied */
	size_t n_ips;
	int interface; /* the index that ips[].interface has for this interface; another or -1
			  (none) is skipped */
	const struct route *routes;
	size_t n_routes;
	enum pod_dad dad;
	bool arp_notify;
};

/*
 * disable_ipv6 off on lo and the link (IPv6 addresses only), keep_addr_on_down=1, addresses, link
 * up, routes: a route without gw takes the first gateway of its family among ips, else (and with
 * scope link or host) it is on-link. One sendmsg for the kernel's part. IPv6 addresses are usable
 * when it returns. The caller owns the link, and so the undo. IPv6 off in the kernel (no
 * /proc/sys/net/ipv6) with an IPv6 address: CNI_INVALID_CONFIG naming the address. A duplicate
 * found by POD_DAD_ON: CNI_CONFLICT naming it.
 */
int pod_apply(struct pod *pod, const struct pod_config *conf, struct cni_error *err);

/* Gratuitous ARP and unsolicited NA for every address, after both ends have settled (RTM_GETLINK
 * runs the kernel's link watch; DESIGN.md). `mac`: the link's, which it has already. Best effort:
 * returns nothing. `host` may be NULL. */
void pod_announce(struct pod *pod, const struct pod_config *conf, const struct mac *mac,
		  struct nl *host, int host_index);

/* CHECK: every address is there with its length and its prefix's route, every route is there with
 * the gw, mtu, advmss, priority, table and scope that were given (any default route of the family
 * does, whatever its gw and link; without a given table, any table does).
 * CNI_CHECK_FAILED naming the object. */
int pod_check(struct pod *pod, const struct pod_config *conf, struct cni_error *err);
