/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/ipnet.h"

#include <string.h>

#include "base/num.h"
#include "base/text.h"

#define IP4_BITS_ABOVE 96 /* of the 128, those that only say "IPv4" */

bool ipnet_parse(const char *s, struct ipnet *ret)
{
	const char *slash = strchr(s, '/');
	size_t addr_len = slash != NULL ? (size_t)(slash - s) : 0;
	uint64_t above = 0, plen;
	char text[IP_TEXT];
	struct ip addr;

	if (slash == NULL || addr_len >= sizeof(text))
		return false;
	memcpy(text, s, addr_len);
	text[addr_len] = '\0';
	if (!ip_parse(text, &addr))
		return false;
	/* "::ffff:10.0.0.0/104" counts its length within 128 bits, as it is written. */
	if (strchr(text, ':') == NULL)
		above = IP4_BITS_ABOVE;
	if (!num_parse(slash + 1, 128 - above, &plen))
		return false;
	if (ip_is4(&addr) && plen + above < IP4_BITS_ABOVE)
		return false;
	*ret = (struct ipnet){ .addr = addr, .len = (uint8_t)(plen + above) };
	return true;
}

void ipnet_print(const struct ipnet *net, char buf[IPNET_TEXT])
{
	char addr[IP_TEXT];

	ip_print(&net->addr, addr);
	(void)text_format(buf, IPNET_TEXT, "%s/%u", addr, ipnet_plen(net));
}

unsigned ipnet_plen(const struct ipnet *net)
{
	return net->len - (ip_is4(&net->addr) ? (unsigned)IP4_BITS_ABOVE : 0);
}

struct ipnet ipnet_make(const struct ip *addr, unsigned plen)
{
	unsigned above = ip_is4(addr) ? IP4_BITS_ABOVE : 0;

	return (struct ipnet){ .addr = *addr, .len = (uint8_t)(plen + above) };
}

struct ipnet ipnet_host(const struct ip *addr)
{
	return (struct ipnet){ .addr = *addr, .len = 128 };
}

/* The host bits of byte `i` under a prefix of `len` bits. */
static uint8_t host_bits(uint8_t len, size_t i)
{
	size_t bits = i * 8;

	if (bits + 8 <= len)
		return 0;
	return bits >= len ? 0xff : (uint8_t)(0xff >> (len - bits));
}

struct ip ipnet_network(const struct ipnet *net)
{
	struct ip ip = net->addr;

	for (size_t i = 0; i < sizeof(ip.b); i++)
		ip.b[i] = (uint8_t)(ip.b[i] & ~host_bits(net->len, i));
	return ip;
}

struct ip ipnet_last(const struct ipnet *net)
{
	struct ip ip = net->addr;

	for (size_t i = 0; i < sizeof(ip.b); i++)
		ip.b[i] = (uint8_t)(ip.b[i] | host_bits(net->len, i));
	return ip;
}

struct ipnet ipnet_masked(const struct ipnet *net)
{
	return (struct ipnet){ .addr = ipnet_network(net), .len = net->len };
}

bool ipnet_equal(const struct ipnet *a, const struct ipnet *b)
{
	return a->len == b->len && ip_equal(&a->addr, &b->addr);
}

bool ipnet_contains(const struct ipnet *net, const struct ip *a)
{
	unsigned whole = net->len / 8, rest = net->len % 8;

	/* ::/0 covers the bytes of every IPv4 address, and none of them belongs to it. */
	if (ip_is4(&net->addr) != ip_is4(a) || memcmp(net->addr.b, a->b, whole) != 0)
		return false;
	return rest == 0 || (net->addr.b[whole] ^ a->b[whole]) >> (8 - rest) == 0;
}

bool ipnet_overlaps(const struct ipnet *a, const struct ipnet *b)
{
	return a->len <= b->len ? ipnet_contains(a, &b->addr) : ipnet_contains(b, &a->addr);
}

bool ipnet_is_host(const struct ipnet *net)
{
	return net->len == 128;
}

bool ipnet_is_default(const struct ipnet *net)
{
	return ipnet_plen(net) == 0;
}
