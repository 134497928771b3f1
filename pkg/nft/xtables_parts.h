/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

#include "nft/xtables.h"

/* What xtables.c and xtables_legacy.c share. */

#define XTABLES_ADMIN_COMMENT "CNI firewall plugin admin overrides"
#define XTABLES_MARK_COMMENT  "podwire: pods may forward"
#define XTABLES_GO_CHAIN      "CNI-FORWARD" /* of the reference's rules */

enum xtables_kind { XTABLES_NONE, XTABLES_NFT, XTABLES_LEGACY };

/* What `iptables` (or `ip6tables`) of this host is, by the file that its name leads to. */
enum xtables_kind xtables_installed(bool four);

/* Is the legacy filter table in use in this network namespace? */
bool xtables_legacy_used(bool four);

/* The same as xtables_forward_*() for one family of the legacy kind, by running the program. */
int xtables_legacy_ensure(const struct xtables_forward *want, bool four, struct cni_error *err);
int xtables_legacy_check(const struct xtables_forward *want, bool four, struct cni_error *err);
int xtables_legacy_release(const struct ipnet *pod, struct cni_error *err);
