/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/scoped.h"
#include "netns/netns.h"

/*
 * What the kernel alone takes for a pod: the same objects as the chain bridge + host-local +
 * portmap
 * (+ firewall + tuning) makes, by one process that decides nothing, reads no configuration, checks
 * nothing but the kernel's answer and undoes nothing.
 *
 * ADD: the veth pair (names, MACs, master, alias, port flags, no link-local address at the host's
 * end), the pod's address, default route and switches, the elements of table inet podwire in one
 * transaction, the address's reservation on disk, and the announcement of the address, which the
 * bridge hands to all its ports. DEL: the elements, the link, the reservation; it
 * ends when the kernel has let go of all of them. It stands on a bridge and a table that are there.
 *
 * Called as a CNI program, with CNI_ARGS=BRIDGE=…;IP=…;BITS=…;GATEWAY=…;PORT=…;NETWORK=…, and
 * CHAINED=1 and ANNOUNCE=1 if wanted.
 */
#define TABLE	     "podwire"
#define PORT_OF_POD  80
#define ARP_NOTIFY   22 /* IPV4_DEVCONF_ARP_NOTIFY */
#define MARK_SET     "forward4-12"
#define RESERVATIONS "/var/lib/cni/networks"

struct pod {
	const char *id;
	const char *netns;
	char bridge[32], network[64], subnet[64]; /* 10.89.0.0-16, as chains are named */
	char veth[IFNAMSIZ];
	char owner[128];
	struct in_addr ip, gateway;
	unsigned bits;
	uint16_t port;
	bool chained;  /* with firewall and tuning */
	bool announce; /* the address, to the other ports of the bridge */
};

struct batch {
	_Alignas(8) char buf[4096];
	size_t len;
	unsigned seq;
};

struct kernel {
	struct mnl_socket *host, *pod, *nft;
	int conf4, conf6; /* /proc/sys/net/ipv[46]/conf of the pod */
};

static void die(const char *what)
{
	(void)printf("{\"code\": 999, \"msg\": \"%s: %s\"}\n", what, strerror(errno));
	exit(1);
}

static void argument(const char *args, const char *key, char *ret, size_t cap)
{
	size_t len = strlen(key);

	ret[0] = 0;
	for (const char *at = args; at && *at; at = strchr(at, ';'), at += at != NULL) {
		if (strncmp(at, key, len) == 0 && at[len] == '=')
			(void)snprintf(ret, cap, "%.*s", (int)strcspn(at + len + 1, ";"),
				       at + len + 1);
	}
}

static unsigned number(const char *args, const char *key)
{
	char text[16];
	unsigned n = 0;

	argument(args, key, text, sizeof(text));
	for (const char *at = text; *at >= '0' && *at <= '9'; at++)
		n = n * 10 + (unsigned)(*at - '0');
	return n;
}

static void read_pod(struct pod *pod)
{
	const char *args = getenv("CNI_ARGS");
	char ip[64], gateway[64];
	struct in_addr net;

	pod->id = getenv("CNI_CONTAINERID");
	pod->netns = getenv("CNI_NETNS");
	argument(args, "BRIDGE", pod->bridge, sizeof(pod->bridge));
	argument(args, "NETWORK", pod->network, sizeof(pod->network));
	argument(args, "IP", ip, sizeof(ip));
	argument(args, "GATEWAY", gateway, sizeof(gateway));
	pod->bits = number(args, "BITS");
	pod->port = (uint16_t)number(args, "PORT");
	pod->chained = number(args, "CHAINED") != 0;
	pod->announce = number(args, "ANNOUNCE") != 0;
	if (inet_pton(AF_INET, ip, &pod->ip) != 1 || pod->bits < 1 || pod->bits > 32 ||
	    inet_pton(AF_INET, gateway, &pod->gateway) != 1)
		die("arguments");
	net.s_addr = pod->ip.s_addr & htonl(~0U << (32 - pod->bits));
	(void)snprintf(pod->subnet, sizeof(pod->subnet), "%s-%u", inet_ntoa(net), pod->bits);
	(void)snprintf(pod->veth, sizeof(pod->veth), "veth%.11s", pod->id);
	(void)snprintf(pod->owner, sizeof(pod->owner), "%s %s eth0", pod->network, pod->id);
}

