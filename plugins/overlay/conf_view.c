/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf_view.h"

#include "conf/jconf.h"

void overlay_view_addresses(const struct overlay_view_node *n, char public[IP_TEXT],
			    char subnet[IPNET_TEXT])
{
	const bool v4 = n->version == 4;

	ip_print(v4 ? &n->node->public4 : &n->node->public6, public);
	ipnet_print(v4 ? &n->node->subnet4 : &n->node->subnet6, subnet);
}

static json_t *counters_json(const struct overlay_view_counters *c)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "packets", (json_int_t)c->packets, "bytes",
			 (json_int_t)c->bytes, "errors", (json_int_t)c->errors, "dropped",
			 (json_int_t)c->dropped);
}

static json_t *device_json(const struct overlay_view_device *d)
{
	char mac[MAC_TEXT];

	if (!d->exists)
		return json_pack("{s:s, s:b}", "name", d->name, "exists", 0);
	mac_print(&d->mac, mac);
	return json_pack("{s:s, s:b, s:b, s:I, s:s*, s:o, s:o}", "name", d->name, "exists", 1, "up",
			 d->up, "mtu", (json_int_t)d->mtu, "mac", mac_is_zero(&d->mac) ? NULL : mac,
			 "received", counters_json(&d->received), "sent", counters_json(&d->sent));
}

static json_t *node_json(const struct overlay_view_node *n)
{
	char public[IP_TEXT], subnet[IPNET_TEXT];

	overlay_view_addresses(n, public, subnet);
	return json_pack("{s:s, s:i, s:s, s:s, s:s, s:b}", "name", n->node->name, "version",
			 n->version, "public", public, "subnet", subnet, "reached", n->reached,
			 "stands", n->stands);
}

static bool put_lists(json_t *obj, const struct overlay_view *v)
{
	json_t *devices = json_array(), *nodes = json_array(), *differences = json_array();
	bool made = json_object_set_new(obj, "devices", devices) == 0;

	made = json_object_set_new(obj, "nodes", nodes) == 0 && made;
	made = json_object_set_new(obj, "differences", differences) == 0 && made;
	for (size_t i = 0; i < v->n_devices && made; i++)
		made = json_array_append_new(devices, device_json(&v->devices[i])) == 0;
	for (size_t i = 0; i < v->n_nodes && made; i++)
		made = json_array_append_new(nodes, node_json(&v->nodes[i])) == 0;
	for (size_t i = 0; i < v->n_differences && made; i++)
		made = json_array_append_new(differences, json_string(v->differences[i])) == 0;
	return made;
}

int overlay_view_json(const struct overlay_view *v, char **ret, struct cni_error *err)
{
	const struct overlay *o = v->overlay;
	scoped_json json_t *obj =
	    json_pack("{s:s, s:s, s:s*, s:s, s:s, s:{s:I, s:I, s:b}}", "network", v->conf->network,
		      "file", v->file, "nodesFile", v->conf->nodes_file, "node",
		      o->nodes[o->self].name, "backend", overlay_backend_names[o->backend],
		      "strangers", "packets", (json_int_t)v->stranger_packets, "bytes",
		      (json_int_t)v->stranger_bytes, "dropped", v->conf->drop_strangers);

	*ret = obj != NULL && put_lists(obj, v) ? json_dumps(obj, JSON_INDENT(2)) : NULL;
	return *ret != NULL ? 0 : cni_fail(err, CNI_INTERNAL, "no memory for the answer");
}
