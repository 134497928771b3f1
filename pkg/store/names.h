/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/scoped.h"
#include "net/ip.h"

struct cni_error;

/*
 * The addresses that a folder has an entry for, whatever is in them: one pass over the names, no
 * file is opened. Only canonical names count (what ip_print gives): "010.1.2.3" or "2001:DB8::1"
 * are foreign files, as nobody who looks for the address would find them.
 */
struct names {
	struct ip *ip; /* sorted by ip_cmp; owned */
	size_t n;
};

/* `out` must be empty. Reads through a descriptor of its own; `dir` keeps its position. */
int names_read(int dir, struct names *out, struct cni_error *err);
void names_free(struct names *names);
bool names_have(const struct names *names, const struct ip *ip);

#define scoped_names SCOPED(names_free)
