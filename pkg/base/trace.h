/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

/*
 * The debug switch. `touch /run/podwire/debug` makes every program write a line per step to stderr
 * and to the journal; no restart, no configuration. Off, a step costs one load and one branch.
 * This is the only variable of the suite that is neither constant nor on a stack: it is set once,
 * before the verb runs, and threading it through every call would put it into every signature.
 */

/* Look for the switch; `program` prefixes the lines and must be static. */
void trace_setup(const char *program);

bool trace_on(void);

/* One step, in the words of the error it would give ("create veth vethabc…"). Never fails or
 * blocks. */
void trace(const char *fmt, ...) __attribute__((__format__(__printf__, 1, 2)));
