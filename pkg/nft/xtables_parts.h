/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

#include "net/fwnames.h"
#include "nft/xtables.h"

/* What the files of xtables share. */

#define XTABLES_ADMIN_COMMENT "CNI firewall plugin admin overrides"
#define XTABLES_MARK_COMMENT  "podwire: pods may forward"
#define XTABLES_GO_CHAIN      "CNI-FORWARD" /* of the reference's rules */

/* The two rules that one ADD wants in one family's FORWARD. */
struct xtables_want {
	bool four;
	uint8_t mark_bit;
	bool own_only;
	char admin[IPT_CHAIN_MAX];
};

#define XTABLES_WANTS_MAX 64
struct xtables_wants {
	struct xtables_want w[XTABLES_WANTS_MAX];
	size_t n;
};

/* What the ADDs on this node have asked for up to now, and `asked`; true: some of that is new. */
bool xtables_wants(const struct xtables_forward *asked, struct xtables_wants *ret);

/* Remember `asked`, under the lock. */
int xtables_wants_keep(const struct xtables_forward *asked, struct cni_error *err);

enum xtables_kind { XTABLES_NONE, XTABLES_NFT, XTABLES_LEGACY };

/* What `iptables` (or `ip6tables`) of this host is, by the file that its name leads to. */
enum xtables_kind xtables_installed(bool four);

/* Is this legacy table in use in this network namespace? */
bool xtables_legacy_used(bool four, const char *table);

/* One run of the program, which must be installed (else ENOENT in err->sys). Exit status 1, "no
 * such rule or chain" or "exists", is no error but with `demand`; *ret_done tells. */
struct xtables_call {
	bool four;
	const char *table;  /* for messages */
	const char *suffix; /* "", or "-restore" */
	const char *const *words;
	const char *input;
	char *output;
	size_t output_cap;
	bool demand;
};
int xtables_legacy_run(const struct xtables_call *call, bool *ret_done, struct cni_error *err);

/*
 * The same as xtables_forward_*() for the legacy kind, by running the program; with none installed
 * nothing is done but told to who traces, and CHECK fails.
 */
int xtables_legacy_ensure(const struct xtables_want *want, struct cni_error *err);
int xtables_legacy_check(const struct xtables_want *want, struct cni_error *err);
int xtables_legacy_release(const struct ipnet *pod, struct cni_error *err);
