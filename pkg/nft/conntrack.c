/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A UDP "connection" lives in conntrack for as long as datagrams come, and
 * keeps the destination it once got: after a host port has moved to another pod, known clients go
 * on talking to the old one. So ADD deletes entries whose original destination is one of our host
 * ports at a local address, DEL those that this pod answers from the port. Flows of others through
 * this host to the same port number elsewhere (8.8.8.8:53) are not ours: every message names an
 * address. The kernel walks its whole table for each filtered delete (0.5 ms when it is small), so
 * when there are many, the table is listed once and exactly what was found is deleted; likewise
 * where the kernel cannot filter deletes (6.1 answers EINVAL). Nothing is ever flushed, and nothing
 * here can fail an ADD or DEL.
 */
#include "nft/conntrack.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include "base/scoped.h"
#include "base/trace.h"
#include "nft/tx.h"

#define CT_DELETE (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE)
#define CT_GET	  (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET)

/* What a filter looks at (the kernel keeps these values to itself). */
#define BY_SRC	    (1u << 0)
#define BY_DST	    (1u << 1)
#define BY_PROTOCOL (1u << 3)
#define BY_SPORT    (1u << 4)
#define BY_DPORT    (1u << 5)

#define DELETES_MAX 32 /* filtered ones; each walks the table */

struct tuple {
	struct ip src, dst;
	uint16_t sport, dport;
	uint8_t protocol;
	uint32_t by; /* which of them count */
};

static bool is_udp_port(const struct nft_item *item)
{
	return item->kind == NFT_ITEM_HOSTPORT && item->protocol == IPPROTO_UDP;
}

static size_t count_udp(const struct nft_item *items, size_t n)
{
	size_t udp = 0;

	for (size_t i = 0; i < n; i++)
		udp += is_udp_port(&items[i]);
	return udp;
}

static void put_ip(struct nlmsghdr *nlh, const struct ip *ip, uint16_t v4, uint16_t v6)
{
	size_t len;
	const void *bytes = ip_bytes(ip, &len);

	mnl_attr_put(nlh, len == 4 ? v4 : v6, len, bytes);
}

static void put_tuple(struct nlmsghdr *nlh, uint16_t type, const struct tuple *t)
{
	struct nlattr *tuple = mnl_attr_nest_start(nlh, type);
	struct nlattr *part = mnl_attr_nest_start(nlh, CTA_TUPLE_IP);

	if ((t->by & BY_SRC) != 0)
		put_ip(nlh, &t->src, CTA_IP_V4_SRC, CTA_IP_V6_SRC);
	if ((t->by & BY_DST) != 0)
		put_ip(nlh, &t->dst, CTA_IP_V4_DST, CTA_IP_V6_DST);
	mnl_attr_nest_end(nlh, part);
	part = mnl_attr_nest_start(nlh, CTA_TUPLE_PROTO);
	mnl_attr_put_u8(nlh, CTA_PROTO_NUM, IPPROTO_UDP);
	if ((t->by & BY_SPORT) != 0)
		mnl_attr_put_u16(nlh, CTA_PROTO_SRC_PORT, htons(t->sport));
	if ((t->by & BY_DPORT) != 0)
		mnl_attr_put_u16(nlh, CTA_PROTO_DST_PORT, htons(t->dport));
	mnl_attr_nest_end(nlh, part);
	mnl_attr_nest_end(nlh, tuple);
}

static void put_filter(struct nlmsghdr *nlh, const struct tuple *orig, const struct tuple *reply)
{
	struct nlattr *filter = mnl_attr_nest_start(nlh, CTA_FILTER);

	if (orig != NULL)
		mnl_attr_put_u32(nlh, CTA_FILTER_ORIG_FLAGS, orig->by);
	if (reply != NULL)
		mnl_attr_put_u32(nlh, CTA_FILTER_REPLY_FLAGS, reply->by);
	mnl_attr_nest_end(nlh, filter);
}

/* `reply` NULL and `exact`: one entry by its whole tuple. */
static void put_delete(struct nft_tx *tx, int family, const struct tuple *orig,
		       const struct tuple *reply, bool exact)
{
	const struct nft_origin origin = { .what = "conntrack entries", .item = NFT_NO_ITEM };
	struct nlmsghdr *nlh = nft_tx_msg(tx, CT_DELETE, (uint16_t)family, 0, &origin);

	if (nlh == NULL)
		return;
	put_tuple(nlh, CTA_TUPLE_ORIG, orig);
	if (reply != NULL)
		put_tuple(nlh, CTA_TUPLE_REPLY, reply);
	if (!exact)
		put_filter(nlh, orig, reply);
	nft_tx_end(tx, nlh);
}

/* False if the kernel does not understand what it is asked to delete. */
static bool send_and_tell(struct nft_tx *tx)
{
	bool understood = true;
	struct cni_error err;

	if (nft_tx_query(tx, NULL, NULL, &err) < 0)
		trace("conntrack: %s", err.msg);
	for (size_t i = 0; i < tx->n; i++) {
		if (tx->origins[i].error == EINVAL || tx->origins[i].error == EOPNOTSUPP)
			understood = false;
	}
	return understood;
}

