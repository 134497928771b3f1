/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/fwnames.h"

#include <string.h>

bool zone_name_valid(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-/";
	size_t len = strlen(name);

	return len > 0 && len < ZONE_NAME_MAX && strspn(name, allowed) == len;
}

bool ipt_chain_valid(const char *name)
{
	for (const char *p = name; *p != '\0'; p++) {
		if (*p <= ' ' || *p >= 127 || *p == '"' || *p == '\\')
			return false;
	}
	return name[0] != '\0' && name[0] != '-' && name[0] != '!' && strlen(name) < IPT_CHAIN_MAX;
}
