/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

/*
 * Is kernel module `name` (underscores as in its file's name) certainly missing: not loaded, not
 * built in, and not among the running kernel's modules? False when that cannot be told, as in a
 * container without /lib/modules. Reads files only; nothing is loaded.
 */
bool kmodule_is_missing(const char *name);
