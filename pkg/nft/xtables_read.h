/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/fwnames.h"
#include "net/ip.h"
#include "nft/tx.h"
#include "nft/xtables.h"

#define XTABLES_PORTS	15  /* of one match multiport */
#define XTABLES_COMMENT 256 /* bytes, the NUL included */

/*
 * A rule of iptables-nft, as far as we need to understand it. Old programs write every match
 * through nft_compat, newer ones more and more of them as nftables' own expressions: both are read.
 */
struct xtables_rule {
	uint64_t handle;
	bool other; /* it has something that we do not understand */
	bool has_mark;
	uint32_t mark, mask;   /* the packet's mark & mask == mark */
	bool has_from, has_to; /* one source, one destination address */
	struct ip from, to;
	bool answers; /* only RELATED,ESTABLISHED */
	bool accepts;
	char jump[IPT_CHAIN_MAX]; /* the chain it goes to, or "" */
	/* What rules of NAT have besides. It makes a rule `other`: it is not for all packets. */
	char chain[IPT_CHAIN_MAX]; /* where it stands */
	uint8_t protocol;	   /* 0: any */
	uint16_t ports[XTABLES_PORTS];
	size_t n_ports;	 /* destination ports it is about; 0: all, or not understood */
	bool dnat;	 /* it leads elsewhere */
	bool has_target; /* in nftables' own words: to this address */
	struct ip target;
	char comment[XTABLES_COMMENT];
};

struct nftnl_rule;

/* Read one rule; of expressions that are not understood remains `other`. */
void xtables_rule_read(const struct nftnl_rule *rule, bool four, struct xtables_rule *ret);

#define XTABLES_RULES_MAX 65536

/* The rules of chain `chain` in iptables-nft's table filter, in their order; none if there is no
 * such chain. *ret is malloc'd. EINTR in err->sys: ask again. */
int xtables_rules(struct nft_tx *tx, bool four, const char *chain, struct xtables_rule **ret,
		  size_t *ret_n, struct cni_error *err);
