/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "dbus/message.h"
#include "fuzz.h"

static bool inside(const struct dbus_reply *reply, const char *s)
{
	const uint8_t *at = (const uint8_t *)s;

	return s[0] == '\0' || (at >= reply->body && at + strlen(s) < reply->body + reply->len);
}

/* A message of any bytes: refused, or its texts lie in its body and end there, and walking a list
 * comes to its end. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dbus_reply reply = { .bytes = malloc(size + 1) };
	const char *text;
	size_t at = 0, steps = 0;

	FUZZ_CHECK(reply.bytes != NULL);
	memcpy(reply.bytes, data, size);
	if (size >= DBUS_FIXED)
		FUZZ_CHECK(dbus_message_size(data) <= 2 * (size_t)DBUS_MAX + DBUS_FIXED + 8);
	if (dbus_reply_parse(&reply, size)) {
		FUZZ_CHECK(reply.body >= reply.bytes &&
			   reply.body + reply.len == reply.bytes + size);
		FUZZ_CHECK(memchr(reply.signature, '\0', sizeof(reply.signature)) != NULL);
		(void)dbus_reply_bool(&reply);
		FUZZ_CHECK(inside(&reply, dbus_reply_text(&reply)));
		while ((text = dbus_reply_next(&reply, &at)) != NULL) {
			FUZZ_CHECK(inside(&reply, text));
			FUZZ_CHECK(++steps <= size);
		}
	}
	dbus_reply_free(&reply);
	return 0;
}
