/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overlay_world.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "answer.h"
#include "base/scoped.h"
#include "base/text.h"

struct ipnet net_of(const char *text)
{
	struct ipnet ret;

	assert_true(ipnet_parse(text, &ret));
	return ret;
}

struct ip ip_of(const char *text)
{
	struct ip ret;

	assert_true(ip_parse(text, &ret));
	return ret;
}

/* Node i of the 10.244.0.0/16 and fd44::/48 that most tests use. */
static void set_node(struct cluster *c, size_t i)
{
	struct overlay_node *n = &c->nodes[i];
	char text[64];

	assert_true(text_format(c->names[i], sizeof(c->names[i]), "n%zu", i + 1));
	*n = (struct overlay_node){ .name = c->names[i], .has4 = true, .has6 = true };
	assert_true(text_format(text, sizeof(text), "192.168.50.%zu", i + 1));
	n->public4 = n->local4 = ip_of(text);
	assert_true(text_format(text, sizeof(text), "fd50::%zu", i + 1));
	n->public6 = n->local6 = ip_of(text);
	assert_true(text_format(text, sizeof(text), "10.244.%zu.0/24", i + 1));
	n->subnet4 = net_of(text);
	assert_true(text_format(text, sizeof(text), "fd44:0:0:%zu::/64", i + 1));
	n->subnet6 = net_of(text);
}

/* `underlay` is up with our addresses, MTU 1500; its other end is in the pod's namespace. */
void cluster_begin(struct cluster *c, struct sandbox *s, size_t n)
{
	struct cni_error err;

	*c = (struct cluster){ .s = s };
	sandbox_host_ok(s, "ip link add under type veth peer name far && "
			   "ip link set under addrgenmode none; ip link set far addrgenmode none; "
			   "ip addr add 192.168.50.1/24 dev under; "
			   "ip addr add fd50::1/64 dev under nodad; "
			   "ip link set far up; ip link set under up");
	assert_ok(nl_open(&c->nl, &err), &err);
	for (size_t i = 0; i < n; i++)
		set_node(c, i);
	c->o = (struct overlay){
		.backend = OVERLAY_VXLAN,
		.has4 = true,
		.network4 = net_of("10.244.0.0/16"),
		.network6 = net_of("fd44::/48"),
		.device4 = "flannel.1",
		.device6 = "flannel-v6.1",
		.vni = 1,
		.port = 8472,
		.nodes = c->nodes,
		.n = n,
	};
}

void cluster_end(struct cluster *c)
{
	nl_close(&c->nl);
}

size_t cluster_apply(struct cluster *c)
{
	struct cni_error err;

	assert_ok(overlay_apply(&c->nl, &c->o, &c->report, &err), &err);
	return c->report.added + c->report.changed + c->report.removed;
}

static void add_line(void *arg, const char *text)
{
	struct cluster *c = arg;
	size_t used = strlen(c->lines);

	(void)text_format(c->lines + used, sizeof(c->lines) - used, "%s\n", text);
}

const char *cluster_differ(struct cluster *c)
{
	struct cni_error err;

	c->lines[0] = '\0';
	assert_ok(overlay_differ(&c->nl, &c->o, add_line, c, &err), &err);
	return c->lines;
}

bool cluster_probe(struct cluster *c)
{
	struct overlay_report report;
	struct cni_error err;
	bool stands = false;

	assert_ok(overlay_probe(&c->nl, &c->o, &stands, &report, &err), &err);
	return stands;
}

/* What another program sees of the overlay; compared before and after. The caller frees it. */
char *cluster_seen(struct cluster *c)
{
	char *text = strdup(sandbox_host_ok(
	    c->s, "for d in flannel.1 flannel-v6.1; do ip -o -d link show $d 2>/dev/null | "
		  "sed 's/^[0-9]*: //;s/ numtxqueues.*//'; ip -o addr show dev $d scope global "
		  "2>/dev/null | "
		  "sed 's/^[0-9]*: //'; ip neigh show dev $d nud permanent 2>/dev/null | sort; "
		  "bridge fdb show dev $d 2>/dev/null | sort; done; ip route | sort; "
		  "ip -6 route | grep fd44 | sort; ip nexthop | sort"));

	assert_non_null(text);
	return text;
}
