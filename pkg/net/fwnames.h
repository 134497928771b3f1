/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

/* Names that other firewalls give to their things, and that we put into rules and records. */

#define ZONE_NAME_MAX 64 /* bytes, the NUL included; firewalld itself takes fewer */

/* Can this be the name of a zone of firewalld? Letters, digits, '_', '-', '/'; not empty. */
bool zone_name_valid(const char *name);

#define IPT_CHAIN_MAX 29 /* bytes, the NUL included, that iptables takes */

/* Can this be the name of a chain of iptables, that no program could read as an option? Printable,
 * no blank, quote or backslash, not '-' or '!' first; not empty. */
bool ipt_chain_valid(const char *name);
