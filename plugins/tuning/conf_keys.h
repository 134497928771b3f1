/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>

struct cni_error;

/*
 * Does every name stand once in each `sysctl` object of this document (at its top and in args.cni)?
 * Of two, the decoder keeps the last without a word, so the text itself is walked. It is a document
 * that has been decoded; of any other text the answer is 0 or -1. CNI_INVALID_CONFIG names the key.
 */
int tuning_keys_unique(const char *text, size_t len, struct cni_error *err);
