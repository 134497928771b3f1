/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/mac.h"

#include <stddef.h>
#include <string.h>

#include "base/text.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Six bytes as hex, `sep` after each `group` of them, and nothing behind. */
static bool parse_grouped(const char *s, char sep, size_t group, struct mac *ret)
{
	struct mac mac;

	for (size_t i = 0; i < sizeof(mac.b); i++) {
		int high, low;

		if (i != 0 && i % group == 0 && *s++ != sep)
			return false;
		high = hex_digit(s[0]);
		low = high < 0 ? -1 : hex_digit(s[1]);
		if (low < 0)
			return false;
		mac.b[i] = (uint8_t)(high * 16 + low);
		s += 2;
	}
	if (*s != '\0')
		return false;
	*ret = mac;
	return true;
}

bool mac_parse(const char *s, struct mac *ret)
{
	return parse_grouped(s, ':', 1, ret) || parse_grouped(s, '-', 1, ret) ||
	       parse_grouped(s, '.', 2, ret);
}

void mac_print(const struct mac *mac, char buf[MAC_TEXT])
{
	const uint8_t *b = mac->b;

	(void)text_format(buf, MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3],
			  b[4], b[5]);
}

bool mac_equal(const struct mac *a, const struct mac *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool mac_is_zero(const struct mac *mac)
{
	static const struct mac zero;

	return mac_equal(mac, &zero);
}

bool mac_is_multicast(const struct mac *mac)
{
	return (mac->b[0] & 1) != 0;
}

struct mac mac_from_hash(uint64_t hash)
{
	struct mac mac;

	for (size_t i = 0; i < sizeof(mac.b); i++)
		mac.b[i] = (uint8_t)(hash >> (56 - 8 * i));
	mac.b[0] = (uint8_t)((mac.b[0] & ~1) | 2); /* not a group, locally administered */
	return mac;
}
