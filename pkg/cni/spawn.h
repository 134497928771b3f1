/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct cni_error;

/* One child program, run to its end; private to pkg/cni. */
struct cni_child {
	const char *path; /* absolute: PATH is never asked */
	char *const *env;
	const char *input; /* its stdin */
	size_t input_len;
	size_t max_output;
	unsigned seconds;
};

/*
 * Run it: stdin and stdout are pipes of ours, stderr is inherited, SIGPIPE and the signal mask are
 * the defaults, it dies with us. Returns as soon as it has ended, even if a grandchild keeps its
 * stdout open. *ret_out is malloc'd and NUL-terminated, *ret_status as from waitpid(2).
 * CNI_TRY_AGAIN: the file stays busy, being written. CNI_DELEGATE: cannot be run, ran too long or
 * printed too much; it is dead then.
 */
int cni_spawn(const struct cni_child *child, char **ret_out, size_t *ret_len, int *ret_status,
	      struct cni_error *err);

/* The limit of the DEL that takes back an ADD which failed after so many microseconds. */
unsigned cni_rollback_seconds(int64_t spent_usec);
