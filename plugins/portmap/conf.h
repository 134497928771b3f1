/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cni/skel.h"
#include "net/ip.h"
#include "nft/conditions.h"

/* One entry of runtimeConfig.portMappings. */
struct port_mapping {
	uint16_t host_port, pod_port;
	uint8_t protocol; /* IPPROTO_TCP, _UDP, _SCTP */
	bool has_host;	  /* hostIP was given; unspecified: any address of its family */
	struct ip host;
};

#define PORT_MAPPINGS_MAX 16384

struct portmap_conf {
	struct port_mapping *mappings; /* owned */
	size_t n;
	bool snat;     /* clients that would not get an answer are masqueraded (default) */
	bool masq_all; /* all clients are */
	struct nft_conditions conditions; /* the arrays are owned, the strings borrowed */
};

/*
 * Read and check everything (plugins.md §3.1); nothing in the kernel is looked at. Options of
 * either backend are accepted with either: both mean the same effect by our means.
 */
int portmap_conf_parse(const struct cni_args *args, struct portmap_conf *ret,
		       struct cni_error *err);
void portmap_conf_free(struct portmap_conf *conf);
