/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>

#include "base/error.h"

/*
 * portmap's conditionsV4/V6: one pair of chains and maps per distinct list, "hostports-<hash>",
 * entered by
 * `fib daddr type local <conditions> jump hostports-<hash>`; never global (plugins.md §3.1 QUIRK).
 * iptables spellings (-s, -d, -i, -p, each with `!` before it) are translated; anything else is
 * nft's own language and handed to the nft program once, when the chain does not exist yet (run by
 * absolute path, 10 s, no shell). Control characters, ';', '#', unbalanced braces, words
 * that do something instead of asking (drop, set, vmap): CNI_INVALID_CONFIG.
 */
struct nft_conditions {
	const char *const *tokens4; /* as configured */
	size_t n_tokens4;
	const char *const *tokens6;
	size_t n_tokens6;
};

int nft_conditions_hash(
    const struct nft_conditions *c, char hash[17],
    struct cni_error *err); /* "" if both lists are empty; checks the syntax as far as possible */
int nft_conditions_ensure(const struct nft_conditions *c, const char hash[17],
			  struct cni_error *err);
