/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/ipnet.h"

struct cni_error;

#define SUBNET_ENV_MAX	    65535 /* bytes of the file */
#define SUBNET_ENV_NETWORKS 256	  /* of each IP version */

struct subnet_family {
	struct ipnet networks[SUBNET_ENV_NETWORKS]; /* masked, no two alike, in the file's order */
	size_t n_networks;
	bool has_subnet;
	struct ipnet subnet; /* the node's, masked */
};

/* What the flannel daemon decided for this node. */
struct subnet_env {
	struct subnet_family v4, v6; /* at least one network and one subnet among them */
	bool has_mtu, has_masq;	     /* both true after parsing */
	uint32_t mtu;
	bool masq; /* the daemon masquerades: we need not */
};

/*
 * Read the daemon's file (overlay.md §1.4, §4.3); `file` names it in errors, `text`
 * (NUL-terminated, `len` bytes) is cut up. Unknown keys, empty lines and comments are skipped, the
 * last of a repeated key counts, lines may end in CR LF. A wrong value is CNI_DECODE with file and
 * line; a file in which something is missing may be half written: CNI_TRY_AGAIN "FILE is missing
 * FLANNEL_MTU".
 */
int subnet_env_parse(char *text, size_t len, const char *file, struct subnet_env *ret,
		     struct cni_error *err);

/*
 * The same for a file on disk: "failed to load flannel 'subnet.env' file: CAUSE. Check the flannel
 * pod log for this node." As long as there is none: CNI_TRY_AGAIN and err->sys ENOENT.
 */
int subnet_env_load(const char *file, struct subnet_env *ret, struct cni_error *err);