/* --- batches of messages; only the last one is acknowledged, a refused one answers by itself ---
 */

static struct nlmsghdr *message(struct batch *b, uint16_t type, uint16_t flags, const void *hdr,
				size_t len)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(b->buf + b->len);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST | flags;
	nlh->nlmsg_seq = ++b->seq;
	memcpy(mnl_nlmsg_put_extra_header(nlh, len), hdr, len);
	return nlh;
}

static void done(struct batch *b, struct nlmsghdr *nlh)
{
	b->len += MNL_ALIGN(nlh->nlmsg_len);
}

struct answer {
	unsigned awaited;
	int peer; /* IFLA_LINK of a link that was asked for */
};

static int on_attribute(const struct nlattr *attr, void *data)
{
	struct answer *answer = data;

	if (mnl_attr_get_type(attr) == IFLA_LINK)
		answer->peer = (int)mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

/* Send all messages at once and read until `awaited` is acknowledged; exits on a refusal. */
static void call(struct mnl_socket *nl, struct batch *b, struct answer *answer, const char *what)
{
	char buf[16384];

	if (mnl_socket_sendto(nl, b->buf, b->len) < 0)
		die(what);
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		int left = (int)n;
		if (n <= 0)
			die(what);
		for (struct nlmsghdr *nlh = (void *)buf; mnl_nlmsg_ok(nlh, left);
		     nlh = mnl_nlmsg_next(nlh, &left)) {
			const struct nlmsgerr *error = mnl_nlmsg_get_payload(nlh);
			if (nlh->nlmsg_type == RTM_NEWLINK)
				(void)mnl_attr_parse(nlh, sizeof(struct ifinfomsg), on_attribute,
						     answer);
			if (nlh->nlmsg_type != NLMSG_ERROR)
				continue;
			errno = -error->error;
			if (error->error != 0)
				die(what);
			if (nlh->nlmsg_seq == answer->awaited)
				return;
		}
	}
}

static void call_last(struct mnl_socket *nl, struct batch *b, struct answer *answer,
		      const char *what)
{
	answer->awaited = b->seq;
	call(nl, b, answer, what);
	*b = (struct batch){ .seq = b->seq };
}

/* --- the link --- */

static void put_mac(struct nlmsghdr *nlh, unsigned char second, struct in_addr ip)
{
	unsigned char mac[6] = { 0x0a, second };

	memcpy(mac + 2, &ip, 4);
	mnl_attr_put(nlh, IFLA_ADDRESS, sizeof(mac), mac);
}

static void put_pair(struct batch *b, const struct pod *pod, int master, int netns)
{
	struct ifinfomsg none = { 0 };
	struct nlmsghdr *nlh =
	    message(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &none, sizeof(none));
	struct nlattr *info, *data, *peer;

	mnl_attr_put_strz(nlh, IFLA_IFNAME, pod->veth);
	put_mac(nlh, 0x59, pod->ip);
	mnl_attr_put_u32(nlh, IFLA_MASTER, (uint32_t)master);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_str(nlh, IFLA_INFO_KIND, "veth");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	peer = mnl_attr_nest_start(nlh, VETH_INFO_PEER);
	(void)mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, "eth0");
	put_mac(nlh, 0x58, pod->ip);
	mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (uint32_t)netns);
	mnl_attr_nest_end(nlh, peer);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	done(b, nlh);
}

static void put_port(struct batch *b, const struct pod *pod)
{
	struct ifinfomsg none = { 0 };
	struct nlmsghdr *nlh = message(b, RTM_NEWLINK, 0, &none, sizeof(none));
	struct nlattr *info, *data;
	char alias[160];

	(void)snprintf(alias, sizeof(alias), "podwire %s", pod->owner);
	mnl_attr_put_strz(nlh, IFLA_IFNAME, pod->veth);
	mnl_attr_put_str(nlh, IFLA_IFALIAS, alias);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_str(nlh, IFLA_INFO_SLAVE_KIND, "bridge");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_SLAVE_DATA);
	mnl_attr_put_u8(nlh, IFLA_BRPORT_MODE, 1);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	done(b, nlh);
}

