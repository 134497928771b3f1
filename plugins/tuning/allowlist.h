/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "conf.h"

#define TUNING_ALLOWLIST     "/etc/cni/tuning/allowlist.conf"
#define ALLOWLIST_BYTES	     65536
#define ALLOWLIST_LINES	     1024
#define ALLOWLIST_PATTERN    1024  /* bytes of one line */
#define ALLOWLIST_TRANSLATED 16384 /* bytes of what becomes of it */

/*
 * The operator's list of allowed switches: where the file is, every sysctl of `conf`, as it was
 * written, must match one of its lines. CNI_INVALID_CONFIG names the sysctl and the list; a file
 * that cannot be read is CNI_IO, a line that cannot be honoured exactly CNI_INVALID_CONFIG with
 * file, line and construct. STATUS asks with no sysctls.
 */
int allowlist_check(const struct tuning_conf *conf, struct cni_error *err);

/*
 * One line, a regular expression of RE2 (what the reference takes), as an extended one of POSIX
 * that matches the same texts out of the characters '!' to '~'. False: *ret_problem says which
 * construct has no equal; nothing is guessed.
 */
bool allowlist_translate(const char *pattern, char out[ALLOWLIST_TRANSLATED],
			 const char **ret_problem);
