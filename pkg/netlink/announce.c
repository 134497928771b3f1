/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why: a neighbour that knew the address at another MAC (of the pod that had it before) keeps
 * sending there for up to 30 s. The kernel's own arp_notify speaks when the link goes up, which is
 * before the bridge port forwards, so nobody hears it. Since Linux 6.8 an RTM_GETLINK of each end
 * makes the kernel run its pending link events first; after that the port forwards and what is sent
 * arrives. Before 6.8 the port stays disabled for some milliseconds more: we look until it is not.
 *
 * How: not by a packet socket, whose close waits for an RCU grace period (1 to 16 ms measured, more
 * than all the rest of ADD). IPv4: with arp_notify on, giving the link the MAC that it has makes
 * the kernel broadcast an ARP announcement for each of its addresses (RFC 5227 section 3). IPv6: an
 * unsolicited neighbour advertisement with the override flag to all nodes (RFC 4861 section 7.2.6)
 * through a raw ICMPv6 socket, for which the kernel computes the checksum.
 */
#include <arpa/inet.h>
#include <linux/if_bridge.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink/linkmsg.h"
#include "netlink/podmsg.h"
#include "netlink/req.h"

#define SETTLE_MS 100

struct advertisement {
	struct nd_neighbor_advert head;
	uint8_t option, option_len, option_mac[6];
};
_Static_assert(sizeof(struct advertisement) == 32, "an advertisement has no holes");

/* Read a link, settling it. False: a bridge port that does not take part yet. */
static bool settled(struct nl *nl, int index)
{
	struct cni_error ignored;
	struct link link;

	return link_get_index(nl, index, &link, &ignored) < 0 ||
	       strcmp(link.slave_kind, "bridge") != 0 || link.port_state != BR_STATE_DISABLED;
}

static void settle(struct nl *nl, int index)
{
	for (int i = 0; i < SETTLE_MS && !settled(nl, index); i++)
		(void)poll(NULL, 0, 1);
}

static void put_arp_notify(struct nl_req *req, const struct pod_config *conf, uint32_t on)
{
	if (conf->arp_notify)
		return; /* on for good */
	link_put_set(req, conf->index, 0, 0);
	nl_what(req, "switch arp_notify of %s", conf->ifname);
	link_put_inet(req, IPV4_DEVCONF_ARP_NOTIFY, on);
}

static void announce4(struct nl *nl, const struct pod_config *conf, const struct mac *mac)
{
	struct cni_error ignored;
	struct nl_req req;

	nl_begin(&req);
	put_arp_notify(&req, conf, 1);
	link_put_set(&req, conf->index, 0, 0);
	nl_what(&req, "announce the addresses of %s", conf->ifname);
	nl_put(&req, IFLA_ADDRESS, mac->b, sizeof(mac->b));
	put_arp_notify(&req, conf, 0);
	(void)nl_call(nl, &req, &ignored);
}

static void announce6(int fd, int index, const struct ip *ip, const struct mac *mac)
{
	struct advertisement na = { .head = { .nd_na_type = ND_NEIGHBOR_ADVERT,
					      .nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE },
				    .option = ND_OPT_TARGET_LINKADDR,
				    .option_len = 1 };
	struct sockaddr_in6 all_nodes = { .sin6_family = AF_INET6,
					  .sin6_addr.s6_addr = { 0xff, 0x02, [15] = 1 },
					  .sin6_scope_id = (uint32_t)index };
	struct in6_pktinfo from = { .ipi6_ifindex = (unsigned)index };
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(from))] = { 0 };
	struct iovec data = { .iov_base = &na, .iov_len = sizeof(na) };
	struct msghdr msg = { .msg_name = &all_nodes,
			      .msg_namelen = sizeof(all_nodes),
			      .msg_iov = &data,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	memcpy(&na.head.nd_na_target, ip->b, sizeof(ip->b));
	memcpy(na.option_mac, mac->b, sizeof(mac->b));
	memcpy(&from.ipi6_addr, ip->b, sizeof(ip->b));
	c->cmsg_level = IPPROTO_IPV6;
	c->cmsg_type = IPV6_PKTINFO;
	c->cmsg_len = CMSG_LEN(sizeof(from));
	memcpy(CMSG_DATA(c), &from, sizeof(from));
	(void)sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void announce_all(struct pod *pod, const struct pod_config *conf, const struct mac *mac)
{
	const int hops = 255; /* or receivers drop it (RFC 4861 section 7.1.2) */
	bool four = false, six = false;

	for (size_t i = 0; i < conf->n_ips; i++) {
		four |= pod_has_ip(conf, i) && ip_is4(&conf->ips[i].address.addr);
		six |= pod_has_ip(conf, i) && !ip_is4(&conf->ips[i].address.addr);
	}
	if (four)
		announce4(&pod->nl, conf, mac);
	if (!six || pod->icmp6_fd < 0 ||
	    setsockopt(pod->icmp6_fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops)) < 0)
		return;
	for (size_t i = 0; i < conf->n_ips; i++) {
		if (pod_has_ip(conf, i) && !ip_is4(&conf->ips[i].address.addr))
			announce6(pod->icmp6_fd, conf->index, &conf->ips[i].address.addr, mac);
	}
}

void pod_announce(struct pod *pod, const struct pod_config *conf, const struct mac *mac,
		  struct nl *host, int host_index)
{
	int *pod_counter = pod->nl.fail_after,
	    *host_counter = host != NULL ? host->fail_after : NULL;

	/* Best effort: its failures are no steps of ADD to be undone. */
	pod->nl.fail_after = NULL;
	settle(&pod->nl, conf->index);
	if (host != NULL) {
		host->fail_after = NULL;
		settle(host, host_index);
		host->fail_after = host_counter;
	}
	announce_all(pod, conf, mac);
	pod->nl.fail_after = pod_counter;
}
