/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "netlink/link.h"
#include "netlink/req.h"

int link_add_bridge(struct nl *nl, const struct bridge_spec *spec, struct cni_error *err)
{
	struct nl_req req;

	nl_begin(&req);
	nl_msg(&req, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
	       &(struct ifinfomsg){ .ifi_family = AF_UNSPEC }, sizeof(struct ifinfomsg));
	nl_what(&req, "create bridge %s", spec->name);
	nl_put_str(&req, IFLA_IFNAME, spec->name);
	if (spec->mtu != 0)
		nl_put_u32(&req, IFLA_MTU, spec->mtu);
	if (!mac_is_zero(&spec->mac))
		nl_put(&req, IFLA_ADDRESS, spec->mac.b, sizeof(spec->mac.b));
	nl_nest(&req, IFLA_LINKINFO);
	nl_put_str(&req, IFLA_INFO_KIND, "bridge");
	if (spec->vlan_filtering) {
		nl_nest(&req, IFLA_INFO_DATA);
		nl_put_u8(&req, IFLA_BR_VLAN_FILTERING, 1);
		nl_end(&req);
	}
	nl_end(&req);
	if (nl_call(nl, &req, err) == 0)
		return 0;
	if (spec->vlan_filtering && err->sys == EOPNOTSUPP)
		return cni_wrap(err, "this kernel's bridge has no VLAN filtering "
				     "(CONFIG_BRIDGE_VLAN_FILTERING), which VLANs need");
	return -1;
}
