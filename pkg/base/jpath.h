/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>

/*
 * Where we are in a JSON document: a chain of frames on the C stack, rendered only when something
 * is wrong. No JSON in it, so that layers without jansson may point into the user's text.
 */
struct jpath {
	const struct jpath *up; /* NULL: the document itself */
	const char *key;	/* member of an object, or NULL: element `idx` of an array */
	size_t idx;
};

/* Render as `ipam.ranges[0][1].subnet`; the document itself is "configuration". Cut if too long. */
void jpath_print(const struct jpath *at, char *buf, size_t cap);

#define JPATH_MAX 256
