/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf_stamp.h"

#include <string.h>

#include "base/text.h"
#include "conf/jconf.h"

#define STAMP_FORMAT "podwire overlay 1"
#define SUM_TEXT     OVERLAY_DIGEST

void overlay_stamp_free(struct overlay_stamp *s)
{
	overlay_nodes_free(&s->nodes);
}

/* ---- text */

static void make_sum(const char *body, char buf[SUM_TEXT])
{
	text_base32(text_hash(&body, 1), 12, buf);
}

/* Self, and peers from all over the list. */
static bool put_nodes(json_t *array, const struct overlay *o)
{
	size_t peers = o->n - 1, n = peers < OVERLAY_STAMP_PEERS ? peers : OVERLAY_STAMP_PEERS;

	if (json_array_append_new(array, overlay_node_encode(&o->nodes[o->self])) < 0)
		return false;
	for (size_t k = 0; k < n; k++) {
		size_t i = k * peers / n;

		i += i >= o->self;
		if (json_array_append_new(array, overlay_node_encode(&o->nodes[i])) < 0)
			return false;
	}
	return true;
}

static bool put_text(json_t *obj, const char *key, const char *text)
{
	return text == NULL || json_object_set_new(obj, key, json_string(text)) == 0;
}

static bool put_net(json_t *obj, const char *key, bool has, const struct ipnet *net)
{
	char text[IPNET_TEXT];

	if (!has)
		return true;
	ipnet_print(net, text);
	return put_text(obj, key, text);
}

static char *encode_body(const struct overlay_conf *conf, const struct overlay *o, const char *file)
{
	scoped_json json_t *obj = json_object();
	json_t *nodes = json_array();
	if (json_object_set_new(obj, "nodes", nodes) < 0 || !put_nodes(nodes, o) ||
	    !put_text(obj, "digest", conf->digest) || !put_text(obj, "file", file) ||
	    !put_text(obj, "backend", overlay_backend_names[o->backend]) ||
	    !put_text(obj, "device", o->device4) || !put_text(obj, "deviceV6", o->device6) ||
	    !put_net(obj, "network", o->has4, &o->network4) ||
	    !put_net(obj, "networkV6", o->has6, &o->network6) ||
	    json_object_set_new(obj, "vni", json_integer(o->vni)) < 0)
		return NULL;
	return json_dumps(obj, JSON_COMPACT);
}

char *overlay_stamp_encode(const struct overlay_conf *conf, const struct overlay *o,
			   const char *file)
{
	scoped_free char *body = encode_body(conf, o, file);
	char sum[SUM_TEXT], *text;
	size_t size;

	if (body == NULL)
		return NULL;
	make_sum(body, sum);
	size = sizeof(STAMP_FORMAT) + SUM_TEXT + strlen(body) + 2;
	text = malloc(size);
	if (text != NULL)
		(void)text_format(text, size, STAMP_FORMAT " %s\n%s", sum, body);
	return text;
}

/* ---- and back */

struct parsed {
	const char *digest, *file, *device4, *device6;
	struct overlay o;
};

#define AT(member) .offset = offsetof(struct parsed, member)

static const struct jfield fields[] = {
	{ "digest", J_STR, .required = true, AT(digest), .max = OVERLAY_DIGEST - 1 },
	{ "file", J_STR, AT(file), .max = OVERLAY_FILE_ID - 1 },
	{ "backend", J_CUSTOM, .required = true, AT(o.backend), .custom = overlay_parse_backend },
	{ "vni", J_UINT, AT(o.vni), .max = 0xffffff },
	{ "device", J_STR, AT(device4), .max = IFNAME_MAX - 1 },
	{ "deviceV6", J_STR, AT(device6), .max = IFNAME_MAX - 1 },
	{ "network", J_IPNET, AT(o.network4), .has = true,
	  .has_offset = offsetof(struct parsed, o.has4) },
	{ "networkV6", J_IPNET, AT(o.network6), .has = true,
	  .has_offset = offsetof(struct parsed, o.has6) },
};

static void own_names(const struct parsed *p, struct overlay_stamp *s)
{
	s->overlay = p->o;
	(void)text_format(s->digest, sizeof(s->digest), "%s", p->digest);
	(void)text_format(s->file, sizeof(s->file), "%s", p->file != NULL ? p->file : "");
	(void)text_format(s->device4, IFNAME_MAX, "%s", p->device4 != NULL ? p->device4 : "");
	(void)text_format(s->device6, IFNAME_MAX, "%s", p->device6 != NULL ? p->device6 : "");
	s->overlay.device4 = p->device4 != NULL ? s->device4 : NULL;
	s->overlay.device6 = p->device6 != NULL ? s->device6 : NULL;
	s->overlay.nodes = s->nodes.nodes;
	s->overlay.n = s->nodes.n;
}

static bool decode_body(const char *body, size_t len, struct overlay_stamp *ret)
{
	scoped_json json_t *obj = NULL;
	struct parsed p = { .digest = "" };
	struct cni_error err;
	const json_t *nodes;

	if (jconf_load(body, len, "the stamp", &obj, &err) < 0 ||
	    jconf_fill(obj, NULL, fields, ARRAY_SIZE(fields), &p, &err) < 0 ||
	    (!p.o.has4 && !p.o.has6))
		return false;
	nodes = json_object_get(obj, "nodes");
	if (overlay_nodes_parse(nodes, &p.o, &ret->nodes, &err) < 0)
		return false;
	own_names(&p, ret);
	return ret->nodes.n <= OVERLAY_STAMP_PEERS + 1;
}

bool overlay_stamp_decode(const char *text, size_t len, struct overlay_stamp *ret)
{
	const size_t head = sizeof(STAMP_FORMAT) + 12 + 1;
	char first[sizeof(STAMP_FORMAT) + SUM_TEXT + 1], sum[SUM_TEXT];

	*ret = (struct overlay_stamp){ .file = "" };
	if (len < head || strlen(text) != len)
		return false;
	make_sum(text + head, sum);
	(void)text_format(first, sizeof(first), STAMP_FORMAT " %s\n", sum);
	return strncmp(text, first, head) == 0 && decode_body(text + head, len - head, ret);
}
