/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/text.h"

/* Words of conditionsV4 or V6 as a piece of a rule in nft's language: pure. */
#define CONDITIONS_TEXT 16384

/*
 * `key` names the list in errors. iptables' -s, -d, -i, -p are translated, anything else is nft's
 * own and only checked for what could end the rule, and for words that do something.
 * CNI_INVALID_CONFIG.
 */
int conditions_text(const char *key, const char *const *tokens, size_t n, struct text *out,
		    struct cni_error *err);
