/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * The text of this type (NFTNL_UDATA_…_COMMENT) in the user data of a table, chain or element; NULL
 * if there is none that ends in it. The kernel keeps any bytes that anybody put there, and
 * libnftnl's nftnl_udata_parse() believes their lengths.
 */
const char *udata_text(const void *data, size_t len, uint8_t type);
