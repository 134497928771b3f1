/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/jpath.h"
#include "base/scoped.h"
#include "net/ipnet.h"
#include "net/mac.h"

/*
 * Configuration as a table: the one place that walks a json_t. Keys match ASCII case-insensitively,
 * an exact match wins over a case variant, of several variants the last wins (cni-spec.md IN-10,
 * IN-11); null means absent (IN-12); unknown keys are ignored (IN-08). A wrong JSON type is
 * CNI_DECODE, a value out of range CNI_INVALID_CONFIG, each with the key's full path and the value:
 *   ipam.ranges[0][1].subnet: "10.1.2.3/33" is not an IP prefix
 */
enum jtype {
	J_BOOL,	  /* bool */
	J_UINT,	  /* uint32_t, min..max (max 0: no bound) */
	J_INT64,  /* int64_t, imin..(int64_t)max */
	J_UINT64, /* uint64_t, min..max (max 0: no bound); JSON integers only, no 1.0, no 1e2 */
	J_STR,	  /* const char *: borrowed from the document, without NUL inside; max: longest, 0 =
		     JCONF_STR_MAX */
	J_IP,	  /* struct ip; "" means absent, as in the reference */
	J_IPNET,  /* struct ipnet */
	J_MAC,	  /* struct mac, one that an interface can have; "" means absent (CAP-03) */
	J_TABLE,  /* an object, filled by the `n_table` fields of `table`; see jconf_table() */
	J_CUSTOM, /* custom() decides; `at` already ends in this key */
};

struct jfield {
	const char *key;
	enum jtype type;
	bool required; /* absent or null is CNI_INVALID_CONFIG */
	size_t offset; /* of the member in the struct being filled */
	bool has;      /* also set the bool at has_offset to true when the key is present */
	size_t has_offset;
	int64_t imin;
	uint64_t min, max;
	const struct jfield *table; /* offsets count from this field's */
	size_t n_table;
	int (*custom)(const json_t *value, const struct jpath *at, void *member,
		      struct cni_error *err);
	const char *doc; /* one line for the man page; NULL: not documented there */
};

/* The type of a field that holds a table, and where to find it. */
#define jconf_table(fields) J_TABLE, .table = (fields), .n_table = ARRAY_SIZE(fields)

#define JCONF_STR_MAX  4096
#define JCONF_MAX_LIST 4096 /* elements of any list we read */

/* Fill the members named in the table from object `obj`; others are untouched. `obj` NULL or null:
 * as an empty object. Not an object: CNI_DECODE. On failure the members before the wrong one are
 * filled already: `out` is to be thrown away (and freed, if custom parsers allocate). */
int jconf_fill(const json_t *obj, const struct jpath *at, const struct jfield *fields, size_t n,
	       void *out, struct cni_error *err);

/* A member by name, with the rules above (case, null); NULL if absent. Borrowed. */
json_t *jconf_get(const json_t *obj, const char *key);

/* Check that `value` is an array of at most `max` elements; *ret_n its length. */
int jconf_array(const json_t *value, const struct jpath *at, size_t max, size_t *ret_n,
		struct cni_error *err);

/* The scalar conversions behind the types above, for custom parsers (elements of lists). */
int jconf_str(const json_t *value, const struct jpath *at, size_t max, const char **ret,
	      struct cni_error *err);
int jconf_bool(const json_t *value, const struct jpath *at, bool *ret, struct cni_error *err);
int jconf_uint(const json_t *value, const struct jpath *at, uint64_t min, uint64_t max,
	       uint64_t *ret, struct cni_error *err);
int jconf_int(const json_t *value, const struct jpath *at, int64_t min, int64_t max, int64_t *ret,
	      struct cni_error *err);
int jconf_ip(const json_t *value, const struct jpath *at, struct ip *ret, struct cni_error *err);
int jconf_ipnet(const json_t *value, const struct jpath *at, struct ipnet *ret,
		struct cni_error *err);

/* A MAC address that an interface can have (unicast, not zero), from CNI_ARGS. "" asks for nothing
 * (CAP-03): *ret and *ret_given stay as they are; else *ret_given is true. */
int jconf_mac(const char *text, const struct jpath *at, struct mac *ret, bool *ret_given,
	      struct cni_error *err);

/*
 * A string that must be one of `n` names, or "" as if absent. *ret_index is the name's (n: "").
 * Else CNI_INVALID_CONFIG: `path: PROBLEM "value" (one or two)`.
 */
struct jchoice {
	const char *problem;
	const char *const *names;
	size_t n;
};
int jconf_choice(const json_t *value, const struct jpath *at, const struct jchoice *choice,
		 size_t *ret_index, struct cni_error *err);

/* Raise with the rendered path in front: "a.b[1]: text". Code as given. Returns -1. */
int jconf_fail(struct cni_error *err, int code, const struct jpath *at, const char *fmt, ...)
    __attribute__((__format__(__printf__, 4, 5), __warn_unused_result__));

/*
 * Decode one JSON document: UTF-8, nothing behind it but white space, depth as jansson bounds it
 * (2,048). CNI_DECODE with line and column otherwise. `what` names the bytes ("the network
 * configuration on stdin"). Top-level null is an empty object (IN-04); anything but an object is
 * CNI_DECODE.
 */
int jconf_load(const char *bytes, size_t len, const char *what, json_t **ret,
	       struct cni_error *err);

#define scoped_json SCOPED(json_decrefp)

/* For a J_CUSTOM field: an object that somebody else reads; CNI_DECODE for anything else. */
int jconf_object(const json_t *value, const struct jpath *at, void *member, struct cni_error *err);
