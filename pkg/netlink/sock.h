/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/scoped.h"

struct mnl_socket;
struct nlmsghdr;
struct nl_req;

/*
 * One NETLINK_ROUTE socket, which stays in the namespace it was opened in. Extended ACKs are asked
 * for; the kernel's words end up in err->details. Receives are bounded (NL_TIMEOUT_SECONDS, then
 * CNI_TRY_AGAIN).
 */
struct nl {
	struct mnl_socket *sk; /* NULL: not open */
	uint32_t portid;
	uint32_t seq;
	int *fail_after; /* tests: the call that finds this counter at 0 fails unsent (once: what
			    is undone afterwards works); decremented per call; NULL: off */
};

#define NL_TIMEOUT_SECONDS 10

int nl_open(struct nl *nl, struct cni_error *err); /* in the current namespace */
void nl_close(struct nl *nl);			   /* closed or never opened: nothing happens */
#define scoped_nl SCOPED(nl_close)

/*
 * Send all messages of `req` in one sendmsg and wait until the kernel has dealt with them: one
 * round trip. Only the last message asks for an ACK; errors come unasked and are matched by
 * sequence number. Messages after a failed one still ran: undo by what was sent. -1: the first
 * failure, code CNI_KERNEL, sys, msg from the failed message's nl_what(), details in the kernel's
 * words.
 */
int nl_call(struct nl *nl, struct nl_req *req, struct cni_error *err);

/*
 * A batch without end: nl_room() before each message makes sure that one of NL_ROOM_BYTES fits, and
 * sends what is there when the request is full; nl_flush() sends the rest. Both leave the request
 * begun anew where they sent it. -1: as of nl_call(); what was put before may have been done.
 */
#define NL_ROOM_BYTES 512
int nl_room(struct nl *nl, struct nl_req *req, struct cni_error *err);
int nl_flush(struct nl *nl, struct nl_req *req, struct cni_error *err);

/* A change by other means than this socket (a kernel switch) is about to be made: 0, or -1 when
 * `fail_after` says that it is this one's turn to fail. */
int nl_fault(struct nl *nl, const char *what, struct cni_error *err);

/* Send one dump request; every answer goes to `each` (which returns 0, or -1 with err to stop).
 * EINTR (NLM_F_DUMP_INTR) restarts up to 5 times after calling `restart` (may be NULL). */
struct nl_dump {
	int (*each)(const struct nlmsghdr *nlh, void *arg, struct cni_error *err);
	void (*restart)(void *arg);
	void *arg;
};
int nl_dump(struct nl *nl, struct nl_req *req, const struct nl_dump *dump, struct cni_error *err);