/* ---- the whole table, once */

struct locals {
	struct ip *ip;
	size_t n;
};

struct hunt {
	const struct nft_item *items;
	size_t n;
	const struct locals *locals; /* of ADD; NULL: DEL */
	struct tuple *found;
	size_t n_found, cap;
};

static void hunt_free(struct hunt *h)
{
	free(h->found);
}

static bool same_family(const struct ip *a, const struct ip *b)
{
	return ip_is4(a) == ip_is4(b);
}

static bool is_local(const struct locals *locals, const struct ip *ip)
{
	if (ip_is_loopback(ip))
		return true;
	for (size_t i = 0; i < locals->n; i++) {
		if (ip_equal(&locals->ip[i], ip))
			return true;
	}
	return false;
}

/* ADD: it leads elsewhere than our port does now. DEL: it leads to our pod. */
static bool is_prey(const struct hunt *h, const struct tuple *orig, const struct tuple *reply)
{
	for (size_t i = 0; orig->protocol == IPPROTO_UDP && i < h->n; i++) {
		const struct nft_item *item = &h->items[i];
		bool to_pod = ip_equal(&reply->src, &item->pod.addr);

		if (!is_udp_port(item) || item->host_port != orig->dport ||
		    !same_family(&item->pod.addr, &orig->dst))
			continue;
		if (h->locals == NULL && to_pod && reply->sport == item->pod_port)
			return true;
		if (h->locals != NULL && !to_pod &&
		    (item->has_host ? ip_equal(&item->host, &orig->dst)
				    : is_local(h->locals, &orig->dst)))
			return true;
	}
	return false;
}

static void read_ips(const struct nlattr *nest, struct tuple *t)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest) {
		uint16_t type = mnl_attr_get_type(attr);
		size_t len = mnl_attr_get_payload_len(attr);

		if (len != 4 && len != 16)
			continue;
		if (type == CTA_IP_V4_SRC || type == CTA_IP_V6_SRC)
			t->src = ip_from_bytes(mnl_attr_get_payload(attr), len);
		else if (type == CTA_IP_V4_DST || type == CTA_IP_V6_DST)
			t->dst = ip_from_bytes(mnl_attr_get_payload(attr), len);
	}
}

static void read_ports(const struct nlattr *nest, struct tuple *t)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest) {
		uint16_t type = mnl_attr_get_type(attr);
		size_t len = mnl_attr_get_payload_len(attr);

		if (type == CTA_PROTO_NUM && len == 1)
			t->protocol = mnl_attr_get_u8(attr);
		else if (type == CTA_PROTO_SRC_PORT && len == 2)
			t->sport = ntohs(mnl_attr_get_u16(attr));
		else if (type == CTA_PROTO_DST_PORT && len == 2)
			t->dport = ntohs(mnl_attr_get_u16(attr));
	}
}

static void read_tuple(const struct nlattr *nest, struct tuple *t)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest) {
		if (mnl_attr_get_type(attr) == CTA_TUPLE_IP)
			read_ips(attr, t);
		else if (mnl_attr_get_type(attr) == CTA_TUPLE_PROTO)
			read_ports(attr, t);
	}
}

static int hunt_entry(const struct nlmsghdr *nlh, const struct nft_origin *origin, void *arg)
{
	struct hunt *h = arg;
	struct tuple orig = { .by = BY_SRC | BY_DST | BY_PROTOCOL | BY_SPORT | BY_DPORT };
	struct tuple reply = { .by = 0 };
	const struct nlattr *attr;

	(void)origin;
	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == CTA_TUPLE_ORIG)
			read_tuple(attr, &orig);
		else if (mnl_attr_get_type(attr) == CTA_TUPLE_REPLY)
			read_tuple(attr, &reply);
	}
	if (!is_prey(h, &orig, &reply))
		return 0;
	if (h->n_found == h->cap) {
		size_t cap = h->cap * 2 + 64;
		struct tuple *bigger = realloc(h->found, cap * sizeof(*bigger));

		if (bigger == NULL)
			return -1;
		h->found = bigger;
		h->cap = cap;
	}
	h->found[h->n_found++] = orig;
	return 0;
}

static void delete_listed(struct nft_tx *tx, struct hunt *h, int family)
{
	const struct nft_origin origin = { .what = "conntrack", .item = NFT_NO_ITEM };
	const struct tuple udp = { .by = BY_PROTOCOL };
	struct nlmsghdr *nlh;
	struct cni_error err;

	h->n_found = 0;
	nft_tx_ask(tx);
	nlh = nft_tx_msg(tx, CT_GET, (uint16_t)family, NLM_F_DUMP, &origin);
	if (nlh != NULL) {
		put_tuple(nlh, CTA_TUPLE_ORIG, &udp);
		put_filter(nlh, &udp, NULL);
		nft_tx_end(tx, nlh);
	}
	if (nft_tx_query(tx, hunt_entry, h, &err) < 0)
		trace("conntrack: %s", err.msg);
	nft_tx_ask(tx);
	for (size_t i = 0; i < h->n_found; i++)
		put_delete(tx, family, &h->found[i], NULL, true);
	(void)send_and_tell(tx);
}

