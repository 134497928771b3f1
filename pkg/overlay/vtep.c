/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sys/socket.h>

#include "base/scoped.h"
#include "base/text.h"
#include "overlay/overlay.h"

/* Never changes: nodes of different versions must agree. */
struct mac overlay_vtep_mac(const struct overlay *o, const struct overlay_node *node, int family)
{
	const bool four = family == AF_INET;
	char vni[16], address[IP_TEXT], subnet[IPNET_TEXT];
	const char *strings[] = { "podwire vtep", four ? "4" : "6", vni, address, subnet };

	if (four ? node->has_mac4 : node->has_mac6)
		return four ? node->mac4 : node->mac6;
	(void)text_format(vni, sizeof(vni), "%u", o->vni);
	ip_print(four ? &node->public4 : &node->public6, address);
	ipnet_print(four ? &node->subnet4 : &node->subnet6, subnet);
	return mac_from_hash(text_hash(strings, ARRAY_SIZE(strings)));
}
