/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * Resources that close themselves at the end of their scope. A scoped variable is never closed by
 * hand; leaving the scope with one is an explicit move: take_fd(&fd), take_ptr(&p).
 * (`__cleanup__`, never `cleanup`: a macro of that name would silently disarm the attribute.)
 */
#define SCOPED(fn) __attribute__((__cleanup__(fn)))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline void close_fdp(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static inline void free_ptrp(void *p)
{
	free(*(void **)p);
}

static inline void close_dirp(DIR **dir)
{
	if (*dir != NULL)
		(void)closedir(*dir);
	*dir = NULL;
}

#define scoped_fd   SCOPED(close_fdp)
#define scoped_free SCOPED(free_ptrp)
#define scoped_dir  SCOPED(close_dirp) /* an open folder's fd is the DIR's: take_fd() it */

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

static inline void *take_ptr_(void *pp)
{
	void **p = pp;
	void *taken = *p;

	*p = NULL;
	return taken;
}

/* take_ptr(&p): the value of p, which becomes NULL. */
#define take_ptr(p) ((__typeof__(*(p)))take_ptr_(p))