static void delete_all_listed(struct nft_tx *tx, const struct nft_item *items, size_t n,
			      const struct locals *locals)
{
	SCOPED(hunt_free) struct hunt hunt = { .items = items, .n = n, .locals = locals };

	delete_listed(tx, &hunt, AF_INET);
	delete_listed(tx, &hunt, AF_INET6);
}

/* ---- DEL */

static void put_pod_port(struct nft_tx *tx, const struct nft_item *item)
{
	const struct tuple orig = { .dport = item->host_port, .by = BY_PROTOCOL | BY_DPORT };
	const struct tuple reply = { .src = item->pod.addr,
				     .sport = item->pod_port,
				     .by = BY_SRC | BY_PROTOCOL | BY_SPORT };

	put_delete(tx, ip_family(&item->pod.addr), &orig, &reply, false);
}

void conntrack_forget_pod(const struct nft_item *items, size_t n)
{
	scoped_nft_tx struct nft_tx tx = { 0 };
	size_t udp = count_udp(items, n);
	struct cni_error err;

	if (udp == 0)
		return;
	if (nft_tx_open(&tx, &err) < 0) {
		trace("conntrack: %s", err.msg);
		return;
	}
	nft_tx_ask(&tx);
	for (size_t i = 0; udp <= DELETES_MAX && i < n; i++) {
		if (is_udp_port(&items[i]))
			put_pod_port(&tx, &items[i]);
	}
	if (udp > DELETES_MAX || !send_and_tell(&tx))
		delete_all_listed(&tx, items, n, NULL);
}

/* ---- ADD */

static void locals_free(struct locals *l)
{
	free(l->ip);
}

static bool from_sockaddr(const struct sockaddr *sa, struct ip *ret)
{
	if (sa != NULL && sa->sa_family == AF_INET)
		*ret = ip_from_bytes(&((const struct sockaddr_in *)sa)->sin_addr, 4);
	else if (sa != NULL && sa->sa_family == AF_INET6)
		*ret = ip_from_bytes(&((const struct sockaddr_in6 *)sa)->sin6_addr, 16);
	else
		return false;
	return true;
}

static void read_locals(struct locals *ret)
{
	struct ifaddrs *all = NULL;
	size_t n = 0;

	if (getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *a = all; a != NULL; a = a->ifa_next)
		n++;
	ret->ip = calloc(n + 1, sizeof(*ret->ip));
	for (const struct ifaddrs *a = all; ret->ip != NULL && a != NULL; a = a->ifa_next)
		ret->n += from_sockaddr(a->ifa_addr, &ret->ip[ret->n]);
	freeifaddrs(all);
}

static void put_host_port(struct nft_tx *tx, const struct ip *host, uint16_t port)
{
	const struct tuple orig = { .dst = *host,
				    .dport = port,
				    .by = BY_DST | BY_PROTOCOL | BY_DPORT };

	put_delete(tx, ip_family(host), &orig, NULL, false);
}

static size_t count_deletes(const struct nft_item *items, size_t n, const struct locals *locals)
{
	size_t deletes = 0;

	for (size_t i = 0; i < n; i++) {
		if (is_udp_port(&items[i]))
			deletes += items[i].has_host ? 1 : locals->n;
	}
	return deletes;
}

static bool delete_filtered(struct nft_tx *tx, const struct nft_item *items, size_t n,
			    const struct locals *locals)
{
	nft_tx_ask(tx);
	for (size_t i = 0; i < n; i++) {
		if (!is_udp_port(&items[i]))
			continue;
		if (items[i].has_host)
			put_host_port(tx, &items[i].host, items[i].host_port);
		for (size_t k = 0; !items[i].has_host && k < locals->n; k++) {
			if (same_family(&locals->ip[k], &items[i].pod.addr))
				put_host_port(tx, &locals->ip[k], items[i].host_port);
		}
	}
	return send_and_tell(tx);
}

void conntrack_forget_old(const struct nft_item *items, size_t n)
{
	scoped_nft_tx struct nft_tx tx = { 0 };
	SCOPED(locals_free) struct locals locals = { 0 };
	struct cni_error err;

	if (count_udp(items, n) == 0)
		return;
	if (nft_tx_open(&tx, &err) < 0) {
		trace("conntrack: %s", err.msg);
		return;
	}
	read_locals(&locals);
	if (count_deletes(items, n, &locals) > DELETES_MAX ||
	    !delete_filtered(&tx, items, n, &locals))
		delete_all_listed(&tx, items, n, &locals);
}
