/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netlink/attr.h"

#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>

static const struct nlattr *checked(const uint8_t *at, const uint8_t *end)
{
	const struct nlattr *attr = (const struct nlattr *)(const void *)at;

	if (end < at || (size_t)(end - at) < NLA_HDRLEN || attr->nla_len < NLA_HDRLEN ||
	    attr->nla_len > (size_t)(end - at))
		return NULL;
	return attr;
}

static const struct nlattr *after(const struct nlattr *attr, const uint8_t *end)
{
	size_t step = NLA_ALIGN((size_t)attr->nla_len);
	const uint8_t *at = (const uint8_t *)attr;

	return step > (size_t)(end - at) ? NULL : checked(at + step, end);
}

void attr_parse_bytes(const uint8_t *at, const uint8_t *end, const struct nlattr **tb, size_t max)
{
	memset(tb, 0, (max + 1) * sizeof(*tb));
	for (const struct nlattr *a = checked(at, end); a != NULL; a = after(a, end)) {
		if (attr_type(a) <= max)
			tb[attr_type(a)] = a;
	}
}

void attr_parse(const struct nlmsghdr *nlh, size_t hdr_len, const struct nlattr **tb, size_t max)
{
	const uint8_t *msg = (const uint8_t *)nlh;

	attr_parse_bytes(msg + NLMSG_HDRLEN + NLMSG_ALIGN(hdr_len), msg + nlh->nlmsg_len, tb, max);
}

void attr_parse_nest(const struct nlattr *nest, const struct nlattr **tb, size_t max)
{
	const uint8_t *at = (const uint8_t *)nest;

	if (nest == NULL)
		memset(tb, 0, (max + 1) * sizeof(*tb));
	else
		attr_parse_bytes(at + NLA_HDRLEN, at + nest->nla_len, tb, max);
}

const struct nlattr *attr_next(const struct nlmsghdr *nlh, size_t hdr_len, const struct nlattr *at)
{
	const uint8_t *msg = (const uint8_t *)nlh, *end = msg + nlh->nlmsg_len;

	return at != NULL ? after(at, end)
			  : checked(msg + NLMSG_HDRLEN + NLMSG_ALIGN(hdr_len), end);
}

uint16_t attr_type(const struct nlattr *attr)
{
	return attr->nla_type & NLA_TYPE_MASK;
}

size_t attr_len(const struct nlattr *attr)
{
	return attr == NULL ? 0 : (size_t)attr->nla_len - NLA_HDRLEN;
}

const void *attr_data(const struct nlattr *attr, size_t len)
{
	if (attr == NULL || attr_len(attr) < len)
		return NULL;
	return (const uint8_t *)attr + NLA_HDRLEN;
}

static void copy(const struct nlattr *attr, void *to, size_t len)
{
	const void *from = attr_data(attr, len);

	if (from != NULL)
		memcpy(to, from, len);
}

uint8_t attr_u8(const struct nlattr *attr)
{
	uint8_t v = 0;

	copy(attr, &v, sizeof(v));
	return v;
}

uint16_t attr_u16(const struct nlattr *attr)
{
	uint16_t v = 0;

	copy(attr, &v, sizeof(v));
	return v;
}

uint32_t attr_u32(const struct nlattr *attr)
{
	uint32_t v = 0;

	copy(attr, &v, sizeof(v));
	return v;
}

void attr_str(const struct nlattr *attr, char *buf, size_t cap)
{
	size_t len = attr_len(attr) < cap ? attr_len(attr) : cap - 1;

	buf[0] = '\0';
	copy(attr, buf, len);
	buf[len] = '\0';
}

struct mac attr_mac(const struct nlattr *attr)
{
	struct mac mac = { { 0 } };

	copy(attr, mac.b, sizeof(mac.b));
	return mac;
}

struct ip attr_ip(const struct nlattr *attr, int family)
{
	size_t len = family == AF_INET ? 4 : 16;
	uint8_t bytes[16] = { 0 };

	copy(attr, bytes, len);
	return ip_from_bytes(bytes, len);
}

const void *attr_header(const struct nlmsghdr *nlh, size_t len)
{
	if (nlh->nlmsg_len < NLMSG_HDRLEN + len)
		return NULL;
	return (const uint8_t *)nlh + NLMSG_HDRLEN;
}
