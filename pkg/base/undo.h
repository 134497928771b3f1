/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <assert.h>
#include <stddef.h>

#include "base/scoped.h"

/*
 * The undo stack of one ADD. Push right after each change; leaving the scope runs the steps in
 * reverse unless undo_commit() was called. The size is fixed, so nothing can fail between changing
 * the machine and remembering how to take it back. Push only what we created.
 * `ctx` and `arg` must live as long as the stack.
 */
typedef void (*undo_fn)(void *ctx, const void *arg);

struct undo {
	size_t n;
	struct {
		undo_fn fn;
		void *ctx;
		const void *arg;
	} steps[24];
};

static inline void undo_push(struct undo *u, undo_fn fn, void *ctx, const void *arg)
{
	assert(u->n < ARRAY_SIZE(u->steps));
	u->steps[u->n].fn = fn;
	u->steps[u->n].ctx = ctx;
	u->steps[u->n++].arg = arg;
}

static inline void undo_run(struct undo *u)
{
	while (u->n > 0) {
		u->n--;
		u->steps[u->n].fn(u->steps[u->n].ctx, u->steps[u->n].arg);
	}
}

static inline void undo_commit(struct undo *u)
{
	u->n = 0;
}

#define scoped_undo SCOPED(undo_run)