/* No link-local address at the host's end, and up. */
static void put_up(struct batch *b, const struct pod *pod)
{
	struct ifinfomsg none = { 0 };
	struct ifinfomsg up = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct nlmsghdr *nlh = message(b, RTM_NEWLINK, 0, &none, sizeof(none));
	struct nlattr *spec, *inet6;

	mnl_attr_put_strz(nlh, IFLA_IFNAME, pod->veth);
	spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	inet6 = mnl_attr_nest_start(nlh, AF_INET6);
	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(nlh, inet6);
	mnl_attr_nest_end(nlh, spec);
	done(b, nlh);
	nlh = message(b, RTM_NEWLINK, 0, &up, sizeof(up));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, pod->veth);
	done(b, nlh);
}

/* Address, up, default route: the pod's side. */
static void put_pod_side(struct batch *b, const struct pod *pod, int index)
{
	struct ifaddrmsg addr = { .ifa_family = AF_INET,
				  .ifa_prefixlen = (unsigned char)pod->bits,
				  .ifa_index = (unsigned)index };
	struct ifinfomsg up = { .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct rtmsg route = { .rtm_family = AF_INET,
			       .rtm_table = RT_TABLE_MAIN,
			       .rtm_protocol = RTPROT_BOOT,
			       .rtm_type = RTN_UNICAST };
	struct nlmsghdr *nlh =
	    message(b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &addr, sizeof(addr));
	struct nlattr *spec, *inet, *conf;

	mnl_attr_put(nlh, IFA_LOCAL, 4, &pod->ip);
	mnl_attr_put(nlh, IFA_ADDRESS, 4, &pod->ip);
	mnl_attr_put_u32(nlh, IFA_BROADCAST, pod->ip.s_addr | htonl(~(~0U << (32 - pod->bits))));
	done(b, nlh);
	nlh = message(b, RTM_NEWLINK, 0, &up, sizeof(up));
	spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	inet = mnl_attr_nest_start(nlh, AF_INET);
	conf = mnl_attr_nest_start(nlh, IFLA_INET_CONF);
	mnl_attr_put_u32(nlh, ARP_NOTIFY, 1);
	mnl_attr_nest_end(nlh, conf);
	mnl_attr_nest_end(nlh, inet);
	mnl_attr_nest_end(nlh, spec);
	done(b, nlh);
	nlh = message(b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK, &route,
		      sizeof(route));
	mnl_attr_put(nlh, RTA_GATEWAY, 4, &pod->gateway);
	mnl_attr_put_u32(nlh, RTA_OIF, (uint32_t)index);
	done(b, nlh);
}

/* Settles the port, so that what is sent next is not lost. */
static void put_question(struct batch *b, const struct pod *pod)
{
	struct ifinfomsg none = { 0 };
	struct nlmsghdr *nlh = message(b, RTM_GETLINK, NLM_F_ACK, &none, sizeof(none));

	mnl_attr_put_strz(nlh, IFLA_IFNAME, pod->veth);
	mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	done(b, nlh);
}

/* The MAC that it has, once more: with arp_notify on, the kernel then announces the address. */
static void put_announcement(struct batch *b, const struct pod *pod, int index)
{
	struct ifinfomsg link = { .ifi_index = index };
	struct nlmsghdr *nlh = message(b, RTM_NEWLINK, NLM_F_ACK, &link, sizeof(link));

	put_mac(nlh, 0x58, pod->ip);
	done(b, nlh);
}

static void put_delete(struct batch *b, const struct pod *pod)
{
	struct ifinfomsg none = { 0 };
	struct nlmsghdr *nlh = message(b, RTM_DELLINK, NLM_F_ACK, &none, sizeof(none));

	mnl_attr_put_strz(nlh, IFLA_IFNAME, pod->veth);
	done(b, nlh);
}

/* --- the elements --- */

struct element {
	char map[80];
	char key[16];
	size_t key_len;
	char data[8];
	size_t data_len; /* 0: of a set */
};

static void put_element(struct batch *b, const struct pod *pod, const struct element *e, bool add,
			bool last)
{
	struct nfgenmsg gen = { .nfgen_family = NFPROTO_INET };
	uint16_t type =
	    (NFNL_SUBSYS_NFTABLES << 8) | (add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM);
	struct nlmsghdr *nlh =
	    message(b, type, (add ? NLM_F_CREATE | NLM_F_EXCL : 0) | (last ? NLM_F_ACK : 0), &gen,
		    sizeof(gen));
	struct nlattr *list, *item, *part;
	char comment[130] = { 0, 0 };

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, TABLE);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, e->map);
	list = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	item = mnl_attr_nest_start(nlh, NFTA_LIST_ELEM);
	part = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_KEY);
	mnl_attr_put(nlh, NFTA_DATA_VALUE, e->key_len, e->key);
	mnl_attr_nest_end(nlh, part);
	if (add) {
		if (e->data_len > 0) {
			part = mnl_attr_nest_start(nlh, NFTA_SET_ELEM_DATA);
			mnl_attr_put(nlh, NFTA_DATA_VALUE, e->data_len, e->data);
			mnl_attr_nest_end(nlh, part);
		}
		comment[1] = (char)(strlen(pod->owner) + 1);
		memcpy(comment + 2, pod->owner, strlen(pod->owner) + 1);
		mnl_attr_put(nlh, NFTA_SET_ELEM_USERDATA, 3 + strlen(pod->owner), comment);
	}
	mnl_attr_nest_end(nlh, item);
	mnl_attr_nest_end(nlh, list);
	done(b, nlh);
}

