/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "standing.h"

/* `overlay apply|remove|show [--json] FILE`: for units and people. */
int overlay_tool(int argc, char *const *argv, struct cni_error *err);

/* `show`: what the file says, what there is, and how they differ, on stdout. */
struct overlay_shown {
	const char *file; /* as it was found, absolute */
	const struct overlay_conf *conf;
	struct overlay_standing *side; /* loaded */
	bool json;
};
int overlay_tool_show(const struct overlay_shown *s, struct cni_error *err);
