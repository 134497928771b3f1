/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/item.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <linux/netfilter.h>

#include "base/num.h"
#include "base/scoped.h"
#include "base/text.h"

#define HASH_TEXT 18 /* " #0123456789abcdef" */

/* Keys and values are concatenations of fields, each padded to four bytes. */
static void add_field(uint8_t *buf, uint8_t *len, const void *field, size_t field_len)
{
	memcpy(buf + *len, field, field_len);
	*len = (uint8_t)(*len + (field_len + 3) / 4 * 4);
}

static void add_ip(uint8_t *buf, uint8_t *len, const struct ip *ip)
{
	size_t n;
	const void *bytes = ip_bytes(ip, &n);

	add_field(buf, len, bytes, n);
}

static void add_port(uint8_t *buf, uint8_t *len, uint16_t port)
{
	const uint8_t be[2] = { (uint8_t)(port >> 8), (uint8_t)port };

	add_field(buf, len, be, sizeof(be));
}

static void add_ifname(uint8_t *buf, uint8_t *len, const char *name)
{
	char padded[IFNAME_MAX] = { 0 };

	memcpy(padded, name, strnlen(name, IFNAME_MAX - 1));
	add_field(buf, len, padded, sizeof(padded));
}

static char family_digit(const struct nft_item *item)
{
	return ip_is4(&item->pod.addr) ? '4' : '6';
}

static void masq_elem(const struct nft_item *item, struct nft_elem *e)
{
	chain_name(e->chain, "masq-", &item->pod);
	memcpy(e->set, e->chain, NFT_NAME);
	add_ip(e->key, &e->key_len, &item->pod.addr);
}

static void pod_elem(const struct nft_item *item, struct nft_elem *e)
{
	(void)text_format(e->set, NFT_NAME, "pod%c", family_digit(item));
	add_ifname(e->key, &e->key_len, item->veth);
	add_ip(e->data, &e->data_len, &item->pod.addr);
}

static void hostport_elem(const struct nft_item *item, struct nft_elem *e)
{
	(void)text_format(e->set, NFT_NAME, "%s%c%s%s", item->has_host ? "hostip" : "hostport",
			  family_digit(item), item->conditions[0] != '\0' ? "-" : "",
			  item->conditions);
	if (item->has_host)
		add_ip(e->key, &e->key_len, &item->host);
	add_field(e->key, &e->key_len, &item->protocol, 1);
	add_port(e->key, &e->key_len, item->host_port);
	add_ip(e->data, &e->data_len, &item->pod.addr);
	add_port(e->data, &e->data_len, item->pod_port);
}

/* A pod that is alone in its subnet: that it is its own client is told by the pair of addresses. */
static void self_elem(const struct nft_item *item, struct nft_elem *e)
{
	*e = (struct nft_elem){ .family = NFPROTO_INET };
	chain_name(e->chain, "snat-", &item->pod);
	(void)text_format(e->set, NFT_NAME, "self%c", family_digit(item));
	add_ip(e->key, &e->key_len, &item->pod.addr);
	add_ip(e->key, &e->key_len, &item->pod.addr);
	add_field(e->key, &e->key_len, &item->protocol, 1);
	add_port(e->key, &e->key_len, item->host_port);
}

static size_t snat_elems(const struct nft_item *item, struct nft_elem *e)
{
	if (item->snat_all) {
		(void)text_format(e->set, NFT_NAME, "snat-all%c", family_digit(item));
	} else {
		chain_name(e->chain, "snat-", &item->pod);
		memcpy(e->set, e->chain, NFT_NAME);
	}
	add_ip(e->key, &e->key_len, &item->pod.addr);
	add_field(e->key, &e->key_len, &item->protocol, 1);
	add_port(e->key, &e->key_len, item->host_port);
	if (item->snat_all || !ipnet_is_host(&item->pod))
		return 1;
	self_elem(item, &e[1]);
	return 2;
}

static size_t spoof_elems(const struct nft_item *item, struct nft_elem *e)
{
	e[1] = (struct nft_elem){ .family = NFPROTO_BRIDGE, .set = "checked" };
	add_ifname(e[1].key, &e[1].key_len, item->veth);
	e[0] = (struct nft_elem){ .family = NFPROTO_BRIDGE, .set = "allowed" };
	add_ifname(e[0].key, &e[0].key_len, item->veth);
	add_field(e[0].key, &e[0].key_len, item->mac.b, sizeof(item->mac.b));
	return 2;
}

static void forward_elem(const struct nft_item *item, struct nft_elem *e)
{
	(void)text_format(e->chain, NFT_NAME, "mark-%u", item->mark_bit);
	(void)text_format(e->set, NFT_NAME, "forward%c-%u", family_digit(item), item->mark_bit);
	add_ip(e->key, &e->key_len, &item->pod.addr);
}

