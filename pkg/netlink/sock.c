/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. Every message gets its own sequence number, counted up over the life of the
 * socket; answers are matched by it and strays (of an earlier call that timed out) are skipped. In
 * a batch only the last message asks for an ACK: the kernel works through a batch in order and in
 * the sender's context, so that ACK, or an error with the last number, is the end of the call.
 * Earlier messages speak only when they fail or when they are questions. The receive timeout bounds
 * every wait; what the kernel did after it is unknown to us.
 */
#include "netlink/sock.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/time.h>

#include "base/text.h"
#include "base/trace.h"
#include "netlink/attr.h"
#include "netlink/req.h"

/* The kernel fills dump answers up to 32 KiB if it is offered as much. */
#define RECV_BYTES    32768
#define DUMP_RESTARTS 5

static int set_options(struct mnl_socket *sk)
{
	const struct timeval limit = { .tv_sec = NL_TIMEOUT_SECONDS };
	int fd = mnl_socket_get_fd(sk), on = 1;

	/* Comforts of newer kernels: without them only messages get shorter and dumps longer. */
	(void)mnl_socket_setsockopt(sk, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)mnl_socket_setsockopt(sk, NETLINK_CAP_ACK, &on, sizeof(on));
	(void)mnl_socket_setsockopt(sk, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0)
		return -1;
	return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

int nl_open(struct nl *nl, struct cni_error *err)
{
	struct mnl_socket *sk = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);

	if (sk == NULL)
		return cni_fail_sys(err, errno, "open a netlink socket");
	if (set_options(sk) < 0 || mnl_socket_bind(sk, 0, MNL_SOCKET_AUTOPID) < 0) {
		int sys = errno;

		(void)mnl_socket_close(sk);
		return cni_fail_sys(err, sys, "set up a netlink socket");
	}
	*nl = (struct nl){ .sk = sk, .portid = mnl_socket_get_portid(sk), .seq = 1 };
	return 0;
}

void nl_close(struct nl *nl)
{
	if (nl->sk != NULL)
		(void)mnl_socket_close(nl->sk);
	nl->sk = NULL;
}

int nl_fault(struct nl *nl, const char *what, struct cni_error *err)
{
	if (nl->fail_after != NULL && (*nl->fail_after)-- == 0)
		return cni_fail_sys(err, EIO, "%s (test fault)", what);
	return 0;
}

static struct nlmsghdr *message(struct nl_req *req, size_t i)
{
	return (struct nlmsghdr *)(void *)(req->buf + req->msgs[i].offset);
}

static const char *what_of(const struct nl_req *req, size_t i)
{
	return req->msgs[i].what[0] != '\0' ? req->msgs[i].what : "netlink request";
}

static int send_all(struct nl *nl, struct nl_req *req, uint16_t last_flags, struct cni_error *err)
{
	req->failed = req->n;
	if (nl->sk == NULL || req->broken || req->n == 0 || req->depth != 0)
		return cni_fail(err, CNI_INTERNAL, "%s: netlink request that cannot be sent",
				req->n > 0 ? what_of(req, 0) : "empty");
	for (size_t i = 0; i < req->n; i++) {
		message(req, i)->nlmsg_seq = nl->seq + (uint32_t)i;
		trace("%s", what_of(req, i));
	}
	message(req, req->n - 1)->nlmsg_flags |= last_flags;
	if (nl_fault(nl, what_of(req, 0), err) < 0)
		return -1;
	nl->seq += (uint32_t)req->n;
	if (mnl_socket_sendto(nl->sk, req->buf, req->len) < 0)
		return cni_fail_sys(err, errno, "%s: send to the kernel", what_of(req, 0));
	return 0;
}

static const char *origin_at(const struct nl_req *req, size_t offset)
{
	for (size_t i = 0; i < req->n_origins; i++) {
		if (req->origins[i].offset == offset)
			return req->origins[i].path;
	}
	return NULL;
}

static bool tolerated(const struct nl_req *req, size_t i, int sys)
{
	for (size_t k = 0; k < ARRAY_SIZE(req->msgs[i].tolerate); k++) {
		if (req->msgs[i].tolerate[k] == sys)
			return true;
	}
	return false;
}

