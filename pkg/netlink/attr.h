/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "net/ip.h"
#include "net/mac.h"

struct nlattr;
struct nlmsghdr;

/*
 * Reading the kernel's answers, for the files of this folder only. Unknown attributes are skipped;
 * lengths are checked against what really arrived; an absent or short attribute reads as 0, "" or
 * NULL.
 */

/* The attributes behind a fixed header of `hdr_len` bytes, by type: tb[0..max]. */
void attr_parse(const struct nlmsghdr *nlh, size_t hdr_len, const struct nlattr **tb, size_t max);
/* The attributes inside `nest` (NULL: none). */
void attr_parse_nest(const struct nlattr *nest, const struct nlattr **tb, size_t max);

/* The attributes from `at` up to `end`. */
void attr_parse_bytes(const uint8_t *at, const uint8_t *end, const struct nlattr **tb, size_t max);

/* Walk attributes whose types repeat, behind a fixed header: NULL begins, NULL ends. */
const struct nlattr *attr_next(const struct nlmsghdr *nlh, size_t hdr_len, const struct nlattr *at);
uint16_t attr_type(const struct nlattr *attr);

/* At least `len` bytes of content, or NULL. */
const void *attr_data(const struct nlattr *attr, size_t len);
size_t attr_len(const struct nlattr *attr);
uint8_t attr_u8(const struct nlattr *attr);
uint16_t attr_u16(const struct nlattr *attr);
uint32_t attr_u32(const struct nlattr *attr);
/* The text, cut to `cap` and NUL-terminated, into buf. */
void attr_str(const struct nlattr *attr, char *buf, size_t cap);
struct mac attr_mac(const struct nlattr *attr);
/* An address of `family`, or all zeros of that family. */
struct ip attr_ip(const struct nlattr *attr, int family);

/* The fixed header of `len` bytes, or NULL if the message is shorter. */
const void *attr_header(const struct nlmsghdr *nlh, size_t len);
