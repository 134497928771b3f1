/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plugins/bandwidth/conf.h"

#include "fuzz.h"

static void check_shape(const struct tbf *tbf)
{
	if (tbf->rate != 0)
		FUZZ_CHECK(tbf->rate <= UINT64_C(10000000000000000) / 8 && tbf->buffer > 0 &&
			   tbf->limit > 0);
	else
		FUZZ_CHECK(tbf->buffer == 0 && tbf->limit == 0);
}

/* Any document is either two token buckets that the kernel takes, or an error that names a key. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cni_error err = { 0 };
	struct bandwidth_conf conf;
	struct cni_args args;
	json_t *doc = NULL;

	if (!fuzz_load(data, size, &doc, &args))
		return 0;
	if (bandwidth_conf_parse(&args, &conf, &err) < 0) {
		fuzz_conf_error(&err);
	} else {
		check_shape(&conf.ingress);
		check_shape(&conf.egress);
	}
	json_decref(doc);
	return 0;
}
