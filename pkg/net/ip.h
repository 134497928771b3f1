/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One address type for both families: IPv4 lives in ::ffff:0:0/96, so that compare, contains and
 * next are one piece of code. A pure value: no I/O, no allocation. `::ffff:1.2.3.4` as text is the
 * IPv4 address 1.2.3.4 everywhere, as in the reference.
 */
struct ip {
	uint8_t b[16]; /* network byte order */
};

#define IP_TEXT 46 /* longest text and NUL */

/* "1.2.3.4" (no leading zeros, exactly four parts) or RFC 4291 text without zone. */
bool ip_parse(const char *s, struct ip *ret);

/* Canonical text (RFC 5952; IPv4 dotted): what Go's net.IP prints, since it becomes file names. */
void ip_print(const struct ip *ip, char buf[IP_TEXT]);

struct ip ip_from_bytes(const void *bytes, size_t len); /* len 4 or 16, network order */

bool ip_is4(const struct ip *ip);
int ip_family(const struct ip *ip);			    /* AF_INET or AF_INET6 */
const void *ip_bytes(const struct ip *ip, size_t *ret_len); /* 4 or 16 bytes, network order */

int ip_cmp(const struct ip *a, const struct ip *b); /* like memcmp */
bool ip_equal(const struct ip *a, const struct ip *b);
bool ip_is_unspecified(const struct ip *ip); /* 0.0.0.0 or :: */
bool ip_is_loopback(const struct ip *ip);    /* 127.0.0.0/8 or ::1 */
bool ip_is_link_local(const struct ip *ip);  /* 169.254.0.0/16 or fe80::/10 */
bool ip_is_multicast(const struct ip *ip);

/* The numeric neighbour; wraps around at the ends of the 128-bit space. */
struct ip ip_next(const struct ip *ip);
struct ip ip_prev(const struct ip *ip);
