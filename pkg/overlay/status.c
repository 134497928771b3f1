/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netlink/tunnel.h"
#include "overlay/overlay.h"

int overlay_status(struct nl *nl, const struct overlay *o, struct cni_error *err)
{
	const char *kind = o->backend == OVERLAY_IPIP ? "ipip" : "vxlan";
	bool known = false;

	if (o->backend == OVERLAY_HOST_GW)
		return 0;
	if (tunnel_known(nl, kind, &known, err) < 0)
		return -1;
	if (!known)
		return cni_fail(
		    err, CNI_NOT_AVAILABLE,
		    "this kernel has no %s links: load its module %s, or choose another "
		    "backend",
		    kind, kind);
	return 0;
}
