/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>

/*
 * Names that the reference plugins derive from a SHA-512: `prefix`, then the hash of the `n`
 * strings, joined without anything between, in lower-case hexadecimal; `len` characters in all.
 * Shared with them on running nodes, so it never changes: bwp… (15 characters) of (network,
 * container) for ifb links, CNI-… and CNI-DN-… (28) for iptables chains. `buf` has len + 1 bytes;
 * len - strlen(prefix) is 0 to 128.
 */
void hashname(const char *prefix, const char *const *strings, size_t n, size_t len, char *buf);
