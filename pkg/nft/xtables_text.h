/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

#include "nft/xtables_read.h"

/*
 * The same from one line of `iptables -S`: "-A CHAIN …", without its newline. False for any other
 * line. What follows -j is the rule's `jump`, be it a chain or a target.
 */
bool xtables_line_read(const char *line, bool four, struct xtables_rule *ret);
