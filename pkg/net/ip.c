/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/ip.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "base/text.h"

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

struct ip ip_from_bytes(const void *bytes, size_t len)
{
	struct ip ip = { { 0 } };

	if (len == sizeof(ip.b)) {
		memcpy(ip.b, bytes, sizeof(ip.b));
		return ip;
	}
	memcpy(ip.b, mapped, sizeof(mapped));
	memcpy(ip.b + sizeof(mapped), bytes, 4);
	return ip;
}

/* inet_pton is as strict as we are: no leading zeros, four parts, "::" stands for at least one
 * group. */
bool ip_parse(const char *s, struct ip *ret)
{
	uint8_t bytes[16];
	bool six = strchr(s, ':') != NULL;

	if (inet_pton(six ? AF_INET6 : AF_INET, s, bytes) != 1)
		return false;
	*ret = ip_from_bytes(bytes, six ? 16 : 4);
	return true;
}

static unsigned group(const struct ip *ip, size_t i)
{
	return (unsigned)ip->b[2 * i] << 8 | ip->b[2 * i + 1];
}

/* The first of the longest runs of zero groups that "::" stands for; length 0 if none has two. */
static size_t zero_run(const struct ip *ip, size_t *ret_len)
{
	size_t best = 0, best_len = 0;

	for (size_t i = 0; i < 8; i++) {
		size_t len = 0;

		while (i + len < 8 && group(ip, i + len) == 0)
			len++;
		if (len > best_len) {
			best = i;
			best_len = len;
		}
	}
	*ret_len = best_len >= 2 ? best_len : 0;
	return best;
}

/* By hand: inet_ntop writes ::1.2.3.4 where Go, and so every file name in use, has ::102:304. */
static void print6(const struct ip *ip, struct text *t)
{
	size_t run_len, run = zero_run(ip, &run_len);
	const char *colon = "";

	for (size_t i = 0; i < 8; i++) {
		if (run_len != 0 && i == run) {
			text_add(t, "::");
			i += run_len - 1;
			colon = "";
			continue;
		}
		text_add(t, "%s%x", colon, group(ip, i));
		colon = ":";
	}
}

void ip_print(const struct ip *ip, char buf[IP_TEXT])
{
	struct text t;

	text_init(&t, buf, IP_TEXT);
	if (ip_is4(ip))
		text_add(&t, "%u.%u.%u.%u", ip->b[12], ip->b[13], ip->b[14], ip->b[15]);
	else
		print6(ip, &t);
}

bool ip_is4(const struct ip *ip)
{
	return memcmp(ip->b, mapped, sizeof(mapped)) == 0;
}

int ip_family(const struct ip *ip)
{
	return ip_is4(ip) ? AF_INET : AF_INET6;
}

const void *ip_bytes(const struct ip *ip, size_t *ret_len)
{
	size_t skip = ip_is4(ip) ? sizeof(mapped) : 0;

	*ret_len = sizeof(ip->b) - skip;
	return ip->b + skip;
}

int ip_cmp(const struct ip *a, const struct ip *b)
{
	return memcmp(a->b, b->b, sizeof(a->b));
}

bool ip_equal(const struct ip *a, const struct ip *b)
{
	return ip_cmp(a, b) == 0;
}

bool ip_is_unspecified(const struct ip *ip)
{
	static const uint8_t zero[16];
	size_t len;
	const void *bytes = ip_bytes(ip, &len);

	return memcmp(bytes, zero, len) == 0;
}

bool ip_is_loopback(const struct ip *ip)
{
	static const struct ip one = { { [15] = 1 } };

	return ip_is4(ip) ? ip->b[12] == 127 : ip_equal(ip, &one);
}

bool ip_is_link_local(const struct ip *ip)
{
	if (ip_is4(ip))
		return ip->b[12] == 169 && ip->b[13] == 254;
	return ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
}

bool ip_is_multicast(const struct ip *ip)
{
	return ip_is4(ip) ? (ip->b[12] & 0xf0) == 0xe0 : ip->b[0] == 0xff;
}

struct ip ip_next(const struct ip *ip)
{
	struct ip next = *ip;

	for (size_t i = sizeof(next.b); i-- > 0;) {
		next.b[i] = (uint8_t)(next.b[i] + 1);
		if (next.b[i] != 0)
			break;
	}
	return next;
}

struct ip ip_prev(const struct ip *ip)
{
	struct ip prev = *ip;

	for (size_t i = sizeof(prev.b); i-- > 0;) {
		prev.b[i] = (uint8_t)(prev.b[i] - 1);
		if (prev.b[i] != 0xff)
			break;
	}
	return prev;
}
