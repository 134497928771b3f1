/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/*
 * Strict numbers: digits only, no sign, no space, no leading zero (but "0"), no tail, no overflow.
 * False leaves *ret untouched.
 */
bool num_parse(const char *s, uint64_t max, uint64_t *ret);
