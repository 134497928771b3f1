/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdint.h>

#include "cni/skel.h"
#include "netns/netns.h"

/*
 * One call from the first variable to the exit status; private to pkg/cni. cni_run() takes it
 * through the stations below in their order, which is the specification's order of checks.
 */
struct cni_gc_index; /* a hash table over args.valid */

struct cni_call {
	const struct cni_plugin *plugin;
	struct cni_args args; /* filled station by station */
	const char *command;  /* CNI_COMMAND as given */
	bool known;	      /* it is one of ours, in args.verb */
	bool version_known;   /* args.version is the configuration's, not a guess */
	bool in_verb;	      /* errors are the plugin's, not the protocol's */
	enum netns_state netns_state;
	int out_fd;
	int64_t start_usec;
	/* what the call owns */
	char *text;
	json_t *doc;
	struct cni_attachment *valid;
	struct cni_gc_index *index;
};

/* The value of a variable, "" if unset: both are the same to a CNI plugin (ENV-02). Of a repeated
 * one the last wins, as for delegates. */
const char *cni_env_get(char *const *env, const char *name);

/* A container ID or network name (ENV-05): [a-zA-Z0-9][a-zA-Z0-9_.-]* */
bool cni_name_valid(const char *s);

/* CNI_* into args: what the verb requires is there and well formed (ENV-01 to ENV-11). */
int cni_call_env(struct cni_call *call, struct cni_error *err);

/* stdin into `text` and `doc`; the keys every configuration shares (IN-01 to IN-20). */
int cni_call_read(struct cni_call *call, int in_fd, struct cni_error *err);

/* args.version; the verb is allowed in it (VER-01 to VER-05). */
int cni_call_version(struct cni_call *call, struct cni_error *err);

/* Look at CNI_NETNS and refuse our own (NS-01); cni_call_require_netns() refuses, later, what
 * ADD and CHECK cannot work with. */
int cni_call_open_netns(struct cni_call *call, struct cni_error *err);
int cni_call_require_netns(struct cni_call *call, struct cni_error *err);

/* args.prev (PRV-02 to PRV-04, DEL-15). */
int cni_call_prev(struct cni_call *call, struct cni_error *err);

/* args.valid and its index (GC-01 to GC-04). */
int cni_call_valid(struct cni_call *call, struct cni_error *err);

/* Seconds are for people: microseconds of the monotonic clock. */
int64_t cni_now_usec(void);

/* ---- answers ---- */

/*
 * All of `text` to the descriptor, PIPE_BUF bytes at a time, so that a reader that stopped reading
 * holds us for `ms` milliseconds and no longer, whether the descriptor blocks or not. CNI_IO, with
 * err->sys ETIMEDOUT when it was too slow. cni_write() has the answer's limit.
 */
int cni_write_within(int fd, const char *text, size_t len, unsigned ms, struct cni_error *err);
int cni_write(int fd, const char *text, size_t len, struct cni_error *err);
int cni_answer_version(struct cni_call *call, struct cni_error *err);
void cni_print_banner(const struct cni_plugin *plugin);
/* The error object on stdout (ERR-01) and a datagram to the journal. */
void cni_report(const struct cni_call *call, const struct cni_error *err);
/* One line for the runtime's log, on stderr; dropped if nobody makes room for it. */
void cni_note(const char *fmt, ...) __attribute__((__format__(__printf__, 1, 2)));
