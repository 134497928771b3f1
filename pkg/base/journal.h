/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>

#define PODWIRE_RUN_DIR "/run/podwire"

/*
 * One datagram to the journal's native socket (/run/systemd/journal/socket), in its native
 * protocol of KEY=value lines; a newline inside a value becomes a space.
 * No socket, a full one or any other trouble is silently ignored: telling what
 * happened may never fail or delay the verb.
 */
struct journal_field {
	const char *key; /* upper-case, static */
	const char *value;
};

/* `priority` is syslog's 0..7. SYSLOG_IDENTIFIER=podwire and PRIORITY are added. */
void journal_send(const struct journal_field *fields, size_t n, int priority);
