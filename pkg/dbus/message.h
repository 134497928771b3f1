/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "dbus/dbus.h"

/* The bytes of messages; private to pkg/dbus and its tests. */

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define DBUS_ORDER 'l'
#else
#define DBUS_ORDER 'B'
#endif

enum { DBUS_CALL = 1, DBUS_RETURN = 2, DBUS_ERROR = 3 };
enum { DBUS_NO_AUTO_START = 2 };
enum {
	DBUS_FIELD_PATH = 1,
	DBUS_FIELD_INTERFACE = 2,
	DBUS_FIELD_MEMBER = 3,
	DBUS_FIELD_REPLY_SERIAL = 5,
	DBUS_FIELD_DESTINATION = 6,
	DBUS_FIELD_SIGNATURE = 8,
};

#define DBUS_FIXED    16 /* bytes that every message begins with */
#define DBUS_ARGS_MAX 4

struct dbus_writer {
	uint8_t buf[2048];
	size_t len;
	bool broken; /* it does not fit */
};

/* A method call, whole. */
void dbus_write_call(struct dbus_writer *w, uint32_t serial, const struct dbus_method *m,
		     const char *const *args);

/* The size of the message that begins so; 0: it is none of this machine's byte order, or too large.
 */
size_t dbus_message_size(const uint8_t fixed[DBUS_FIXED]);
