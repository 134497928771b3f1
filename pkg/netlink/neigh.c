/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netlink/neigh.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "netlink/req.h"

int neigh_delete(struct nl *nl, int index, const struct ip *ip, struct cni_error *err)
{
	const struct ndmsg ndm = { .ndm_family = (uint8_t)ip_family(ip), .ndm_ifindex = index };
	char text[IP_TEXT];
	struct nl_req req;

	ip_print(ip, text);
	nl_begin(&req);
	nl_msg(&req, RTM_DELNEIGH, 0, &ndm, sizeof(ndm));
	nl_what(&req, "forget neighbour %s of link number %d", text, index);
	nl_tolerate(&req, ENOENT);
	nl_put_ip(&req, NDA_DST, ip);
	return nl_call(nl, &req, err);
}
