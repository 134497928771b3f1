/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "shape.h"

#include "base/scoped.h"
#include "net/hashname.h"

#define LATENCY_US 25000.0
#define US	   1000000.0

static uint32_t saturated(double value)
{
	return value >= (double)UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

bool bandwidth_tbf(const struct bandwidth_rate *want, double ticks_per_us, struct tbf *ret,
		   uint64_t *ret_least)
{
	/* Whole bytes, as the reference counts. */
	const uint64_t rate_bytes = want->rate / 8, burst_bytes = want->burst / 8;
	const double rate = (double)rate_bytes, burst = (double)burst_bytes;
	const double us = (double)saturated(burst * US / rate);
	const struct tbf tbf = { .rate = rate_bytes,
				 .buffer = saturated(us * ticks_per_us),
				 .limit =
				     saturated((double)saturated(rate * LATENCY_US / US) + burst) };

	/* The kernel goes back from ticks to bytes, and takes no bucket below one byte. The two
	 * roundings on the way lose less than two microseconds. */
	if ((double)tbf.buffer / ticks_per_us * rate / US < 1) {
		*ret_least = 8 * ((uint64_t)(2 * rate / US) + 2);
		return false;
	}
	*ret = tbf;
	return true;
}

void bandwidth_names(const struct owner *owner, struct bandwidth_names *ret)
{
	const char *const both[] = { owner->network, owner->container };
	const char *const all[] = { owner->network, "/", owner->container, "/", owner->ifname };

	hashname("bwp", both, ARRAY_SIZE(both), IFNAME_MAX - 1, ret->text[0]);
	hashname("bwp", all, ARRAY_SIZE(all), IFNAME_MAX - 1, ret->text[1]);
	for (size_t i = 0; i < SHAPER_NAMES; i++)
		ret->list[i] = ret->text[i];
}
