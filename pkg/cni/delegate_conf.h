/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "cni/skel.h"

/*
 * The configuration of a program that works in our name with a configuration of its own: that of
 * flannel's and overlay's delegates (overlay.md §4.2), made of ours and of what a node was given.
 */
struct delegate_conf {
	json_t *doc;	     /* owned */
	char *text;	     /* owned: the document as it goes to the delegate */
	size_t len;	     /* bytes of text */
	const char *type;    /* the program; borrowed from doc */
	const char *network; /* or NULL; borrowed from doc */
};

#define DELEGATE_CONF_MAX ((size_t)2 * CNI_STDIN_MAX)

void delegate_conf_free(struct delegate_conf *d);

struct delegate_family {
	const struct ipnet *networks; /* a route to each; masked */
	size_t n_networks;
	bool has_subnet;
	struct ipnet subnet; /* what the IPAM gives addresses of; masked */
};

/* What the node gives; each key but the addresses is a default that "delegate" may overrule. */
struct delegate_wants {
	struct delegate_family v4, v6;
	bool has_mtu;
	uint32_t mtu;
	bool masq; /* the delegate is to masquerade */
};

/* The rules for "delegate" (rule 3): type a string, name and ipam absent. `who` is the plugin. */
int delegate_conf_check(const json_t *conf, const char *who, struct cni_error *err);

/* Make it of our configuration ("delegate", "ipam", "runtimeConfig" are objects, "delegate" has
 * passed delegate_conf_check()) by rules 4 to 11, as the reference does, key for key. */
int delegate_conf_build(const struct cni_args *args, const struct delegate_wants *w,
			struct delegate_conf *ret, struct cni_error *err);

/* Read what was kept; `text` then is these very bytes. CNI_DECODE or CNI_INVALID_CONFIG when they
 * are no configuration of a delegate. */
int delegate_conf_decode(const char *text, size_t len, struct delegate_conf *ret,
			 struct cni_error *err);

/* Add what the verb brought and no file holds: CHECK's prevResult, GC's attachments. */
int delegate_conf_complete(const struct cni_args *args, struct delegate_conf *d,
			   struct cni_error *err);

/* Our call with the delegate's configuration in place of ours. */
struct cni_args delegate_conf_call(const struct cni_args *args, const struct delegate_conf *d);
