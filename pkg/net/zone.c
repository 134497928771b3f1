/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/zone.h"

#include <string.h>

bool zone_name_valid(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-/";
	size_t len = strlen(name);

	return len > 0 && len < ZONE_NAME_MAX && strspn(name, allowed) == len;
}
