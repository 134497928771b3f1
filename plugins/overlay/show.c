/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/grow.h"
#include "base/text.h"
#include "conf_view.h"
#include "tool.h"

/* ---- what there is, collected */

struct found {
	char **lines; /* owned, with their text */
	size_t n_lines, cap_lines;
	struct overlay_view_node *nodes; /* owned */
	size_t n_nodes, cap_nodes;
	bool lost; /* no memory */
	struct overlay_device dev[2];
	struct nft_overlay_strangers strangers;
};

static void found_free(struct found *f)
{
	for (size_t i = 0; i < f->n_lines; i++)
		free(f->lines[i]);
	free(f->lines);
	free(f->nodes);
}

static void keep_line(void *arg, const char *text)
{
	struct found *f = arg;
	struct cni_error ignored;
	char *copy = strdup(text);

	if (copy == NULL ||
	    grow(&f->lines, f->n_lines, &f->cap_lines, sizeof(*f->lines), &ignored) < 0) {
		free(copy);
		f->lost = true;
		return;
	}
	f->lines[f->n_lines++] = copy;
}

static const char *reach_text(enum overlay_reach reach)
{
	switch (reach) {
	case OVERLAY_SELF:
		return "self";
	case OVERLAY_TUNNEL:
		return "tunnel";
	case OVERLAY_DIRECT:
		return "direct";
	case OVERLAY_UNREACHABLE:
		return "unreachable";
	}
	return "";
}

static void keep_peer(void *arg, const struct overlay_peer *peer)
{
	struct found *f = arg;
	struct cni_error ignored;

	if (grow(&f->nodes, f->n_nodes, &f->cap_nodes, sizeof(*f->nodes), &ignored) < 0) {
		f->lost = true;
		return;
	}
	f->nodes[f->n_nodes++] =
	    (struct overlay_view_node){ .node = peer->node,
					.version = peer->family == AF_INET ? 4 : 6,
					.reached = reach_text(peer->reach),
					.stands = peer->stands };
}

static int look(const struct overlay_shown *s, struct found *f, struct cni_error *err)
{
	struct overlay_standing *side = s->side;
	struct cni_error refusal;
	char text[sizeof("apply is refused: ") + sizeof(refusal.msg)];

	if (overlay_show(&side->nl, &side->overlay, f->dev, keep_peer, f, err) < 0 ||
	    overlay_standing_differ(s->conf, side, keep_line, f, &f->strangers, err) < 0)
		return -1;
	if (overlay_standing_refused(s->conf, side, &refusal) < 0) {
		(void)text_format(text, sizeof(text), "apply is refused: %s", refusal.msg);
		keep_line(f, text);
	}
	return f->lost ? cni_fail(err, CNI_INTERNAL, "out of memory") : 0;
}

static void add_device(struct overlay_view *v, const struct overlay_device *d)
{
	const struct link_counters *c = &d->counters;

	if (d->name == NULL)
		return;
	v->devices[v->n_devices++] = (struct overlay_view_device){
		.name = d->name,
		.exists = d->exists,
		.up = d->up,
		.mtu = d->mtu,
		.mac = d->mac,
		.received = { c->rx_packets, c->rx_bytes, c->rx_errors, c->rx_dropped },
		.sent = { c->tx_packets, c->tx_bytes, c->tx_errors, c->tx_dropped },
	};
}

/* ---- for people */

static void print_head(const struct overlay_view *v)
{
	const struct overlay *o = v->overlay;
	char net4[IPNET_TEXT], net6[IPNET_TEXT];

	ipnet_print(&o->network4, net4);
	ipnet_print(&o->network6, net6);
	(void)printf("network   %s: %s%s%s, %s", v->conf->network, o->has4 ? net4 : "",
		     o->has4 && o->has6 ? " and " : "", o->has6 ? net6 : "",
		     overlay_backend_names[o->backend]);
	if (o->backend == OVERLAY_VXLAN)
		(void)printf(", VNI %" PRIu32 ", port %u", o->vni, o->port);
	(void)printf("%s\nread      %s", o->direct_routing ? ", direct routing" : "", v->file);
	if (v->conf->nodes_file != NULL)
		(void)printf(", nodes from %s", v->conf->nodes_file);
	(void)printf("\nnode      %s, one of %zu\n", o->nodes[o->self].name, o->n);
}

static void print_counters(const char *what, const struct overlay_view_counters *c)
{
	(void)printf("          %-8s %" PRIu64 " packets, %" PRIu64 " bytes, %" PRIu64
		     " errors, %" PRIu64 " dropped\n",
		     what, c->packets, c->bytes, c->errors, c->dropped);
}

static void print_device(const struct overlay_view_device *d)
{
	char mac[MAC_TEXT];

	if (!d->exists) {
		(void)printf("device    %s: missing\n", d->name);
		return;
	}
	mac_print(&d->mac, mac);
	(void)printf("device    %s: %s, mtu %" PRIu32 "%s%s\n", d->name, d->up ? "up" : "down",
		     d->mtu, mac_is_zero(&d->mac) ? "" : ", ", mac_is_zero(&d->mac) ? "" : mac);
	print_counters("received", &d->received);
	print_counters("sent", &d->sent);
}

static void print_node(const struct overlay_view_node *n)
{
	char public[IP_TEXT], subnet[IPNET_TEXT];

	overlay_view_addresses(n, public, subnet);
	(void)printf("          %s %s at %s: %s%s\n", n->node->name, subnet, public, n->reached,
		     n->stands ? "" : ", does not stand");
}

static void print_text(const struct overlay_view *v)
{
	print_head(v);
	for (size_t i = 0; i < v->n_devices; i++)
		print_device(&v->devices[i]);
	if (v->overlay->backend == OVERLAY_VXLAN)
		(void)printf("strangers %" PRIu64 " packets, %" PRIu64 " bytes, %s\n",
			     v->stranger_packets, v->stranger_bytes,
			     v->conf->drop_strangers ? "dropped" : "let in");
	(void)printf("nodes\n");
	for (size_t i = 0; i < v->n_nodes; i++)
		print_node(&v->nodes[i]);
	(void)printf("differs   %s\n", v->n_differences == 0 ? "nothing" : "");
	for (size_t i = 0; i < v->n_differences; i++)
		(void)printf("          %s\n", v->differences[i]);
}

/* ---- entry */

int overlay_tool_show(const struct overlay_shown *s, struct cni_error *err)
{
	SCOPED(found_free) struct found f = { .lost = false };
	scoped_free char *json = NULL;
	struct overlay_view v = { .file = s->file, .conf = s->conf, .overlay = &s->side->overlay };

	if (look(s, &f, err) < 0)
		return -1;
	add_device(&v, &f.dev[0]);
	add_device(&v, &f.dev[1]);
	v.nodes = f.nodes;
	v.n_nodes = f.n_nodes;
	v.differences = f.lines;
	v.n_differences = f.n_lines;
	v.stranger_packets = f.strangers.packets;
	v.stranger_bytes = f.strangers.bytes;
	if (!s->json) {
		print_text(&v);
		return 0;
	}
	if (overlay_view_json(&v, &json, err) < 0)
		return -1;
	(void)puts(json);
	return 0;
}
