/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/hashname.h"

#include <assert.h>
#include <sha512.h>
#include <stdint.h>
#include <string.h>

void hashname(const char *prefix, const char *const *strings, size_t n, size_t len, char *buf)
{
	static const char digits[] = "0123456789abcdef";
	const size_t before = strlen(prefix);
	uint8_t hash[SHA512_DIGEST_LENGTH];
	SHA512_CTX ctx;

	assert(len >= before && len - before <= 2 * sizeof(hash));
	SHA512Init(&ctx);
	for (size_t i = 0; i < n; i++)
		SHA512Update(&ctx, (const uint8_t *)strings[i], strlen(strings[i]));
	SHA512Final(hash, &ctx);
	memcpy(buf, prefix, before);
	for (size_t i = 0; i < len - before; i++)
		buf[before + i] = digits[(hash[i / 2] >> (i % 2 == 0 ? 4 : 0)) & 15];
	buf[len] = '\0';
}
