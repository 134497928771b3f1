/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <jansson.h>

#include "base/jpath.h"
#include "cni/result.h"
#include "cni/version.h"

struct cni_error;

/*
 * Results between JSON and struct, for every version (cni-spec.md §1.12). Reading computes what it
 * can (the family of an address) instead of trusting the text.
 */

/* Can `r` be said in version `v`? 0.1.0 and 0.2.0 need an address (CNV-06): CNI_INVALID_CONFIG with
 * "cannot convert: no valid IP addresses". Call before changing anything where it is known. */
int cni_result_check_version(const struct cni_result *r, enum cni_version v, struct cni_error *err);

/* Malloc'd text, indented by 4, no final newline; the caller's to free. */
int cni_result_encode(const struct cni_result *r, enum cni_version v, char **ret,
		      struct cni_error *err);

/* Read `obj` as a result of family `v` ("prevResult" or a delegate's output); an inner cniVersion
 * of another family or an unknown one is CNI_DECODE. `out` must be empty; on failure it is empty
 * again. */
int cni_result_decode(const json_t *obj, const struct jpath *at, enum cni_version v,
		      struct cni_result *out, struct cni_error *err);

/* Pieces that configurations share with results: {dst, gw, mtu, advmss, priority, table, scope},
 * dst and gw of one IP version (CNI_INVALID_CONFIG; results are not held to that), and dns. */
int cni_route_decode(const json_t *obj, const struct jpath *at, struct route *ret,
		     struct cni_error *err);
int cni_dns_decode(const json_t *obj, const struct jpath *at, struct cni_dns *ret,
		   struct cni_error *err);
