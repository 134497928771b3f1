/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plugins/bandwidth/conf.h"

#include "conf/jconf.h"
#include "fuzz.h"
#include "plugins/bandwidth/shape.h"

/* What the kernel is given is never more than was asked for, and a refusal names what will do. */
static void check_rate(const struct bandwidth_rate *r)
{
	struct bandwidth_rate again = *r;
	uint64_t least = 0;
	struct tbf tbf;

	FUZZ_CHECK((r->rate == 0) == (r->burst == 0));
	if (r->rate == 0)
		return;
	FUZZ_CHECK(r->rate >= 8 && r->burst >= 8 && r->burst / 8 < UINT32_MAX);
	if (bandwidth_tbf(r, 15.625, &tbf, &least)) {
		FUZZ_CHECK(tbf.rate == r->rate / 8 && tbf.buffer > 0);
		FUZZ_CHECK(tbf.limit >= r->burst / 8);
		return;
	}
	FUZZ_CHECK(least > r->burst && least / 8 < UINT32_MAX);
	again.burst = least;
	FUZZ_CHECK(bandwidth_tbf(&again, 15.625, &tbf, &least));
}

/* Any document is either two rates that are whole, or an error that names a key. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cni_error err = { 0 };
	struct bandwidth_conf conf;
	struct cni_args args;
	json_t *doc = NULL;

	if (jconf_load((const char *)data, size, "the input", &doc, &err) < 0)
		return 0;
	args = fuzz_call(doc);
	if (bandwidth_conf_parse(&args, &conf, &err) < 0) {
		fuzz_error(&err);
		FUZZ_CHECK(err.code == CNI_DECODE || err.code == CNI_INVALID_CONFIG);
	} else {
		check_rate(&conf.ingress);
		check_rate(&conf.egress);
	}
	json_decref(doc);
	return 0;
}
