/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

#include "netlink/sock.h"

/* Does link `name`, in the namespace of the caller, leave checksums of what it sends to the link
 * below (ethtool's tx-checksumming)? The change counts as one call for fail_after. */
int offload_tx_checksum(const char *name, bool *ret, struct cni_error *err);
int offload_set_tx_checksum(struct nl *nl, const char *name, bool on, struct cni_error *err);
