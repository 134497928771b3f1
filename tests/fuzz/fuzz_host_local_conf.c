/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ipam/host-local/conf.h"

#include "fuzz.h"

/* Any document is either a configuration, or an error that names a key. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct host_local_conf conf = { 0 };
	struct cni_error err = { 0 };
	struct cni_args args;
	json_t *doc = NULL;

	if (!fuzz_load(data, size, &doc, &args))
		return 0;
	if (host_local_conf_parse(&args, &conf, &err) < 0)
		fuzz_conf_error(&err);
	else
		host_local_conf_free(&conf);
	json_decref(doc);
	return 0;
}
