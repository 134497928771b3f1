/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/jpath.h"
#include "net/ip.h"

struct nlmsghdr;

/*
 * The sticky builder of rtnetlink requests: a batch of messages in one buffer. The first mistake
 * (overflow, too deep, too many) is remembered, later puts do nothing, and nl_call() refuses to
 * send.
 */
#define NL_REQ_BYTES 16384
#define NL_REQ_MSGS  64
#define NL_REQ_NEST  8

struct nl_req {
	_Alignas(8) uint8_t buf[NL_REQ_BYTES];
	size_t len;
	size_t n; /* messages */
	struct {
		size_t offset;
		int tolerate[4];    /* errnos that are no failure of this message; 0: none */
		const char *module; /* without it the kernel does not know the kind; or NULL */
		char what[128];
	} msgs[NL_REQ_MSGS];
	size_t failed; /* set by nl_call() when it fails: the first failed message; n: unknown */
	size_t nest[NL_REQ_NEST];
	size_t depth;
	bool broken;
	struct {
		size_t offset; /* of the attribute, in the whole buffer */
		char path[64];
	} origins[8];
	size_t n_origins;
	const struct jpath *next_from;
	/* Answers that are not ACKs (RTM_GETLINK in the batch): the message's index in the batch
	 * comes along. NULL: ignored. */
	int (*reply)(const struct nlmsghdr *nlh, size_t index, void *arg, struct cni_error *err);
	void *reply_arg;
};

void nl_begin(struct nl_req *req); /* empty batch */

/* Begin another message: its fixed header is copied. Flags get NLM_F_REQUEST; nl_call adds the ACK.
 */
void nl_msg(struct nl_req *req, uint16_t type, uint16_t flags, const void *hdr, size_t hdr_len);
/* What the current message does, for errors and traces: "create veth vethabc". */
void nl_what(struct nl_req *req, const char *fmt, ...)
    __attribute__((__format__(__printf__, 2, 3)));

/* The kernel may answer the current message with this errno: that is then no failure. Four at
 * most. */
void nl_tolerate(struct nl_req *req, int sys);

/* What the current message asks for is in this kernel module: an answer that says "unknown"
 * (ENOENT, EOPNOTSUPP) names it. The text must live as long as the request. */
void nl_module(struct nl_req *req, const char *module);

void nl_put(struct nl_req *req, uint16_t type, const void *data, size_t len);
void nl_put_u8(struct nl_req *req, uint16_t type, uint8_t v);
void nl_put_u16(struct nl_req *req, uint16_t type, uint16_t v);
void nl_put_u32(struct nl_req *req, uint16_t type, uint32_t v);
void nl_put_str(struct nl_req *req, uint16_t type, const char *s);
void nl_put_ip(struct nl_req *req, uint16_t type, const struct ip *ip); /* 4 or 16 bytes */
void nl_raw(struct nl_req *req, const void *data,
	    size_t len);			 /* a header inside a nest (VETH_INFO_PEER) */
void nl_nest(struct nl_req *req, uint16_t type); /* NLA_F_NESTED is set */
void nl_end(struct nl_req *req);

/* The next put comes from this place in the user's configuration: when the kernel's ACK points at
 * the attribute, msg is prefixed with it (STYLE principle 17). */
void nl_from(struct nl_req *req, const struct jpath *at);
