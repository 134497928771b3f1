/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

/* A token bucket, in the kernel's units. */
struct tbf {
	uint64_t rate;	 /* bytes per second */
	uint32_t buffer; /* ticks (of 64 ns) that the full bucket lasts at `rate` */
	uint32_t limit;	 /* bytes that may wait */
};