static void put_mark(struct batch *b, uint16_t type)
{
	struct nfgenmsg gen = { .res_id = htons(NFNL_SUBSYS_NFTABLES) };

	done(b, message(b, type, 0, &gen, sizeof(gen)));
}

/* Of one pod; how many there are. */
static size_t elements_of(const struct pod *pod, struct element e[5])
{
	uint16_t port = htons(pod->port), inside = htons(PORT_OF_POD);

	memset(e, 0, 5 * sizeof(*e));
	e[0] = (struct element){ .key_len = 4 };
	(void)snprintf(e[0].map, sizeof(e[0].map), "masq-%s", pod->subnet);
	memcpy(e[0].key, &pod->ip, 4);
	e[1] = (struct element){ .map = "pod4", .key_len = 16, .data_len = 4 };
	memcpy(e[1].key, pod->veth, strlen(pod->veth));
	memcpy(e[1].data, &pod->ip, 4);
	e[2] = (struct element){ .map = "hostport4", .key_len = 8, .data_len = 8 };
	e[2].key[0] = IPPROTO_TCP;
	memcpy(e[2].key + 4, &port, 2);
	memcpy(e[2].data, &pod->ip, 4);
	memcpy(e[2].data + 4, &inside, 2);
	e[3] = (struct element){ .key_len = 12 };
	(void)snprintf(e[3].map, sizeof(e[3].map), "snat-%s", pod->subnet);
	memcpy(e[3].key, &pod->ip, 4);
	e[3].key[4] = IPPROTO_TCP;
	memcpy(e[3].key + 8, &port, 2);
	e[4] = (struct element){ .map = MARK_SET, .key_len = 4 };
	memcpy(e[4].key, &pod->ip, 4);
	return pod->chained ? 5 : 4;
}

static void transaction(struct kernel *k, const struct pod *pod, bool add)
{
	struct batch b = { 0 };
	struct answer answer = { 0 };
	struct element e[5];
	size_t n = elements_of(pod, e);

	put_mark(&b, NFNL_MSG_BATCH_BEGIN);
	for (size_t i = 0; i < n; i++)
		put_element(&b, pod, &e[i], add, i == n - 1);
	answer.awaited = b.seq;
	put_mark(&b, NFNL_MSG_BATCH_END);
	call(k->nft, &b, &answer, "nftables");
}

/* --- the verbs --- */

static struct mnl_socket *netlink(int bus)
{
	struct mnl_socket *nl = mnl_socket_open2(bus, SOCK_CLOEXEC);

