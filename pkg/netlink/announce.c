/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why: a neighbour that knew the address at another MAC (of the pod that had it before) keeps
 * sending there for up to 30 s. The kernel's own arp_notify speaks when the link goes up, which is
 * before the bridge port forwards, so nobody hears it. Since Linux 6.8 an RTM_GETLINK of each end
 * makes the kernel run its pending link events first; after that the port forwards and the frames
 * arrive. Before 6.8 the port stays disabled for some milliseconds more: we look until it is not.
 */
#include "netlink/announce.h"

#include <arpa/inet.h>
#include <linux/if_bridge.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink/podmsg.h"

#define SETTLE_MS 100

struct arp_frame {
	uint8_t to[6], from[6];
	uint8_t ethertype[2];
	uint8_t hardware[2], protocol[2], hardware_len, protocol_len, operation[2];
	uint8_t sender_mac[6], sender_ip[4], target_mac[6], target_ip[4];
};
_Static_assert(sizeof(struct arp_frame) == 42, "an ARP frame has no holes");

struct na_frame {
	uint8_t to[6], from[6];
	uint8_t ethertype[2];
	uint8_t version[4], payload_len[2], next_header, hop_limit, source[16], destination[16];
	struct na_body {
		uint8_t type, code, checksum[2], flags[4], target[16];
		uint8_t option, option_len, option_mac[6];
	} na;
};
_Static_assert(sizeof(struct na_frame) == ANNOUNCE_BYTES, "an NA frame has no holes");

static size_t arp(const struct ip *ip, const struct mac *mac, uint8_t *buf)
{
	struct arp_frame f = {
		.to = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		.ethertype = { 0x08, 0x06 },
		.hardware = { 0, 1 }, /* Ethernet */
		.protocol = { 0x08, 0x00 },
		.hardware_len = 6,
		.protocol_len = 4,
		.operation = { 0, 1 }, /* request */
	};

	memcpy(f.from, mac->b, sizeof(f.from));
	memcpy(f.sender_mac, mac->b, sizeof(f.sender_mac));
	memcpy(f.sender_ip, ip->b + 12, sizeof(f.sender_ip));
	memcpy(f.target_ip, ip->b + 12, sizeof(f.target_ip));
	memcpy(buf, &f, sizeof(f));
	return sizeof(f);
}

static uint32_t sum(uint32_t start, const void *bytes, size_t len)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i + 1 < len; i += 2)
		start += (uint32_t)b[i] << 8 | b[i + 1];
	return start;
}

/* RFC 4443 section 2.3: over a pseudo-header of addresses, length and protocol, and the message. */
static void put_checksum(struct na_frame *f)
{
	uint32_t s = sum(0, f->source, sizeof(f->source));

	s = sum(s, f->destination, sizeof(f->destination));
	s = sum(s + sizeof(f->na) + IPPROTO_ICMPV6, &f->na, sizeof(f->na));
	while (s >> 16 != 0)
		s = (s & 0xffff) + (s >> 16);
	s = ~s;
	f->na.checksum[0] = (uint8_t)(s >> 8);
	f->na.checksum[1] = (uint8_t)s;
}

static size_t na(const struct ip *ip, const struct mac *mac, uint8_t *buf)
{
	struct na_frame f = {
		.to = { 0x33, 0x33, 0, 0, 0, 1 },
		.ethertype = { 0x86, 0xdd },
		.version = { 0x60 },
		.payload_len = { 0, sizeof(f.na) },
		.next_header = IPPROTO_ICMPV6,
		.hop_limit = 255,
		.destination = { 0xff, 0x02, [15] = 1 },
		.na = { .type = ND_NEIGHBOR_ADVERT,
			.flags = { 0x20 }, /* override */
			.option = ND_OPT_TARGET_LINKADDR,
			.option_len = 1 },
	};

	memcpy(f.from, mac->b, sizeof(f.from));
	memcpy(f.source, ip->b, sizeof(f.source));
	memcpy(f.na.target, ip->b, sizeof(f.na.target));
	memcpy(f.na.option_mac, mac->b, sizeof(f.na.option_mac));
	put_checksum(&f);
	memcpy(buf, &f, sizeof(f));
	return sizeof(f);
}

size_t announce_frame(const struct ip *ip, const struct mac *mac, uint8_t buf[ANNOUNCE_BYTES])
{
	return ip_is4(ip) ? arp(ip, mac, buf) : na(ip, mac, buf);
}

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
	int *counter = nl->fail_after;

	nl->fail_after = NULL; /* best effort: its failure is no step of ADD to be undone */
	for (int i = 0; i < SETTLE_MS && !settled(nl, index); i++)
		(void)poll(NULL, 0, 1);
	nl->fail_after = counter;
}

void pod_announce(struct pod *pod, const struct pod_config *conf, const struct mac *mac,
		  struct nl *host, int host_index)
{
	const struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = conf->index };
	uint8_t frame[ANNOUNCE_BYTES];

	if (pod->packet_fd < 0)
		return;
	settle(&pod->nl, conf->index);
	if (host != NULL)
		settle(host, host_index);
	for (size_t i = 0; i < conf->n_ips; i++) {
		size_t len = announce_frame(&conf->ips[i].address.addr, mac, frame);

		if (pod_has_ip(conf, i))
			(void)sendto(pod->packet_fd, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL,
				     (const struct sockaddr *)&to, sizeof(to));
	}
}
