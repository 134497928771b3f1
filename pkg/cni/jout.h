/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <jansson.h>
#include <stdbool.h>

/*
 * Building the JSON that we print; private to pkg/cni. A document under construction remembers
 * that something did not fit into memory, so that it is checked once, at the end.
 */
struct jout {
	bool broken;
};

/* Add a member or an element; takes over `value`, of which NULL is the mistake remembered.
 * Returns `value`, borrowed, for filling it further. */
json_t *jout_set(struct jout *o, json_t *obj, const char *key, json_t *value);
json_t *jout_append(struct jout *o, json_t *array, json_t *value);

/* Add `s` as a string; NULL or "" adds nothing. */
void jout_text(struct jout *o, json_t *obj, const char *key, const char *s);

/* Add `v` unless it is 0. */
void jout_uint(struct jout *o, json_t *obj, const char *key, json_int_t v);

/*
 * A string out of any bytes. Text comes from the environment, file systems and other programs and
 * need not be UTF-8, which jansson refuses: a byte that is in no valid sequence becomes U+FFFD.
 */
json_t *jout_string(const char *s);
