/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plugins/overlay/conf_nodes.h"

#include "fuzz.h"

static struct overlay cluster(void)
{
	struct overlay o = { .has4 = true, .has6 = true };

	FUZZ_CHECK(ipnet_parse("10.244.0.0/16", &o.network4));
	FUZZ_CHECK(ipnet_parse("fd00:10::/48", &o.network6));
	return o;
}

/* A node as it is printed is read as the same. */
static void check_encode(const struct overlay_node *node, const struct overlay *o)
{
	json_t *array = json_array();
	struct overlay_nodes list = { .n = 0 };
	struct cni_error err = { 0 };

	FUZZ_CHECK(json_array_append_new(array, overlay_node_encode(node)) == 0);
	FUZZ_CHECK(overlay_nodes_parse(array, o, &list, &err) == 0);
	FUZZ_CHECK(list.n == 1 && strcmp(list.nodes[0].name, node->name) == 0);
	FUZZ_CHECK(ip_equal(&list.nodes[0].public4, &node->public4));
	FUZZ_CHECK(ip_equal(&list.nodes[0].local6, &node->local6));
	FUZZ_CHECK(ipnet_equal(&list.nodes[0].subnet6, &node->subnet6));
	FUZZ_CHECK(list.nodes[0].has_mac4 == node->has_mac4);
	FUZZ_CHECK(!node->has_mac4 || mac_equal(&list.nodes[0].mac4, &node->mac4));
	overlay_nodes_free(&list);
	json_decref(array);
}

/* A file read element by element says what the same text says as one document. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t flags = JSON_ALLOW_NUL;
	const struct overlay o = cluster();
	struct overlay_nodes a = { .n = 0 }, b = { .n = 0 };
	struct cni_error err_a = { 0 }, err_b = { 0 };
	json_t *whole = json_loadb((const char *)data, size, flags, NULL);
	int r = overlay_nodes_read((const char *)data, size, "FILE", &o, &a, &err_a);

	if (r < 0)
		fuzz_conf_error(&err_a);
	if (!json_is_array(whole)) {
		FUZZ_CHECK(r < 0 && a.n == 0);
	} else {
		FUZZ_CHECK(overlay_nodes_parse(whole, &o, &b, &err_b) == r);
		FUZZ_CHECK(a.n == b.n && (r == 0) == (a.n > 0));
		FUZZ_CHECK(r == 0 || strcmp(err_a.msg + strlen("FILE: "), err_b.msg) == 0);
	}
	for (size_t i = 0; i < a.n; i++) {
		FUZZ_CHECK(strcmp(a.nodes[i].name, b.nodes[i].name) == 0);
		check_encode(&a.nodes[i], &o);
	}
	overlay_nodes_free(&a);
	overlay_nodes_free(&b);
	json_decref(whole);
	return 0;
}
