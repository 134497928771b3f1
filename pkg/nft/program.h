/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/*
 * Another program, where only it knows what we need (nft's language, the tables of legacy xtables):
 * by absolute path, without shell, without environment, within a limit of time, its output kept for
 * the error.
 */
#define PROGRAM_SAID 1024
struct program {
	const char *path;
	const char *const *argv; /* NULL behind the last */
	const char *input;	 /* its stdin, or NULL */
	char *output;		 /* all it prints, NUL-terminated and cut; or NULL */
	size_t output_cap;
	int64_t ms; /* killed after that */
};

/* Where `name` is, or NULL: in /usr/sbin, /sbin, /usr/bin, /usr/local/sbin; PATH is never asked. */
#define PROGRAM_PATH 64
const char *program_find(const char *name, char buf[PROGRAM_PATH]);

/* Run it to its end: *ret_status as from waitpid(2), `said` what it printed, one line. -1
 * (CNI_KERNEL): it cannot be run, or had to be killed (err->sys is ETIME). */
int program_run(const struct program *p, int *ret_status, char said[PROGRAM_SAID],
		struct cni_error *err);
