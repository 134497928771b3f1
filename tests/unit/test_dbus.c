/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages of D-Bus, byte by byte (little endian: on another machine the numbers stand the other
 * way). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/message.h"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__

/* As dbus-send writes it, but for the flag. */
static void a_call_as_bytes(void **state)
{
	static const struct dbus_method m = { "a.b", "/p", "i.f", "M" };
	static const uint8_t want[] = "l\1\2\1\x0e\0\0\0\7\0\0\0\x48\0\0\0"
				      "\1\1o\0\2\0\0\0/p\0\0\0\0\0\0"
				      "\2\1s\0\3\0\0\0i.f\0\0\0\0\0"
				      "\3\1s\0\1\0\0\0M\0\0\0\0\0\0\0"
				      "\6\1s\0\3\0\0\0a.b\0\0\0\0\0"
				      "\x08\1g\0\2ss\0"
				      "\1\0\0\0x\0\0\0\1\0\0\0y";
	struct dbus_writer w;

	(void)state;
	dbus_write_call(&w, 7, &m, (const char *const[]){ "x", "y", NULL });
	assert_false(w.broken);
	assert_int_equal(w.len, sizeof(want));
	assert_memory_equal(w.buf, want, sizeof(want));
	assert_int_equal(dbus_message_size(w.buf), w.len);
}

static void what_does_not_fit_is_broken(void **state)
{
	static const struct dbus_method m = { "a.b", "/p", "i.f", "M" };
	struct dbus_writer w;
	char text[4096];

	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	dbus_write_call(&w, 1, &m, (const char *const[]){ text, NULL });
	assert_true(w.broken);
}

/* "l" type flags version, body length, serial, fields length; (5, u: 7) and (8, g: SIGNATURE). */
static struct dbus_reply reply(uint8_t type, const char *signature, const void *body, size_t len)
{
	struct dbus_reply r = { .bytes = calloc(1, 32 + len) };
	const uint8_t n = (uint8_t)strlen(signature);

	assert_non_null(r.bytes);
	memcpy(r.bytes, "l\0\1\1", 4);
	r.bytes[1] = type;
	r.bytes[4] = (uint8_t)len;
	r.bytes[8] = 1;
	r.bytes[12] = (uint8_t)(8 + 6 + n);
	memcpy(r.bytes + 16, "\5\1u\0\7\0\0\0\x08\1g\0", 12);
	r.bytes[28] = n;
	memcpy(r.bytes + 29, signature, n);
	memcpy(r.bytes + 32, body, len);
	return r;
}

static void replies(void **state)
{
	struct dbus_reply r = reply(DBUS_RETURN, "b", "\1\0\0\0", 4);

	(void)state;
	assert_true(dbus_reply_parse(&r, 36));
	assert_int_equal(r.serial, 7);
	assert_false(r.refused);
	assert_true(dbus_reply_bool(&r));
	assert_string_equal(dbus_reply_text(&r), "");
	assert_false(dbus_reply_parse(&r, 35));
	dbus_reply_free(&r);

	r = reply(DBUS_ERROR, "s", "\3\0\0\0not\0", 8);
	assert_true(dbus_reply_parse(&r, 40));
	assert_true(r.refused);
	assert_false(dbus_reply_bool(&r));
	assert_string_equal(dbus_reply_text(&r), "not");
	r.bytes[32 + 7] = 'x'; /* the text does not end with its length */
	assert_string_equal(dbus_reply_text(&r), "");
	dbus_reply_free(&r);

	r = reply(4, "s", "\3\0\0\0not\0", 8); /* a signal answers nobody */
	assert_true(dbus_reply_parse(&r, 40));
	assert_int_equal(r.serial, 0);
	dbus_reply_free(&r);
}

static void lists(void **state)
{
	struct dbus_reply r = reply(DBUS_RETURN, "as", "\x0e\0\0\0\1\0\0\0a\0\0\0\1\0\0\0b\0", 18);
	size_t at = 0;

	(void)state;
	assert_true(dbus_reply_parse(&r, 50));
	assert_string_equal(dbus_reply_next(&r, &at), "a");
	assert_string_equal(dbus_reply_next(&r, &at), "b");
	assert_null(dbus_reply_next(&r, &at));
	r.bytes[32] = 0xff; /* longer than the body */
	at = 0;
	assert_null(dbus_reply_next(&r, &at));
	dbus_reply_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_as_bytes),
		cmocka_unit_test(what_does_not_fit_is_broken),
		cmocka_unit_test(replies),
		cmocka_unit_test(lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	return cmocka_run_group_tests((const struct CMUnitTest[]){ 0 }, NULL, NULL);
}

#endif
