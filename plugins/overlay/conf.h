/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "base/jpath.h"
#include "cni/delegate_conf.h"
#include "conf_nodes.h"
#include "net/overlay.h"

#define OVERLAY_NAME_MAX    200	 /* bytes of a network's name: it names our files and table */
#define OVERLAY_NONMASQ_MAX 1024 /* nonMasqueradeCIDRs */

#define OVERLAY_DIGEST 13 /* 12 base32 characters and NUL */

#define OVERLAY_BACKENDS 3
extern const char *const overlay_backend_names[OVERLAY_BACKENDS]; /* by enum overlay_backend */
/* For a J_CUSTOM field of that type: one of the names. */
int overlay_parse_backend(const json_t *value, const struct jpath *at, void *member,
			  struct cni_error *err);

struct overlay_conf {
	const char *network; /* the list's name */
	/* Without nodes and self; the device names are ours. */
	struct overlay overlay;
	char device4[IFNAME_MAX], device6[IFNAME_MAX];
	bool masq;	     /* pods to outside are masqueraded */
	bool drop_strangers; /* VXLAN only from nodes */
	bool forward;	     /* pods' packets may pass iptables' FORWARD */
	uint32_t mark_bit;   /* by this bit of their mark */
	struct ipnet *non_masq;
	size_t n_non_masq;
	const json_t *nodes;	     /* the list, or NULL: it is in nodes_file */
	const char *nodes_file;	     /* absolute, or NULL */
	const char *node;	     /* which entry is ours, or NULL: it is looked for */
	char digest[OVERLAY_DIGEST]; /* of all keys above, nodes too */
	bool bridge;		     /* the delegate is our bridge plugin's kind */
	const char *bridge_name;
	bool force_address; /* the bridge's address may be changed */
	json_t *doc;	    /* owned, if it came out of a file */
};

/*
 * Read and check all of the configuration but the nodes, which conf_nodes.h reads; no file, no
 * kernel. Strings are borrowed from `doc`. *ret is to be freed even on failure, must not be copied
 * (it points into itself), and need not be initialised.
 */
int overlay_conf_parse(const json_t *doc, const char *network, struct overlay_conf *ret,
		       struct cni_error *err);

/* The same for the entry of type overlay in the text of a .conflist or .conf, which `what` names;
 * the document is kept as long as *ret is. */
int overlay_conf_read(const char *text, size_t len, const char *what, struct overlay_conf *ret,
		      struct cni_error *err);

void overlay_conf_free(struct overlay_conf *conf);

#define scoped_overlay_conf SCOPED(overlay_conf_free)

/*
 * For DEL and GC: the delegate's configuration without the nodes, of what can be read of ours; its
 * ranges are the networks.
 */
int overlay_conf_salvage(const struct cni_args *args, struct delegate_conf *ret,
			 struct cni_error *err);
