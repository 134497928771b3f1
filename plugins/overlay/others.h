/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "netlink/sock.h"
#include "stamp.h"

/*
 * Two networks with one device, as two lists without a VNI have it, would take each other's entries
 * for stale, ever again. CNI_CONFLICT names the network whose stamp in `dir` tells that a device of
 * `o` is its own, if that device has its address: a stamp alone outlives what it tells of.
 */
int overlay_refuse_others(int dir, struct nl *nl, const char *network, const struct overlay *o,
			  struct cni_error *err);
