/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "netlink/sock.h"

/*
 * Let this host forward packets of `family` (AF_INET, AF_INET6). Writes the global switch only if
 * it is off, so a read-only /proc/sys that is preset right will do. Switching IPv6 on makes the
 * kernel forget default routes learnt from router advertisements (k3s#5019): an interface that has
 * one gets accept_ra=2 first.
 */
int forward_enable(struct nl *nl, int family, struct cni_error *err);

/* CHECK: is it on? CNI_CHECK_FAILED names the switch if not. */
int forward_check(struct nl *nl, int family, struct cni_error *err);
