/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <string.h>

#include "sandbox.h"

/* A call must have succeeded; else its error is the reason for the failure. A macro, so that the
 * failure names the line of the test. */
#define assert_ok(r, err)                                                                          \
	do {                                                                                       \
		if ((r) < 0)                                                                       \
			fail_msg("%s (%s)", (err)->msg, (err)->details);                           \
	} while (0)

/* `text` must hold `part`; else it is shown whole. */
#define assert_shows(text, part)                                                                   \
	do {                                                                                       \
		if (strstr(text, part) == NULL)                                                    \
			fail_msg("\"%s\" is missing in: %s", part, text);                          \
	} while (0)
