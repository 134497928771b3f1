/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "conf.h"

/* What was programmed last for a network, as text; stamp.h says what for. */
#define OVERLAY_STAMP_PEERS 8
#define OVERLAY_FILE_ID	    160

struct overlay_stamp {
	char digest[OVERLAY_DIGEST]; /* overlay_conf's */
	char file[OVERLAY_FILE_ID];  /* which nodesFile was read; "" without, "busy": none to be
					trusted */
	struct overlay overlay;	     /* with nodes, self first, and device names; owned below */
	char device4[IFNAME_MAX], device6[IFNAME_MAX];
	struct overlay_nodes nodes; /* self and at most OVERLAY_STAMP_PEERS peers */
};

void overlay_stamp_free(struct overlay_stamp *s);

#define scoped_overlay_stamp SCOPED(overlay_stamp_free)

/* Text and back. False: no stamp, a damaged one, or one of another version. */
char *overlay_stamp_encode(const struct overlay_conf *conf, const struct overlay *o,
			   const char *file);
bool overlay_stamp_decode(const char *text, size_t len, struct overlay_stamp *ret);
