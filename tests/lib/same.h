/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <string.h>

#include "sandbox.h"

/* Two texts of lines are equal; a difference is told by its first line. */
static inline void assert_same(const char *after, const char *before)
{
	const char *a = before, *b = after;

	while (*a != '\0' && strcspn(a, "\n") == strcspn(b, "\n") &&
	       strncmp(a, b, strcspn(a, "\n")) == 0) {
		a += strcspn(a, "\n") + (strchr(a, '\n') != NULL);
		b += strcspn(b, "\n") + (strchr(b, '\n') != NULL);
	}
	if (*a != '\0' || *b != '\0')
		fail_msg("before: %.*s\nnow:    %.*s", (int)strcspn(a, "\n"), a,
			 (int)strcspn(b, "\n"), b);
}

/* The world is as it was. Frees `before`. */
static inline void assert_unchanged(char *before, struct sandbox *s)
{
	char *after = sandbox_snapshot(s);

	assert_same(after, before);
	free(before);
	free(after);
}
