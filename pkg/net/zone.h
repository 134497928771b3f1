/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

#define ZONE_NAME_MAX 64 /* bytes, the NUL included; firewalld itself takes fewer */

/* Can this be the name of a zone of firewalld? Letters, digits, '_', '-', '/'; not empty. */
bool zone_name_valid(const char *name);
