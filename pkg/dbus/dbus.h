/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/scoped.h"

/*
 * Method calls on the system bus, as far as a plugin needs them: strings go, and a boolean, a
 * string or a list of strings comes back (D-Bus specification, "Message Protocol";
 * docs/decisions/017 says why not by a library). One call at a time; signals are skipped; nothing
 * is activated.
 */
struct dbus {
	int fd; /* -1: not open */
	uint32_t serial;
	bool silent; /* it let us wait once: every later call fails at once */
};

#define DBUS_SECONDS 10		/* of silence, then CNI_TRY_AGAIN */
#define DBUS_MAX     (4u << 20) /* bytes of a message that we read */

/*
 * Connect to DBUS_SYSTEM_BUS_ADDRESS (unix:path= or unix:abstract=), else to the well-known socket,
 * and say hello. No bus there, or one that does not let us in (we are root of a user namespace,
 * say): 0, with ret->fd -1. One that does not answer: CNI_TRY_AGAIN.
 */
int dbus_open(struct dbus *ret, struct cni_error *err);
void dbus_close(struct dbus *bus); /* closed or never opened: nothing happens */
#define scoped_dbus SCOPED(dbus_close)

struct dbus_method {
	const char *destination, *path, *interface, *member;
};

/* A reply; its texts live until dbus_reply_free(). */
struct dbus_reply {
	uint8_t *bytes;	     /* the whole message, malloc'd */
	const uint8_t *body; /* inside it */
	size_t len;
	bool refused;	   /* an error reply: its text is dbus_reply_text() */
	uint32_t serial;   /* of the call that it answers; 0: none */
	char signature[8]; /* of the body; "" if it is longer, or empty */
};

/* Call `m` with `args` (strings, NULL behind the last). `what` is for errors. A refusal is no
 * failure of this call. */
int dbus_call(struct dbus *bus, const struct dbus_method *m, const char *const *args,
	      struct dbus_reply *ret, const char *what, struct cni_error *err);
void dbus_reply_free(struct dbus_reply *reply);
#define scoped_dbus_reply SCOPED(dbus_reply_free)

/* The body, if it is of that type: false, "", or nothing otherwise. */
bool dbus_reply_bool(const struct dbus_reply *reply);
const char *dbus_reply_text(const struct dbus_reply *reply);
/* Walk a list of strings: *at is 0 to begin; NULL ends. */
const char *dbus_reply_next(const struct dbus_reply *reply, size_t *at);

/* Understand the message of `len` bytes that `reply` has in `bytes`, of which no text needs to end
 * anywhere: false if it makes no sense. Fills in the rest. */
bool dbus_reply_parse(struct dbus_reply *reply, size_t len);
