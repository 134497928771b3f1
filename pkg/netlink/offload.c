/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netlink/offload.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/scoped.h"
#include "base/text.h"

static int ask(const char *name, struct ethtool_value *value, struct cni_error *err)
{
	scoped_fd int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_data = (void *)value };

	if (!text_format(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name))
		return cni_fail_sys(err, ENODEV, "transmit checksums of %s", name);
	if (fd < 0 || ioctl(fd, SIOCETHTOOL, &ifr) < 0)
		return cni_fail_sys(err, errno, "%s transmit checksums of %s",
				    value->cmd == ETHTOOL_GTXCSUM ? "read" : "change", name);
	return 0;
}

int offload_tx_checksum(const char *name, bool *ret, struct cni_error *err)
{
	struct ethtool_value value = { .cmd = ETHTOOL_GTXCSUM };

	if (ask(name, &value, err) < 0)
		return -1;
	*ret = value.data != 0;
	return 0;
}

int offload_set_tx_checksum(struct nl *nl, const char *name, bool on, struct cni_error *err)
{
	struct ethtool_value value = { .cmd = ETHTOOL_STXCSUM, .data = on };

	if (nl_fault(nl, "change transmit checksums", err) < 0)
		return -1;
	return ask(name, &value, err);
}
