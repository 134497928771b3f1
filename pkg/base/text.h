/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Bounded text: appends into a buffer of the caller's, always NUL-terminated. What does not fit
 * is cut and remembered in `cut`, so that a builder is checked once, at the end.
 */
struct text {
	char *buf;
	size_t cap; /* bytes of buf, the NUL included; at least 1 */
	size_t len;
	bool cut;
};

void text_init(struct text *t, char *buf, size_t cap);
void text_add(struct text *t, const char *fmt, ...) __attribute__((__format__(__printf__, 2, 3)));
void text_vadd(struct text *t, const char *fmt, va_list ap)
    __attribute__((__format__(__printf__, 2, 0)));

/* Format into a fixed buffer; false if it was cut (the buffer then holds what fitted). */
bool text_format(char *buf, size_t cap, const char *fmt, ...)
    __attribute__((__format__(__printf__, 3, 4)));

/*
 * A 64-bit hash of `n` strings, each with its terminating NUL, so that ("ab","c") and ("a","bc")
 * differ. FNV-1a with a final mix: good for names, not for security; whoever uses it for a name
 * compares the full owner afterwards. Never changes: names on running nodes depend on it.
 */
uint64_t text_hash(const char *const *strings, size_t n);

/* Write the top 5 * `digits` bits of `hash` in lower-case base32 (a-z2-7); digits <= 12. */
void text_base32(uint64_t hash, size_t digits, char *out /* digits + 1 bytes */);

/* ASCII-only case-insensitive equality; no locale. */
bool text_equal_nocase(const char *a, const char *b);
