/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. A request is one flat buffer of netlink messages, each aligned to four
 * bytes as the kernel wants them in one sendmsg. The current message is always the last one, and
 * every put grows it in place; a nest is an attribute whose length is written when it ends. Nothing
 * here is ever undone: what does not fit marks the request broken, and nl_call() refuses it.
 */
#include "netlink/req.h"

#include <libmnl/libmnl.h>
#include <stdarg.h>
#include <string.h>

#include "base/scoped.h"
#include "base/text.h"

void nl_begin(struct nl_req *req)
{
	req->len = 0;
	req->n = 0;
	req->failed = 0;
	req->depth = 0;
	req->broken = false;
	req->n_origins = 0;
	req->next_from = NULL;
	req->reply = NULL;
	req->reply_arg = NULL;
}

static struct nlmsghdr *current(struct nl_req *req)
{
	if (req->n == 0)
		req->broken = true;
	if (req->broken)
		return NULL;
	return (struct nlmsghdr *)(void *)(req->buf + req->msgs[req->n - 1].offset);
}

/* Bytes that the current message may have in all. */
static size_t room(const struct nl_req *req)
{
	return sizeof(req->buf) - req->msgs[req->n - 1].offset;
}

static void grown(struct nl_req *req, const struct nlmsghdr *nlh)
{
	req->len = req->msgs[req->n - 1].offset + MNL_ALIGN(nlh->nlmsg_len);
}

static void append(struct nl_req *req, struct nlmsghdr *nlh, const void *data, size_t len)
{
	if (len > sizeof(req->buf) || nlh->nlmsg_len + MNL_ALIGN(len) > room(req)) {
		req->broken = true;
		return;
	}
	memcpy(mnl_nlmsg_put_extra_header(nlh, len), data, len);
	grown(req, nlh);
}

void nl_msg(struct nl_req *req, uint16_t type, uint16_t flags, const void *hdr, size_t hdr_len)
{
	struct nlmsghdr *nlh;

	if (req->n == NL_REQ_MSGS || req->depth != 0 ||
	    req->len + MNL_NLMSG_HDRLEN > sizeof(req->buf))
		req->broken = true;
	if (req->broken)
		return;
	req->msgs[req->n].offset = req->len;
	memset(req->msgs[req->n].tolerate, 0, sizeof(req->msgs[0].tolerate));
	req->msgs[req->n].module = NULL;
	req->msgs[req->n].what[0] = '\0';
	nlh = mnl_nlmsg_put_header(req->buf + req->len);
	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags | NLM_F_REQUEST;
	req->n++;
	append(req, nlh, hdr, hdr_len);
}

void nl_what(struct nl_req *req, const char *fmt, ...)
{
	struct text t;
	va_list ap;

	if (current(req) == NULL)
		return;
	text_init(&t, req->msgs[req->n - 1].what, sizeof(req->msgs[0].what));
	va_start(ap, fmt);
	text_vadd(&t, fmt, ap);
	va_end(ap);
}

void nl_tolerate(struct nl_req *req, int sys)
{
	int *slots = req->n > 0 ? req->msgs[req->n - 1].tolerate : NULL;

	if (current(req) == NULL)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(req->msgs[0].tolerate); i++) {
		if (slots[i] == 0 || slots[i] == sys) {
			slots[i] = sys;
			return;
		}
	}
	req->broken = true;
}

void nl_module(struct nl_req *req, const char *module)
{
	if (current(req) != NULL)
		req->msgs[req->n - 1].module = module;
}

/* A full table only makes a message less precise, so it breaks nothing. */
static void note_origin(struct nl_req *req)
{
	if (req->next_from != NULL &&
	    req->n_origins < sizeof(req->origins) / sizeof(*req->origins)) {
		req->origins[req->n_origins].offset = req->len;
		jpath_print(req->next_from, req->origins[req->n_origins].path,
			    sizeof(req->origins[0].path));
		req->n_origins++;
	}
	req->next_from = NULL;
}

void nl_put(struct nl_req *req, uint16_t type, const void *data, size_t len)
{
	struct nlmsghdr *nlh = current(req);

	if (nlh == NULL)
		return;
	note_origin(req);
	if (len > sizeof(req->buf) || !mnl_attr_put_check(nlh, room(req), type, len, data))
		req->broken = true;
	grown(req, nlh);
}

void nl_put_u8(struct nl_req *req, uint16_t type, uint8_t v)
{
	nl_put(req, type, &v, sizeof(v));
}

void nl_put_u16(struct nl_req *req, uint16_t type, uint16_t v)
{
	nl_put(req, type, &v, sizeof(v));
}

void nl_put_u32(struct nl_req *req, uint16_t type, uint32_t v)
{
	nl_put(req, type, &v, sizeof(v));
}

void nl_put_str(struct nl_req *req, uint16_t type, const char *s)
{
	nl_put(req, type, s, strlen(s) + 1);
}

void nl_put_ip(struct nl_req *req, uint16_t type, const struct ip *ip)
{
	size_t len;
	const void *bytes = ip_bytes(ip, &len);

	nl_put(req, type, bytes, len);
}

void nl_raw(struct nl_req *req, const void *data, size_t len)
{
	struct nlmsghdr *nlh = current(req);

	if (nlh != NULL)
		append(req, nlh, data, len);
}

void nl_nest(struct nl_req *req, uint16_t type)
{
	if (req->depth == NL_REQ_NEST)
		req->broken = true;
	if (current(req) == NULL)
		return;
	req->nest[req->depth++] = req->len;
	nl_put(req, type | NLA_F_NESTED, NULL, 0);
}

void nl_end(struct nl_req *req)
{
	struct nlmsghdr *nlh = current(req);

	if (nlh == NULL)
		return;
	if (req->depth == 0) {
		req->broken = true;
		return;
	}
	req->depth--;
	mnl_attr_nest_end(nlh, (struct nlattr *)(void *)(req->buf + req->nest[req->depth]));
}

void nl_from(struct nl_req *req, const struct jpath *at)
{
	req->next_from = at;
}
