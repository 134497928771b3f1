/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdarg.h>
#include <stdbool.h>

/*
 * The one error type. It has a fixed size and lives on the caller's stack, so raising an error
 * cannot fail. Every function that can fail returns 0 or -1, takes the error as its last
 * parameter, and leaves its outputs untouched on failure.
 */

/* Codes below 100 are the CNI specification's ("Error"); a plugin's own start at 100. */
enum cni_code {
	CNI_OK = 0,
	CNI_INCOMPATIBLE_VERSION = 1,
	CNI_UNSUPPORTED_FIELD = 2,
	CNI_UNKNOWN_CONTAINER = 3,
	CNI_BAD_ENV = 4,
	CNI_IO = 5, /* stdin, stdout and state files */
	CNI_DECODE =
	    6, /* bytes that are not what they should be: JSON, versions, wrong JSON type */
	CNI_INVALID_CONFIG = 7, /* well formed, but the value or the combination is wrong */
	CNI_INVALID_NETNS =
	    8, /* CNI_NETNS is our own, or no network namespace (the reference's code) */
	CNI_TRY_AGAIN = 11,	/* a lock or a busy neighbour: a retry may work */
	CNI_NOT_AVAILABLE = 50, /* STATUS only */
	CNI_LIMITED = 51,	/* STATUS only */
	CNI_KERNEL = 100,	/* the kernel refused a change or a question */
	CNI_CONFLICT = 101,	/* what is wanted belongs to somebody else, who is alive */
	CNI_EXHAUSTED = 102,	/* no free address, no free bridge port */
	CNI_CHECK_FAILED = 103, /* CHECK: something is missing or different */
	CNI_DELEGATE = 104,	/* a delegate could not be run, crashed or printed rubbish */
	CNI_INTERNAL = 199,	/* a bug of ours */
};

/* The kernel's largest errno (include/linux/err.h): what an answer has beyond it is none. */
#define CNI_ERRNO_MAX 4095

struct cni_error {
	int code;	    /* enum cni_code, or a delegate's own code passed through */
	int sys;	    /* errno behind it, or 0 */
	bool passed;	    /* a delegate's own error: printed as it came (ERR-08) */
	char msg[512];	    /* one line, stands alone: what was being done, to what, what to do */
	char details[2048]; /* what the layer below said, in its words */
};

/* Raise: sets code and msg, forgets what was there; returns -1. Overlong text is cut, and control
 * characters (of a value that somebody sent) become '?': msg is one line. */
int cni_fail(struct cni_error *err, int code, const char *fmt, ...)
    __attribute__((__format__(__printf__, 3, 4), __warn_unused_result__));

/* Raise CNI_KERNEL for a failed system call; `sys` (errno) is kept and its text appended. */
int cni_fail_sys(struct cni_error *err, int sys, const char *fmt, ...)
    __attribute__((__format__(__printf__, 3, 4), __warn_unused_result__));

/* The same under another code (CNI_IO for state files, say). */
int cni_fail_sys_code(struct cni_error *err, int code, int sys, const char *fmt, ...)
    __attribute__((__format__(__printf__, 4, 5), __warn_unused_result__));

/* The same with the format's arguments as a list; for functions that are themselves variadic. */
int cni_vfail(struct cni_error *err, int code, int sys, const char *fmt, va_list ap)
    __attribute__((__format__(__printf__, 4, 0), __warn_unused_result__));

/* Put "text: " in front of msg. Code, sys and details stay; returns -1. */
int cni_wrap(struct cni_error *err, const char *fmt, ...)
    __attribute__((__format__(__printf__, 2, 3), __warn_unused_result__));

/* Set details; returns nothing, since it only adds to an error already raised. */
void cni_details(struct cni_error *err, const char *fmt, ...)
    __attribute__((__format__(__printf__, 2, 3)));

/* Forget an error that turned out to be none. */
void cni_clear(struct cni_error *err);

/*
 * DEL and GC go on past failures and report the first one. Call with the outcome of one step:
 * the first failure is moved into `first`, later ones are appended to its details.
 */
void cni_keep_first(struct cni_error *first, const struct cni_error *step);