	if (!nl)
		die("netlink socket");
	return nl;
}

static int folder(int dir, const char *name)
{
	return openat(dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void write_switch(int dir, const char *name, const char *value)
{
	scoped_fd int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		die(name);
}

/* One excursion: the pod's netlink socket and its switches. */
static int enter_pod(struct kernel *k, const struct pod *pod)
{
	scoped_fd int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int netns = open(pod->netns, O_RDONLY | O_CLOEXEC);
	scoped_fd int switches = -1;

	if (own < 0 || netns < 0 || setns(netns, CLONE_NEWNET) != 0)
		die("namespace");
	k->pod = netlink(NETLINK_ROUTE);
	switches = netns_open_switches("net");
	k->conf6 = folder(switches, "ipv6/conf");
	k->conf4 = pod->chained ? folder(switches, "ipv4/conf") : -1;
	if (setns(own, CLONE_NEWNET) != 0)
		die("namespace");
	return netns;
}

/* The socket of nftables last: closing it waits for the deleted elements. */
static void leave(struct kernel *k)
{
	(void)mnl_socket_close(k->host);
	if (k->pod)
		(void)mnl_socket_close(k->pod);
	(void)mnl_socket_close(k->nft);
}

static void reserve(const struct pod *pod)
{
	scoped_fd int dir = -1;
	char path[192], text[128];
	scoped_fd int fd = -1;

	(void)snprintf(path, sizeof(path), RESERVATIONS "/%s", pod->network);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)snprintf(text, sizeof(text), "%s\r\neth0", pod->id);
	fd = openat(dir, ".new", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) < 0 ||
	    renameat(dir, ".new", dir, inet_ntoa(pod->ip)) != 0)
		die(path);
}

static void release(const struct pod *pod)
{
	char path[192];

	(void)snprintf(path, sizeof(path), RESERVATIONS "/%s/%s", pod->network, inet_ntoa(pod->ip));
	if (unlink(path) != 0)
		die(path);
}

static void add(const struct pod *pod)
{
	struct kernel k = { .host = netlink(NETLINK_ROUTE), .nft = netlink(NETLINK_NETFILTER) };
	struct batch b = { 0 };
	struct answer answer = { 0 };
	int netns = enter_pod(&k, pod);
	int master = (int)if_nametoindex(pod->bridge);

	reserve(pod);
	put_pair(&b, pod, master, netns);
	put_port(&b, pod);
	put_up(&b, pod);
	put_question(&b, pod);
	call_last(k.host, &b, &answer, "link");
	transaction(&k, pod, true);
	write_switch(k.conf6, "eth0/accept_dad", "0");
	put_pod_side(&b, pod, answer.peer);
	call_last(k.pod, &b, &answer, "address and route");
	if (pod->announce) {
		int index = answer.peer;
		put_question(&b, pod);
		call_last(k.host, &b, &answer, "settle");
		put_announcement(&b, pod, index);
		call_last(k.pod, &b, &answer, "announce");
	}
	if (pod->chained)
		write_switch(k.conf4, "eth0/arp_filter", "1");
	leave(&k);
	(void)puts("{\"cniVersion\": \"1.0.0\"}");
}

/* The elements first, so that they wait for RCU while the link does; the exit waits for the rest.
 */
static void del(const struct pod *pod)
{
	struct kernel k = { .host = netlink(NETLINK_ROUTE), .nft = netlink(NETLINK_NETFILTER) };
	struct batch b = { 0 };
	struct answer answer = { 0 };

	transaction(&k, pod, false);
	put_delete(&b, pod);
	call_last(k.host, &b, &answer, "delete link");
	release(pod);
	leave(&k);
}

int main(void)
{
	const char *verb = getenv("CNI_COMMAND");
	struct pod pod = { 0 };

	if (!verb || !getenv("CNI_CONTAINERID") || !getenv("CNI_NETNS")) {
		(void)fprintf(stderr, "floor is called as a CNI program\n");
		return 2;
	}
	read_pod(&pod);
	if (strcmp(verb, "ADD") == 0)
		add(&pod);
	else
		del(&pod);
	return 0;
}
