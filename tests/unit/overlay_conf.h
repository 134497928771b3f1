/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* Configurations of overlay, for its tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../../plugins/overlay/conf.h"
#include "../../plugins/overlay/conf_stamp.h"
#include "base/text.h"
#include "conf/jconf.h"

#define N1 "{'name':'n1','publicIP':'192.0.2.1','subnet':'10.244.1.0/24'}"
#define N2 "{'name':'n2','publicIP':'192.0.2.2','subnet':'10.244.2.0/24'}"
#define D1                                                                                         \
	"{'name':'n1','publicIP':'192.0.2.1','subnet':'10.244.1.0/24',"                            \
	"'publicIPv6':'2001:db8::1','subnetV6':'fd00:10:0:1::/64'}"
#define V4    "'network':'10.244.0.0/16'"
#define V6    "'networkV6':'fd00:10::/48'"
#define NODES "'nodes':[" N1 "," N2 "]"

/* JSON with ' for ". */
static inline json_t *document(const char *text)
{
	scoped_free char *copy = strdup(text);
	json_t *doc;

	for (char *c = copy; *c != '\0'; c++)
		*c = *c == '\'' ? '"' : *c;
	doc = json_loads(copy, JSON_DECODE_ANY, NULL);
	assert_non_null(doc);
	return doc;
}
#define LIST4(nodes)  "{" V4 ",'nodes':[" nodes "]}"
#define LIST46(nodes) "{" V4 "," V6 ",'nodes':[" nodes "]}"

struct world {
	json_t *doc;
	struct overlay_conf conf;
	struct overlay_nodes list;
	struct cni_error err;
};

static inline void world_free(struct world *w)
{
	overlay_nodes_free(&w->list);
	overlay_conf_free(&w->conf);
	json_decref(w->doc);
}

#define scoped_world SCOPED(world_free)

static inline int parse(struct world *w, const char *text)
{
	*w = (struct world){ .doc = document(text) };
	return overlay_conf_parse(w->doc, "podnet", &w->conf, &w->err);
}

/* The list too, as a whole. */
static inline int parse_all(struct world *w, const char *text)
{
	if (parse(w, text) < 0 ||
	    overlay_nodes_parse(w->conf.nodes, &w->conf.overlay, &w->list, &w->err) < 0)
		return -1;
	return overlay_nodes_check(&w->list, &w->err);
}

static inline void assert_refused(const char *text, int code, const char *msg)
{
	scoped_world struct world w;

	if (parse_all(&w, text) == 0)
		fail_msg("taken: %s, wanted %s", text, msg);
	assert_string_equal(w.err.msg, msg);
	assert_int_equal(w.err.code, code);
}

static inline void assert_net(const struct ipnet *net, const char *want)
{
	char text[IPNET_TEXT];

	ipnet_print(net, text);
	assert_string_equal(text, want);
}

static inline void assert_ip(const struct ip *ip, const char *want)
{
	char text[IP_TEXT];

	ip_print(ip, text);
	assert_string_equal(text, want);
}

static inline void many_nodes(struct overlay_nodes *list, size_t n)
{
	list->nodes = calloc(n, sizeof(*list->nodes));
	assert_non_null(list->nodes);
	for (size_t i = 0; i < n; i++) {
		const uint8_t public[] = { 172, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i };
		const uint8_t net[] = { 10, (uint8_t)(i >> 10), (uint8_t)(i >> 2),
					(uint8_t)(i << 6) };
		const struct ip subnet = ip_from_bytes(net, 4);
		char name[32];

		(void)text_format(name, sizeof(name), "node%zu", i * 7919 % n);
		list->nodes[i] = (struct overlay_node){ .name = strdup(name),
							.has4 = true,
							.public4 = ip_from_bytes(public, 4),
							.local4 = ip_from_bytes(public, 4),
							.subnet4 = ipnet_make(&subnet, 26) };
	}
	list->n = n;
}