/* The module to load, when that is what the answer means. */
static const char *module_of(const struct nl_req *req, size_t i, int sys)
{
	return sys == ENOENT || sys == EOPNOTSUPP ? req->msgs[i].module : NULL;
}

/* Raise for message i; `tlvs` (NULL: none) are the extended ACK's attributes, up to `end`. */
static int refused(const struct nl_req *req, size_t i, int sys, const struct nlattr *const *tlvs,
		   struct cni_error *err)
{
	const char *place = NULL, *module = module_of(req, i, sys);
	char words[1024];
	int r;

	if (tlvs[NLMSGERR_ATTR_OFFS] != NULL)
		place = origin_at(req, req->msgs[i].offset + attr_u32(tlvs[NLMSGERR_ATTR_OFFS]));
	r = cni_fail_sys(err, sys, "%s%s%s%s%s", place != NULL ? place : "",
			 place != NULL ? ": " : "", what_of(req, i),
			 module != NULL ? ": this needs the kernel module " : "",
			 module != NULL ? module : "");
	attr_str(tlvs[NLMSGERR_ATTR_MSG], words, sizeof(words));
	cni_details(err, "%s", words);
	return r;
}

/* An NLMSG_ERROR or a NLMSG_DONE: its errno, and what comes behind. 0: an ACK. */
static int verdict(const struct nlmsghdr *nlh, const struct nlattr **tlvs)
{
	const struct nlmsgerr *e = attr_header(nlh, sizeof(*e));
	const int *code = attr_header(nlh, sizeof(*code));
	size_t skip = sizeof(*e);

	memset(tlvs, 0, (NLMSGERR_ATTR_MAX + 1) * sizeof(*tlvs));
	if (code == NULL || (nlh->nlmsg_type == NLMSG_ERROR && e == NULL))
		return nlh->nlmsg_type == NLMSG_DONE ? 0 : EPROTO;
	if (nlh->nlmsg_type == NLMSG_DONE)
		skip = sizeof(*code);
	else if ((nlh->nlmsg_flags & NLM_F_CAPPED) == 0)
		skip += e->msg.nlmsg_len - sizeof(e->msg);
	if ((nlh->nlmsg_flags & NLM_F_ACK_TLVS) != 0 && skip <= nlh->nlmsg_len)
		attr_parse(nlh, skip, tlvs, NLMSGERR_ATTR_MAX);
	return *code < -CNI_ERRNO_MAX ? EPROTO : *code < 0 ? -*code : 0;
}

/* Receive one buffer of answers. */
static int receive(struct nl *nl, const struct nl_req *req, void *buf, size_t cap, int *ret_len,
		   struct cni_error *err)
{
	ssize_t n;

	do {
		n = mnl_socket_recvfrom(nl->sk, buf, cap);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return cni_fail(err, CNI_TRY_AGAIN,
				"%s: the kernel gave no answer within %d seconds", what_of(req, 0),
				NL_TIMEOUT_SECONDS);
	if (n < 0)
		return cni_fail_sys(err, errno, "%s: receive from the kernel", what_of(req, 0));
	*ret_len = (int)n;
	return 0;
}

/* The course of one nl_call(). */
struct call {
	struct nl_req *req;
	uint32_t first;	       /* sequence number of message 0 */
	bool done;	       /* the last message is answered */
	bool failed;	       /* err holds the first failure */
	struct cni_error *err; /* of the call */
};

static void call_verdict(struct call *c, size_t i, const struct nlmsghdr *nlh)
{
	const struct nlattr *tlvs[NLMSGERR_ATTR_MAX + 1];
	int sys = verdict(nlh, tlvs);

	c->done |= i == c->req->n - 1;
	if (sys == 0 || c->failed || tolerated(c->req, i, sys))
		return;
	c->failed = refused(c->req, i, sys, tlvs, c->err) < 0;
	c->req->failed = i;
}

static void call_answer(struct call *c, const struct nlmsghdr *nlh)
{
	size_t i = nlh->nlmsg_seq - c->first;

	if (i >= c->req->n)
		return; /* of an earlier call */
	if (nlh->nlmsg_type == NLMSG_ERROR) {
		call_verdict(c, i, nlh);
		return;
	}
	if (c->req->reply == NULL || nlh->nlmsg_type < NLMSG_MIN_TYPE || c->failed)
		return;
	if (c->req->reply(nlh, i, c->req->reply_arg, c->err) < 0) {
		c->failed = true;
		c->req->failed = i;
	}
}

int nl_call(struct nl *nl, struct nl_req *req, struct cni_error *err)
{
	struct call c = { .req = req, .first = nl->seq, .err = err };
	_Alignas(8) uint8_t buf[RECV_BYTES];
	int len = 0;

	if (send_all(nl, req, NLM_F_ACK, err) < 0)
		return -1;
	while (!c.done) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)(const void *)buf;

