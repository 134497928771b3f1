/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft/udata.h"

/* Type, length, value, one after the other. */
const char *udata_text(const void *data, size_t len, uint8_t type)
{
	const uint8_t *at = data;

	while (len >= 2 && at[1] <= len - 2) {
		const size_t size = 2 + (size_t)at[1];

		if (at[0] == type && size > 2 && at[size - 1] == '\0')
			return (const char *)at + 2;
		at += size;
		len -= size;
	}
	return NULL;
}
