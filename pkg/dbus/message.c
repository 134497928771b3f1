/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages as bytes: everything that comes is checked against what is there, text for text. */
#include <stdlib.h>
#include <string.h>

#include "dbus/message.h"

/* ---- writing */

static void pad(struct dbus_writer *w, size_t to)
{
	while (w->len % to != 0 && w->len < sizeof(w->buf))
		w->buf[w->len++] = 0;
}

static void put(struct dbus_writer *w, const void *bytes, size_t len)
{
	w->broken = w->broken || len > sizeof(w->buf) - w->len;
	if (w->broken)
		return;
	memcpy(w->buf + w->len, bytes, len);
	w->len += len;
}

static void put_u32(struct dbus_writer *w, uint32_t v)
{
	pad(w, 4);
	put(w, &v, sizeof(v));
}

static void put_string(struct dbus_writer *w, const char *s)
{
	put_u32(w, (uint32_t)strlen(s));
	put(w, s, strlen(s) + 1);
}

static void put_signature(struct dbus_writer *w, const char *s)
{
	const uint8_t len = (uint8_t)strlen(s);

	put(w, &len, 1);
	put(w, s, (size_t)len + 1);
}

/* (yv): the field's number and a value of type `type`. */
static void put_field(struct dbus_writer *w, uint8_t number, char type, const char *value)
{
	const char signature[] = { type, '\0' };

	pad(w, 8);
	put(w, &number, 1);
	put_signature(w, signature);
	if (type == 'g')
		put_signature(w, value);
	else
		put_string(w, value);
}

static void set_u32(struct dbus_writer *w, size_t at, uint32_t v)
{
	if (!w->broken)
		memcpy(w->buf + at, &v, sizeof(v));
}

void dbus_write_call(struct dbus_writer *w, uint32_t serial, const struct dbus_method *m,
		     const char *const *args)
{
	const uint8_t start[] = { DBUS_ORDER, DBUS_CALL, DBUS_NO_AUTO_START, 1 };
	char signature[DBUS_ARGS_MAX + 1] = "";
	size_t n = 0, body;

	*w = (struct dbus_writer){ .len = 0 };
	while (args[n] != NULL && n < DBUS_ARGS_MAX)
		signature[n++] = 's';
	put(w, start, sizeof(start));
	put_u32(w, 0); /* the body's length, known at the end */
	put_u32(w, serial);
	put_u32(w, 0); /* the fields' length */
	put_field(w, DBUS_FIELD_PATH, 'o', m->path);
	put_field(w, DBUS_FIELD_INTERFACE, 's', m->interface);
	put_field(w, DBUS_FIELD_MEMBER, 's', m->member);
	put_field(w, DBUS_FIELD_DESTINATION, 's', m->destination);
	if (n > 0)
		put_field(w, DBUS_FIELD_SIGNATURE, 'g', signature);
	set_u32(w, 12, (uint32_t)(w->len - DBUS_FIXED));
	pad(w, 8);
	body = w->len;
	for (size_t i = 0; i < n; i++)
		put_string(w, args[i]);
	set_u32(w, 4, (uint32_t)(w->len - body));
}

/* ---- reading */

struct reader {
	const uint8_t *bytes;
	size_t at, end;
	bool broken;
};

static const uint8_t *take(struct reader *r, size_t len)
{
	const uint8_t *from = r->bytes + r->at;

	r->broken = r->broken || len > r->end - r->at;
	if (r->broken)
		return NULL;
	r->at += len;
	return from;
}

static void skip_to(struct reader *r, size_t to)
{
	while (r->at % to != 0 && !r->broken)
		(void)take(r, 1);
}

static uint32_t take_u32(struct reader *r)
{
	const uint8_t *p;
	uint32_t v = 0;

	skip_to(r, 4);
	p = take(r, sizeof(v));
	if (p != NULL)
		memcpy(&v, p, sizeof(v));
	return v;
}

static uint8_t take_u8(struct reader *r)
{
	const uint8_t *p = take(r, 1);

	return p == NULL ? 0 : *p;
}

/* The text ends with its length, and nowhere before. */
static const char *take_text(struct reader *r, size_t len)
{
	const char *s = (const char *)take(r, len + 1);

	if (s == NULL || memchr(s, '\0', len + 1) != s + len) {
		r->broken = true;
		return NULL;
	}
	return s;
}