static void shared_elem(struct nft_elem *e, const char *set, const char *bridge, bool pair)
{
	*e = (struct nft_elem){ .family = NFPROTO_INET, .shared = true };
	(void)text_format(e->set, NFT_NAME, "%s", set);
	add_ifname(e->key, &e->key_len, bridge);
	if (pair)
		add_ifname(e->key, &e->key_len, bridge);
}

static size_t ingress_elems(const struct nft_item *item, struct nft_elem *e)
{
	shared_elem(&e[0], "bridges", item->veth, false);
	shared_elem(&e[1], "own", item->veth, true);
	if (item->isolated)
		shared_elem(&e[2], "isolated", item->veth, true);
	return item->isolated ? 3 : 2;
}

size_t item_elems(const struct nft_item *item, struct nft_elem out[NFT_ITEM_ELEMS])
{
	out[0] = (struct nft_elem){ .family = NFPROTO_INET };
	switch (item->kind) {
	case NFT_ITEM_MASQ:
		masq_elem(item, out);
		break;
	case NFT_ITEM_POD:
		pod_elem(item, out);
		break;
	case NFT_ITEM_SPOOF:
		return spoof_elems(item, out);
	case NFT_ITEM_HOSTPORT:
		hostport_elem(item, out);
		break;
	case NFT_ITEM_SNAT:
		return snat_elems(item, out);
	case NFT_ITEM_FORWARD:
		forward_elem(item, out);
		break;
	case NFT_ITEM_INGRESS:
		return ingress_elems(item, out);
	case NFT_ITEM_SOURCE:
		return 0;
	}
	return 1;
}

bool elem_same_place(const struct nft_elem *a, const struct nft_elem *b)
{
	return a->family == b->family && a->key_len == b->key_len &&
	       memcmp(a->key, b->key, a->key_len) == 0 && strcmp(a->set, b->set) == 0;
}

bool elem_same_value(const struct nft_elem *a, const struct nft_elem *b)
{
	return a->data_len == b->data_len && memcmp(a->data, b->data, a->data_len) == 0;
}

const char *item_protocol(uint8_t protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_SCTP:
		return "sctp";
	default:
		return NULL;
	}
}

static const char *protocol_text(const struct nft_item *item)
{
	const char *name = item_protocol(item->protocol);

	return name != NULL ? name : "protocol";
}

void item_text(const struct nft_item *item, char buf[ITEM_TEXT])
{
	char pod[IP_TEXT], host[IP_TEXT], mac[MAC_TEXT];

	ip_print(&item->pod.addr, pod);
	ip_print(&item->host, host);
	mac_print(&item->mac, mac);
	switch (item->kind) {
	case NFT_ITEM_MASQ:
		(void)text_format(buf, ITEM_TEXT, "masquerade of %s", pod);
		break;
	case NFT_ITEM_POD:
		(void)text_format(buf, ITEM_TEXT, "address %s of %s", pod, item->veth);
		break;
	case NFT_ITEM_SPOOF:
		(void)text_format(buf, ITEM_TEXT, "MAC check of %s for %s", item->veth, mac);
		break;
	case NFT_ITEM_HOSTPORT:
		(void)text_format(buf, ITEM_TEXT, "host port %s %u/%s",
				  item->has_host	    ? host
				  : ip_is4(&item->pod.addr) ? "0.0.0.0"
							    : "::",
				  item->host_port, protocol_text(item));
		break;
	case NFT_ITEM_SNAT:
		(void)text_format(buf, ITEM_TEXT, "masquerade of host port %u/%s to %s",
				  item->host_port, protocol_text(item), pod);
		break;
	case NFT_ITEM_FORWARD:
		(void)text_format(buf, ITEM_TEXT, "forwarding of %s", pod);
		break;
	case NFT_ITEM_INGRESS:
		(void)text_format(buf, ITEM_TEXT, "ingressPolicy of %s", item->veth);
		break;
	case NFT_ITEM_SOURCE:
		(void)text_format(buf, ITEM_TEXT, "%s in firewalld's zone %.*s", pod,
				  ZONE_NAME_MAX - 1, item->zone);
		break;
	}
}

