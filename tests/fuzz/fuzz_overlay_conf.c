/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plugins/overlay/conf.h"

#include "fuzz.h"

/* Whatever is there, a delegate's DEL can be run, with ranges for host-local. */
static void check_salvage(const struct cni_args *args)
{
	struct delegate_conf d = { .len = 0 };
	struct cni_error err = { 0 };
	struct cni_args call = *args;

	call.verb = CNI_DEL;
	if (overlay_conf_salvage(&call, &d, &err) < 0) {
		fuzz_conf_error(&err);
		return;
	}
	FUZZ_CHECK(strcmp(d.network, "net") == 0 && d.type[0] != '\0');
	FUZZ_CHECK(json_array_size(json_object_get(json_object_get(d.doc, "ipam"), "ranges")) > 0);
	delegate_conf_free(&d);
}

static void check_conf(const struct overlay_conf *conf)
{
	const struct overlay *o = &conf->overlay;

	FUZZ_CHECK(o->has4 || o->has6);
	FUZZ_CHECK(!o->has4 || (ip_is4(&o->network4.addr) && !ipnet_is_default(&o->network4)));
	FUZZ_CHECK(!o->has6 || (!ip_is4(&o->network6.addr) && !ipnet_is_default(&o->network6)));
	FUZZ_CHECK(o->vni >= 1 && o->vni <= 0xffffff && o->port >= 1);
	FUZZ_CHECK((o->device4 == NULL) == (o->backend == OVERLAY_HOST_GW));
	FUZZ_CHECK(o->device4 == NULL || ifname_problem(o->device4) == NULL);
	FUZZ_CHECK(o->device6 == NULL || ifname_problem(o->device6) == NULL);
	FUZZ_CHECK((conf->nodes == NULL) == (conf->nodes_file != NULL));
	FUZZ_CHECK(conf->nodes_file == NULL || conf->nodes_file[0] == '/');
	FUZZ_CHECK(strlen(conf->digest) == OVERLAY_DIGEST - 1);
}

/* Nodes that are taken are complete, and no two have anything in common. */
static void check_nodes(const struct overlay_nodes *list, const struct overlay *o)
{
	struct cni_error err = { 0 };

	if (overlay_nodes_check(list, &err) < 0) {
		fuzz_conf_error(&err);
		return;
	}
	for (size_t i = 0; i < list->n; i++) {
		const struct overlay_node *a = &list->nodes[i];

		FUZZ_CHECK(a->has4 == o->has4 && a->has6 == o->has6 && a->name[0] != '\0');
		FUZZ_CHECK(!o->has4 || ipnet_contains(&o->network4, &a->subnet4.addr));
		for (size_t j = 0; j < i; j++) {
			const struct overlay_node *b = &list->nodes[j];

			FUZZ_CHECK(strcmp(a->name, b->name) != 0);
			FUZZ_CHECK(!o->has4 || !ipnet_overlaps(&a->subnet4, &b->subnet4));
			FUZZ_CHECK(!o->has6 || !ip_equal(&a->public6, &b->public6));
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct overlay_nodes list = { .n = 0 };
	struct overlay_conf conf;
	struct cni_args args;
	struct cni_error err = { 0 };
	json_t *doc = NULL;

	if (!fuzz_load(data, size, &doc, &args))
		return 0;
	check_salvage(&args);
	if (overlay_conf_parse(doc, "net", &conf, &err) < 0) {
		fuzz_conf_error(&err);
	} else {
		check_conf(&conf);
		if (conf.nodes == NULL)
			;
		else if (overlay_nodes_parse(conf.nodes, &conf.overlay, &list, &err) < 0)
			fuzz_conf_error(&err);
		else
			check_nodes(&list, &conf.overlay);
	}
	overlay_nodes_free(&list);
	overlay_conf_free(&conf);
	json_decref(doc);
	return 0;
}