		if (receive(nl, req, buf, sizeof(buf), &len, err) < 0)
			return -1;
		for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
			if (mnl_nlmsg_portid_ok(nlh, nl->portid))
				call_answer(&c, nlh);
		}
	}
	return c.failed ? -1 : 0;
}

int nl_flush(struct nl *nl, struct nl_req *req, struct cni_error *err)
{
	if (req->n > 0 && nl_call(nl, req, err) < 0)
		return -1;
	nl_begin(req);
	return 0;
}

int nl_room(struct nl *nl, struct nl_req *req, struct cni_error *err)
{
	if (req->n < NL_REQ_MSGS && sizeof(req->buf) - req->len >= NL_ROOM_BYTES)
		return 0;
	return nl_flush(nl, req, err);
}

/* The course of one dump, which is read to its end even when nobody listens any more: the next
 * dump on this socket would be refused with EBUSY. */
struct dumping {
	const struct nl_req *req;
	const struct nl_dump *dump;
	uint32_t seq;
	bool done, failed, interrupted;
	struct cni_error *err;
};

static void dump_answer(struct dumping *d, const struct nlmsghdr *nlh)
{
	const struct nlattr *tlvs[NLMSGERR_ATTR_MAX + 1];

	if (nlh->nlmsg_seq != d->seq)
		return;
	d->interrupted |= (nlh->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
	if (nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE) {
		int sys = verdict(nlh, tlvs);

		d->done = true;
		if (sys == EINTR)
			d->interrupted = true;
		else if (sys != 0 && !d->failed && !tolerated(d->req, 0, sys))
			d->failed = refused(d->req, 0, sys, tlvs, d->err) < 0;
		return;
	}
	if (nlh->nlmsg_type >= NLMSG_MIN_TYPE && !d->failed)
		d->failed = d->dump->each(nlh, d->dump->arg, d->err) < 0;
}

static int dump_once(struct nl *nl, struct nl_req *req, struct dumping *d)
{
	_Alignas(8) uint8_t buf[RECV_BYTES];
	int len = 0;

	d->seq = nl->seq;
	if (send_all(nl, req, NLM_F_DUMP, d->err) < 0)
		return -1;
	while (!d->done) {
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)(const void *)buf;

		if (receive(nl, req, buf, sizeof(buf), &len, d->err) < 0)
			return -1;
		for (; mnl_nlmsg_ok(nlh, len); nlh = mnl_nlmsg_next(nlh, &len)) {
			if (mnl_nlmsg_portid_ok(nlh, nl->portid))
				dump_answer(d, nlh);
		}
	}
	return d->failed ? -1 : 0;
}

int nl_dump(struct nl *nl, struct nl_req *req, const struct nl_dump *dump, struct cni_error *err)
{
	int r;

	if (req->n > 1)
		return cni_fail(err, CNI_INTERNAL, "%s: one dump at a time", what_of(req, 0));
	for (int i = 0; i <= DUMP_RESTARTS; i++) {
		struct dumping d = { .req = req, .dump = dump, .err = err };

		if (i > 0 && dump->restart != NULL)
			dump->restart(dump->arg);
		if (dump_once(nl, req, &d) < 0)
			return -1;
		if (!d.interrupted)
			return 0;
	}
	r = cni_fail(err, CNI_TRY_AGAIN, "%s: what is listed keeps changing, try again",
		     what_of(req, 0));
	err->sys = EINTR;
	return r;
}
