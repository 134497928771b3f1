/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "netlink/pod.h"

/* Is ips[i] one of this interface's? */
bool pod_has_ip(const struct pod_config *conf, size_t i);