static uint16_t read_port(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

bool item_from_elem(const struct nft_elem *elem, struct nft_item *ret)
{
	bool has_host = strncmp(elem->set, "hostip", 6) == 0;
	size_t name = has_host ? 6 : strlen("hostport");
	size_t addr, rest;
	struct nft_item item = { .kind = NFT_ITEM_HOSTPORT, .has_host = has_host };
	struct ip pod;

	if ((!has_host && strncmp(elem->set, "hostport", 8) != 0) ||
	    (elem->set[name] != '4' && elem->set[name] != '6'))
		return false;
	addr = elem->set[name] == '4' ? 4 : 16;
	rest = has_host ? addr : 0;
	if (elem->key_len != rest + 8 || elem->data_len != addr + 4)
		return false;
	pod = ip_from_bytes(elem->data, addr);
	item.pod = ipnet_host(&pod);
	item.pod_port = read_port(elem->data + addr);
	if (has_host)
		item.host = ip_from_bytes(elem->key, addr);
	item.protocol = elem->key[rest];
	item.host_port = read_port(elem->key + rest + 4);
	if (elem->set[name + 1] == '-')
		(void)text_format(item.conditions, sizeof(item.conditions), "%s",
				  elem->set + name + 2);
	*ret = item;
	return true;
}

/* nft's grammar for names has no ':' and no '/'. */
void chain_name(char buf[NFT_NAME], const char *prefix, const struct ipnet *pod)
{
	struct ipnet net = ipnet_masked(pod);
	char text[IPNET_TEXT];

	if (ipnet_is_host(pod)) {
		(void)text_format(buf, NFT_NAME, "%shosts%c", prefix,
				  ip_is4(&pod->addr) ? '4' : '6');
		return;
	}
	ipnet_print(&net, text);
	(void)text_format(buf, NFT_NAME, "%s%s", prefix, text);
	for (char *p = buf + strlen(prefix); *p != '\0'; p++) {
		if (*p == ':' || *p == '/')
			*p = '-';
	}
}

bool chain_parse(const char *name, const char *prefix, struct ipnet *ret)
{
	char text[NFT_NAME], again[NFT_NAME];
	struct ipnet net;
	char *slash;

	if (strncmp(name, prefix, strlen(prefix)) != 0 ||
	    !text_format(text, sizeof(text), "%s", name + strlen(prefix)))
		return false;
	slash = strrchr(text, '-');
	if (strcmp(text, "hosts4") == 0 || strcmp(text, "hosts6") == 0)
		return ipnet_parse(text[5] == '4' ? "0.0.0.0/32" : "::/128", ret);
	if (slash == NULL)
		return false;
	for (char *p = text; *p != '\0'; p++) {
		if (*p == '-')
			*p = p == slash ? '/' : ':';
	}
	if (!ipnet_parse(text, &net))
		return false;
	chain_name(again, prefix, &net);
	if (strcmp(again, name) != 0)
		return false;
	*ret = net;
	return true;
}

bool chain_parse_mark(const char *name, uint8_t *ret_bit)
{
	static const char prefix[] = "mark-";
	uint64_t bit;

	if (strncmp(name, prefix, strlen(prefix)) != 0 ||
	    !num_parse(name + strlen(prefix), 31, &bit))
		return false;
	*ret_bit = (uint8_t)bit;
	return true;
}

void owner_text(const struct owner *owner, char buf[OWNER_TEXT])
{
	struct text t;

	text_init(&t, buf, OWNER_TEXT);
	text_add(&t, "%s %s %s", owner->network, owner->container, owner->ifname);
	if (!t.cut && strchr(buf, '"') == NULL)
		return;
	for (char *p = buf; *p != '\0'; p++) {
		if (*p == '"')
			*p = '\'';
	}
	if (t.len > OWNER_TEXT - 1 - HASH_TEXT)
		t.len = OWNER_TEXT - 1 - HASH_TEXT;
	text_add(&t, " #%016" PRIx64, owner_hash(owner));
}

/* No whole comment ends like this: an interface name has at most 15 bytes. */
static const char *hash_part(const char *text)
{
	size_t len = strlen(text);

	if (len < HASH_TEXT || strncmp(text + len - HASH_TEXT, " #", 2) != 0)
		return NULL;
	return text + len - HASH_TEXT + 2;
}

static bool parse_hex(const char *s, uint64_t *ret)
{
	uint64_t v = 0;

	for (; *s != '\0'; s++) {
		if (*s >= '0' && *s <= '9')
			v = v << 4 | (uint64_t)(*s - '0');
		else if (*s >= 'a' && *s <= 'f')
			v = v << 4 | (uint64_t)(*s - 'a' + 10);
		else
			return false;
	}
	*ret = v;
	return true;
}

bool owner_text_split(char text[OWNER_TEXT], struct owner *ret)
{
	char *container, *ifname;

	if (hash_part(text) != NULL)
		return false;
	container = strchr(text, ' ');
	ifname = strrchr(text, ' ');
	if (container == NULL || container == ifname || strchr(container + 1, ' ') != ifname)
		return false;
	*container = '\0';
	*ifname = '\0';
	*ret = (struct owner){ .network = text, .container = container + 1, .ifname = ifname + 1 };
	return ret->network[0] != '\0' && ret->container[0] != '\0' && ret->ifname[0] != '\0';
}

bool owner_text_hash(const char *text, uint64_t *ret)
{
	const char *hash = hash_part(text);
	char copy[OWNER_TEXT];
	struct owner owner;

	if (hash != NULL)
		return parse_hex(hash, ret);
	if (!text_format(copy, sizeof(copy), "%s", text) || !owner_text_split(copy, &owner))
		return false;
	*ret = owner_hash(&owner);
	return true;
}

bool owner_text_is_container(const char *text, const char *container)
{
	char copy[OWNER_TEXT];
	struct owner owner;

	return text_format(copy, sizeof(copy), "%s", text) && owner_text_split(copy, &owner) &&
	       strcmp(owner.container, container) == 0;
}
