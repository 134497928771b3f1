/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plugins/portmap/conf.h"

#include "fuzz.h"

static void check_mapping(const struct port_mapping *m)
{
	FUZZ_CHECK(m->host_port != 0 && m->pod_port != 0);
	FUZZ_CHECK(m->protocol == 6 || m->protocol == 17 || m->protocol == 132);
	FUZZ_CHECK(!m->has_host || !ip_is_multicast(&m->host));
}

/* Any document is either a configuration with ports that exist, or an error that names a key. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct portmap_conf conf = { 0 };
	struct cni_error err = { 0 };
	struct cni_args args;
	json_t *doc = NULL;

	if (!fuzz_load(data, size, &doc, &args))
		return 0;
	if (portmap_conf_parse(&args, &conf, &err) < 0) {
		fuzz_conf_error(&err);
	} else {
		FUZZ_CHECK(conf.n <= PORT_MAPPINGS_MAX);
		for (size_t i = 0; i < conf.n; i++)
			check_mapping(&conf.mappings[i]);
	}
	portmap_conf_free(&conf);
	json_decref(doc);
	return 0;
}
