/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/error.h"

/* Make room for one more element behind the `n` of list *(T **)listp, which stays the caller's to
 * free. */
static inline int grow(void *listp, size_t n, size_t *cap, size_t size, struct cni_error *err)
{
	size_t want = n == 0 ? 16 : n * 2;
	void **list = listp;
	void *bigger;

	if (n < *cap)
		return 0;
	bigger = reallocarray(*list, want, size);
	if (bigger == NULL)
		return cni_fail_sys_code(err, CNI_INTERNAL, ENOMEM, "make a list longer");
	*list = bigger;
	*cap = want;
	return 0;
}
