/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plugins/firewall/conf.h"

#include "fuzz.h"
#include "net/fwnames.h"

/* Any document is either a configuration whose names can stand in a rule and a record, or an error
 * that names a key. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct firewall_conf conf;
	struct cni_error err = { 0 };
	struct cni_args args;
	json_t *doc = NULL;

	if (!fuzz_load(data, size, &doc, &args))
		return 0;
	FUZZ_CHECK(zone_name_valid(firewall_conf_zone(&args)));
	(void)firewall_conf_asks_firewalld(&args);
	if (firewall_conf_parse(&args, &conf, &err) < 0) {
		fuzz_conf_error(&err);
	} else {
		FUZZ_CHECK(zone_name_valid(conf.zone) && conf.mark_bit <= 31);
		FUZZ_CHECK(conf.admin[0] != '\0' && conf.admin[0] != '-');
		FUZZ_CHECK(ipt_chain_valid(conf.admin));
		FUZZ_CHECK(strpbrk(conf.admin, " \t\n\"") == NULL);
	}
	json_decref(doc);
	return 0;
}
