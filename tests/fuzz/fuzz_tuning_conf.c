/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plugins/tuning/conf.h"

#include "fuzz.h"

/* Any document is either a configuration whose switches lie below /proc/sys/net, or an error that
 * names a key; what has no name twice, as the decoder says, is never blamed for it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char twice[] = "stands there twice";
	struct tuning_conf conf = { 0 };
	struct cni_error err = { 0 };
	struct cni_args args;
	json_t *doc = NULL, *strict;

	if (!fuzz_load(data, size, &doc, &args))
		return 0;
	strict = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
	if (tuning_conf_parse(&args, &conf, &err) < 0) {
		fuzz_conf_error(&err);
		FUZZ_CHECK(strict == NULL || strstr(err.msg, twice) == NULL ||
			   memmem(data, size, twice, strlen(twice)) !=
			       NULL); /* a key that is told */
	} else {
		FUZZ_CHECK(conf.n_sysctls <= TUNING_SYSCTLS_MAX && conf.data_dir[0] == '/');
		for (size_t i = 0; i < conf.n_sysctls; i++)
			FUZZ_CHECK(tuning_path_valid(conf.sysctls[i].path));
		FUZZ_CHECK(!conf.link.has_mtu || conf.link.mtu >= 68);
		FUZZ_CHECK(!conf.link.has_mac || !mac_is_multicast(&conf.link.mac));
	}
	FUZZ_CHECK(tuning_conf_data_dir(&args)[0] == '/');
	tuning_conf_free(&conf);
	json_decref(strict);
	json_decref(doc);
	return 0;
}
