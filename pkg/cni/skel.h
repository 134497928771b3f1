/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "cni/result.h"
#include "cni/version.h"
#include "net/ifname.h"

/* The protocol around a plugin: environment, stdin, verbs, errors, exit code. One call does it all.
 */

enum cni_verb { CNI_ADD, CNI_DEL, CNI_CHECK, CNI_GC, CNI_STATUS, CNI_VERSION, CNI_N_VERBS };

const char *cni_verb_text(enum cni_verb verb); /* "ADD" … */

/* An attachment that the runtime says is alive (GC's cni.dev/valid-attachments). */
struct cni_attachment {
	const char *container;
	const char *ifname;
};

#define CNI_GC_MAX    65536 /* attachments in GC's list */
#define CNI_STDIN_MAX (16u << 20)

/*
 * One call, checked: everything here passed the specification's rules. Strings are borrowed from
 * the environment and the document and live until the verb returns. Which of container, netns and
 * ifname are set depends on the verb (cni-spec.md §1.1); unset is "" (never NULL).
 */
struct cni_args {
	enum cni_verb verb;
	const char *container;
	const char *netns;
	const char *ifname;
	const char *cni_args; /* CNI_ARGS, not yet parsed: see cni_args_parse() */
	const char *path;     /* CNI_PATH */
	const char *network;  /* the configuration's name */
	enum cni_version version;
	const char *stdin_text; /* as read, for delegates: byte for byte */
	size_t stdin_len;
	const json_t *conf;    /* the whole document: only conf.c files look into it */
	const char *ipam_type; /* ipam.type, or NULL: no IPAM ("ipam" absent or without type) */
	bool has_prev;
	struct cni_result prev; /* prevResult; on DEL an undecodable one counts as none (DEL-15) */
	const struct cni_attachment *valid; /* GC */
	size_t n_valid;
	const struct cni_gc_index *valid_index; /* behind cni_attachment_valid(); NULL: it scans */
	char *const *env;			/* cni_run()'s, for delegates */
	int netns_fd; /* ADD, CHECK: CNI_NETNS, opened and proven a network namespace that is not
			 ours (skel_netns.c); DEL: the same or -1 when it is gone, empty or no
			 namespace: then only host-side things are to be removed. Else -1. Skel
			 closes it. Our own is refused before any verb runs (NS-01, code 8), but
			 with CNI_NETNS_OVERRIDE. */
	int own_netns_fd; /* /proc/self/ns/net where netns_fd is set, else -1 */
};

/* (network, container, ifname) of the call. */
struct owner cni_owner(const struct cni_args *args);

/* GC: is this attachment of our network among the valid ones? Hashed: constant time. `ifname` NULL:
 * is any of the container's? `args` is the call's struct cni_args; a void
 * pointer, so that nft_gc() can be handed the function as it is. */
bool cni_attachment_valid(const void *args, const char *container, const char *ifname);

/*
 * A plugin is this table. A verb returns 0 or -1 with `err` filled. NULL verbs succeed silently
 * (VER-07). `result` is empty on entry; what add() leaves in it is printed in the caller's version;
 * a chained plugin copies args->prev into it. If printing fails, skel calls del() and reports
 * (OUT-07).
 */
struct cni_plugin {
	const char *name;
	enum cni_version oldest; /* oldest version supported; 0 = all */
	bool chained;		 /* ADD and CHECK need prevResult: CNI_INVALID_CONFIG without */
	bool netns_optional; /* do not open or require CNI_NETNS to be a namespace (IPAM plugins) */
	/* Parse the configuration and change nothing; may be NULL. Called only when ADD or CHECK is
	 * about to fail for its netns, so that a wrong configuration is what the user hears first.
	 */
	int (*validate)(const struct cni_args *args, struct cni_error *err);
	int (*add)(const struct cni_args *args, struct cni_result *result, struct cni_error *err);
	int (*del)(const struct cni_args *args, struct cni_error *err);
	int (*check)(const struct cni_args *args, struct cni_error *err);
	int (*gc)(const struct cni_args *args, struct cni_error *err);
	int (*status)(const struct cni_args *args, struct cni_error *err);
	/* The program as a tool of people and units; may be NULL. argv[1] is there. It prints its
	 * answer itself; an error becomes a line on stderr. */
	int (*tool)(int argc, char *const *argv, struct cni_error *err);
};

/*
 * Run one call: `env` is a NULL-terminated environment, stdin is read from `in_fd`, the JSON answer
 * goes to `out_fd` in one write. Returns the exit status, 0 or 1. Prints nothing else; a failing
 * verb also sends one journal datagram. With CNI_COMMAND unset prints the banner ("CNI bridge
 * plugin v1.9.1+podwire.0.1.0" and the protocol versions) to stderr. Ignores SIGPIPE.
 */
int cni_run(const struct cni_plugin *plugin, char *const *env, int in_fd, int out_fd);

/* A program's main(): the plugin's tool() when there are arguments and no CNI_COMMAND, else
 * cni_run(). */
int cni_main(const struct cni_plugin *plugin, int argc, char *const *argv, char *const *env);

/*
 * CNI_ARGS (cni-spec.md ARG-03..06): "K=V;K=V". Looks up `n` known keys and puts values (malloc'd,
 * the caller's; NULL if absent) into `values`. An unknown key without IgnoreUnknown=1/true, a piece
 * without '=': CNI_BAD_ENV.
 */
int cni_args_parse(const char *cni_args, const char *const *keys, char **values, size_t n,
		   struct cni_error *err);