static const char *take_string(struct reader *r)
{
	const uint32_t len = take_u32(r);

	if (len >= r->end)
		r->broken = true;
	return r->broken ? NULL : take_text(r, len);
}

static const char *take_signature(struct reader *r)
{
	const uint8_t len = take_u8(r);

	return r->broken ? NULL : take_text(r, len);
}

/* A header field; values of other types than these do not stand in one. */
static void take_field(struct reader *r, struct dbus_reply *reply)
{
	const uint8_t number = take_u8(r);
	const char *type = take_signature(r), *text = NULL;
	uint32_t v = 0;

	if (r->broken)
		return;
	if (strcmp(type, "s") == 0 || strcmp(type, "o") == 0)
		text = take_string(r);
	else if (strcmp(type, "g") == 0)
		text = take_signature(r);
	else if (strcmp(type, "u") == 0)
		v = take_u32(r);
	else
		r->broken = true;
	if (r->broken)
		return;
	if (number == DBUS_FIELD_REPLY_SERIAL)
		reply->serial = v;
	if (number == DBUS_FIELD_SIGNATURE && text != NULL &&
	    strlen(text) < sizeof(reply->signature))
		memcpy(reply->signature, text, strlen(text) + 1);
}

size_t dbus_message_size(const uint8_t fixed[DBUS_FIXED])
{
	uint32_t body, fields;
	size_t head;

	memcpy(&body, fixed + 4, sizeof(body));
	memcpy(&fields, fixed + 12, sizeof(fields));
	if (fixed[0] != DBUS_ORDER || fixed[3] != 1 || body > DBUS_MAX || fields > DBUS_MAX)
		return 0;
	head = (DBUS_FIXED + (size_t)fields + 7) / 8 * 8;
	return head + body;
}

bool dbus_reply_parse(struct dbus_reply *reply, size_t len)
{
	struct reader r = { .bytes = reply->bytes, .end = len };
	uint32_t body, fields;

	if (len < DBUS_FIXED || dbus_message_size(reply->bytes) != len)
		return false;
	memcpy(&body, reply->bytes + 4, sizeof(body));
	memcpy(&fields, reply->bytes + 12, sizeof(fields));
	reply->serial = 0;
	reply->signature[0] = '\0';
	reply->refused = reply->bytes[1] == DBUS_ERROR;
	r.at = DBUS_FIXED;
	r.end = DBUS_FIXED + (size_t)fields;
	while (r.at < r.end && !r.broken) {
		skip_to(&r, 8);
		if (r.at < r.end)
			take_field(&r, reply);
	}
	if (reply->bytes[1] != DBUS_RETURN && reply->bytes[1] != DBUS_ERROR)
		reply->serial = 0; /* a signal, or somebody's call */
	reply->body = reply->bytes + len - body;
	reply->len = body;
	return !r.broken;
}

void dbus_reply_free(struct dbus_reply *reply)
{
	free(reply->bytes);
	*reply = (struct dbus_reply){ .len = 0 };
}

bool dbus_reply_bool(const struct dbus_reply *reply)
{
	struct reader r = { .bytes = reply->body, .end = reply->len };

	return strcmp(reply->signature, "b") == 0 && take_u32(&r) == 1 && !r.broken;
}

const char *dbus_reply_text(const struct dbus_reply *reply)
{
	struct reader r = { .bytes = reply->body, .end = reply->len };
	const char *text = reply->signature[0] == 's' ? take_string(&r) : NULL;

	return text == NULL ? "" : text;
}

/* The body begins at a multiple of eight, so that its own offsets say what is aligned. */
const char *dbus_reply_next(const struct dbus_reply *reply, size_t *at)
{
	struct reader r = { .bytes = reply->body, .end = reply->len };
	const char *text;
	uint32_t size;

	if (strcmp(reply->signature, "as") != 0)
		return NULL;
	size = take_u32(&r);
	if (r.broken || size > r.end - r.at)
		return NULL;
	r.end = r.at + size;
	if (*at != 0)
		r.at = *at;
	if (r.at >= r.end)
		return NULL;
	text = take_string(&r);
	*at = r.at;
	return text;
}
