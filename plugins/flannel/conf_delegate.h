/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "cni/skel.h"
#include "env.h"

/* A delegate's configuration: what ADD makes, what a state file holds, what the delegate reads. */
struct delegate_conf {
	json_t *doc;	     /* owned */
	char *text;	     /* owned: the document as it goes to the delegate */
	size_t len;	     /* bytes of text */
	const char *type;    /* the program; borrowed from doc */
	const char *network; /* or NULL; borrowed from doc */
};

#define DELEGATE_CONF_MAX ((size_t)2 * CNI_STDIN_MAX)

void delegate_conf_free(struct delegate_conf *d);

/* Make it of our configuration, which flannel_conf_parse() has passed, and the daemon's file
 * (overlay.md §4.2 rules 4 to 11), as the reference does, key for key. */
int delegate_conf_build(const struct cni_args *args, const struct subnet_env *env,
			struct delegate_conf *ret, struct cni_error *err);

/* Read what was kept; `text` then is these very bytes. CNI_DECODE or CNI_INVALID_CONFIG when they
 * are no configuration of a delegate. */
int delegate_conf_decode(const char *text, size_t len, struct delegate_conf *ret,
			 struct cni_error *err);

/* Add what the verb brought and no file holds: CHECK's prevResult, GC's attachments. */
int delegate_conf_complete(const struct cni_args *args, struct delegate_conf *d,
			   struct cni_error *err);

/* CHECK: is what came from the daemon's file still the same? CNI_CHECK_FAILED names what is not. */
int delegate_conf_compare(const struct delegate_conf *kept, const struct delegate_conf *wanted,
			  struct cni_error *err);
