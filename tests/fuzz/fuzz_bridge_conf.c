/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plugins/bridge/conf.h"

#include "fuzz.h"

/* Any document is either a configuration, or an error that names a key. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bridge_conf conf = { 0 };
	struct cni_error err = { 0 };
	struct cni_args args;
	json_t *doc = NULL;

	if (!fuzz_load(data, size, &doc, &args))
		return 0;
	if (bridge_conf_parse(&args, &conf, &err) < 0)
		fuzz_conf_error(&err);
	else
		bridge_conf_free(&conf);
	json_decref(doc);
	return 0;
}
