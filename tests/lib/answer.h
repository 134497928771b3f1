/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <string.h>

#include "base/error.h"
#include "sandbox.h"

/* A call must have succeeded; else its error is the reason for the failure. */
static inline void assert_ok(int r, const struct cni_error *err)
{
	if (r < 0)
		fail_msg("%s (%s)", err->msg, err->details);
}

/* `text` must hold `part`; else it is shown whole. */
static inline void assert_shows(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" is missing in: %s", part, text);
}
