/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/text.h"

#include <stdio.h>

void text_init(struct text *t, char *buf, size_t cap)
{
	*t = (struct text){ .buf = buf, .cap = cap };
	buf[0] = '\0';
}

void text_vadd(struct text *t, const char *fmt, va_list ap)
{
	size_t room = t->cap - t->len;
	int n = vsnprintf(t->buf + t->len, room, fmt, ap);

	if (n < 0 || (size_t)n >= room) {
		t->cut = true;
		t->len = t->cap - 1;
		t->buf[t->len] = '\0';
		return;
	}
	t->len += (size_t)n;
}

void text_add(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	text_vadd(t, fmt, ap);
	va_end(ap);
}

bool text_format(char *buf, size_t cap, const char *fmt, ...)
{
	struct text t;
	va_list ap;

	text_init(&t, buf, cap);
	va_start(ap, fmt);
	text_vadd(&t, fmt, ap);
	va_end(ap);
	return !t.cut;
}

uint64_t text_hash(const char *const *strings, size_t n)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < n; i++) {
		const char *s = strings[i];

		do {
			h ^= (uint8_t)*s;
			h *= 0x100000001b3u;
		} while (*s++ != '\0');
	}
	/* FNV's high bits hardly depend on the last bytes: mix, since names use the top bits. */
	h ^= h >> 33;
	h *= 0xff51afd7ed558ccdu;
	h ^= h >> 33;
	h *= 0xc4ceb9fe1a85ec53u;
	h ^= h >> 33;
	return h;
}

void text_base32(uint64_t hash, size_t digits, char *out)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

	for (size_t i = 0; i < digits; i++)
		out[i] = alphabet[(hash >> (59 - 5 * i)) & 31];
	out[digits] = '\0';
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool text_equal_nocase(const char *a, const char *b)
{
	for (; lower(*a) == lower(*b); a++, b++) {
		if (*a == '\0')
			return true;
	}
	return false;
}
