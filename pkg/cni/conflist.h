/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <jansson.h>

#include "base/error.h"

/*
 * The configuration of plugin `type` out of a file that runtimes read, a list (.conflist) or a
 * single one (.conf), as it would come on stdin: with the list's name, checked, and its cniVersion.
 * `what` names the file in errors. CNI_INVALID_CONFIG when it has no entry of that type or two.
 * *ret is the caller's.
 */
int cni_conflist_entry(const char *text, size_t len, const char *what, const char *type,
		       json_t **ret, struct cni_error *err);
