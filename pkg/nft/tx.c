/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation.
 *
 * nfnetlink works through what sendmsg() hands it before sendmsg() returns, so all answers are in
 * the socket's queue by then (a dump's next part appears when the one before is read). They are
 * read with MSG_DONTWAIT until the queue is empty: nothing here ever sleeps.
 *
 * A transaction is NFNL_MSG_BATCH_BEGIN, messages, NFNL_MSG_BATCH_END in one sendmsg(): all of it
 * happens or nothing. The begin message carries the generation of the ruleset that our decisions
 * were made from; if anybody has changed it since, the kernel answers ERESTART to it and the caller
 * looks again. Without the end message the kernel checks everything and takes it all back: a dry
 * run.
 *
 * Errors come for each refused message, unasked, and are matched by sequence number; only the last
 * message asks for an ACK, whose absence tells a kernel that did nothing. A crash between sends
 * leaves the ruleset as the last whole transaction made it.
 */
#include "nft/tx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "base/collect.h"
#include "base/trace.h"

#define ANSWERS_BYTES (8 << 20) /* one error per message of a large transaction */

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool nft_tx_expired(const struct nft_tx *tx)
{
	return now_ms() >= tx->deadline;
}

bool nft_tx_again(const struct nft_tx *tx, const struct cni_error *err)
{
	return (err->sys == ERESTART || err->sys == EAGAIN || err->sys == EINTR) &&
	       !nft_tx_expired(tx);
}

void nft_tx_restart(struct nft_tx *tx)
{
	tx->deadline = now_ms() + NFT_TX_SECONDS * INT64_C(1000);
}

/* A large transaction must fit into the socket's buffers whole; without CAP_NET_ADMIN over the
 * machine (a user namespace) the system's limit holds. */
static void widen(const struct nft_tx *tx, int force, int plain, int bytes)
{
	int fd = mnl_socket_get_fd(tx->sk);

	if (setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof(bytes));
}

int nft_tx_open(struct nft_tx *tx, struct cni_error *err)
{
	int on = 1;

	*tx = (struct nft_tx){ .seq = 1 };
	nft_tx_restart(tx);
	tx->sk = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	if (tx->sk == NULL)
		return cni_fail_sys(err, errno,
				    "open a netfilter socket (does the kernel have nf_tables?)");
	if (mnl_socket_bind(tx->sk, 0, MNL_SOCKET_AUTOPID) < 0)
		return cni_fail_sys(err, errno, "bind a netfilter socket");
	tx->portid = mnl_socket_get_portid(tx->sk);
	(void)mnl_socket_setsockopt(tx->sk, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)mnl_socket_setsockopt(tx->sk, NETLINK_CAP_ACK, &on, sizeof(on));
	return 0;
}

/* After a deletion, ours or anybody's, the last close of any netfilter socket waits up to 20 ms for
 * RCU (kernel.md). The answer was read long before: that wait is nothing to a verb. */
static void close_socket(struct mnl_socket *sk)
{
	scoped_fd int held = collector_hold(mnl_socket_get_fd(sk));

	(void)mnl_socket_close(sk);
	(void)held; /* clang does not count its cleanup as a use */
}

void nft_tx_close(struct nft_tx *tx)
{
	if (tx->sk != NULL)
		close_socket(tx->sk);
	free(tx->buf);
	free(tx->origins);
	tx->sk = NULL;
	tx->buf = NULL;
	tx->origins = NULL;
}

static bool make_room(struct nft_tx *tx)
{
	if (tx->cap - tx->len < 2 * NFT_MSG_ROOM) {
		size_t cap = tx->cap * 2 + 4 * NFT_MSG_ROOM;
		uint8_t *buf = realloc(tx->buf, cap);

		if (buf == NULL)
			return false;
		tx->buf = buf;
		tx->cap = cap;
	}
	if (tx->n == tx->origins_cap) {
		size_t cap = tx->origins_cap * 2 + 64;
		struct nft_origin *origins = realloc(tx->origins, cap * sizeof(*origins));

		if (origins == NULL)
			return false;
		tx->origins = origins;
		tx->origins_cap = cap;
	}
	return true;
}

static struct nlmsghdr *put_header(struct nft_tx *tx, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(tx->buf + tx->len);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	nlh->nlmsg_seq = tx->seq++;
	return nlh;
}

static void put_gen(struct nlmsghdr *nlh, uint16_t family, uint16_t res_id)
{
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nlh, sizeof(*nfg));

	nfg->nfgen_family = (uint8_t)family;
	nfg->version = NFNETLINK_V0;
	nfg->res_id = htons(res_id);
}

/* The batch's own messages stand outside of origins: only answers to the begin message concern us,
 * and those have the number before `first`. */
static void put_batch_mark(struct nft_tx *tx, uint16_t type)
{
	struct nlmsghdr *nlh = put_header(tx, type, 0);

	put_gen(nlh, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	if (type == NFNL_MSG_BATCH_BEGIN && tx->has_genid)
		mnl_attr_put_u32(nlh, NFNL_BATCH_GENID, htonl(tx->genid));
	tx->len += NLMSG_ALIGN(nlh->nlmsg_len);
}

void nft_tx_ask(struct nft_tx *tx)
{
	tx->len = 0;
	tx->n = 0;
	tx->broken = tx->broken || !make_room(tx);
	tx->first = tx->seq;
}

void nft_tx_begin(struct nft_tx *tx)
{
	nft_tx_ask(tx);
	if (tx->broken)
		return;
	put_batch_mark(tx, NFNL_MSG_BATCH_BEGIN);
	tx->first = tx->seq;
}

struct nlmsghdr *nft_tx_msg(struct nft_tx *tx, uint16_t type, uint16_t family, uint16_t flags,
			    const struct nft_origin *origin)
{
	struct nlmsghdr *nlh;

	tx->broken = tx->broken || !make_room(tx);
	if (tx->broken)
		return NULL;
	if (NFNL_SUBSYS_ID(type) == 0)
		type = (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
	nlh = put_header(tx, type, flags);
	put_gen(nlh, family, 0);
	tx->origins[tx->n] = *origin;
	tx->origins[tx->n++].error = 0;
	return nlh;
}

void nft_tx_end(struct nft_tx *tx, struct nlmsghdr *nlh)
{
	tx->len += NLMSG_ALIGN(nlh->nlmsg_len);
}

void nft_tx_ask_generation(struct nft_tx *tx)
{
	const struct nft_origin origin = { .what = "generation of the ruleset",
					   .item = NFT_GENERATION };
	struct nlmsghdr *nlh = nft_tx_msg(tx, NFT_MSG_GETGEN, AF_UNSPEC, 0, &origin);

	tx->has_genid = false;
	if (nlh != NULL)
		nft_tx_end(tx, nlh);
}

static void read_generation(struct nft_tx *tx, const struct nlmsghdr *nlh)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(attr) == NFTA_GEN_ID &&
		    mnl_attr_validate(attr, MNL_TYPE_U32) >= 0) {
			tx->genid = ntohl(mnl_attr_get_u32(attr));
			tx->has_genid = true;
		}
	}
}

static int send_all(struct nft_tx *tx, struct cni_error *err)
{
	int fd = mnl_socket_get_fd(tx->sk);

	if (tx->broken)
		return cni_fail_sys_code(err, CNI_INTERNAL, ENOMEM, "build an nftables message");
	if (tx->fail_after != NULL && --*tx->fail_after < 0)
		return cni_fail_sys(err, EIO, "send to nftables (asked for by a test)");
	if (tx->len > 100000) {
		widen(tx, SO_SNDBUFFORCE, SO_SNDBUF, (int)tx->len * 2);
		widen(tx, SO_RCVBUFFORCE, SO_RCVBUF, ANSWERS_BYTES);
	}
	for (;;) {
		if (send(fd, tx->buf, tx->len, 0) >= 0)
			return 0;
		if ((errno != EINTR && errno != EAGAIN) || nft_tx_expired(tx))
			break;
	}
	if (errno == EMSGSIZE)
		return cni_fail_sys(
		    err, errno, "send %zu changes to nftables at once (raise net.core.wmem_max)",
		    tx->n);
	return cni_fail_sys(err, errno, "send to nftables");
}

/* What the answers of one send add up to. */
struct answers {
	int batch_error; /* of the transaction as a whole */
	bool ack, interrupted, lost;
	int (*each)(const struct nlmsghdr *nlh, const struct nft_origin *origin, void *arg);
	void *arg;
	bool stopped; /* each() said so */
};

static void take_error(struct nft_tx *tx, struct answers *a, const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	uint32_t i = nlh->nlmsg_seq - tx->first;
	int sys;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*e))
		return;
	sys = e->error > 0 || e->error < -CNI_ERRNO_MAX ? EPROTO : -e->error;
	if (sys == 0)
		a->ack = true;
	else if (i < tx->n)
		tx->origins[i].error = sys;
	else
		a->batch_error = sys;
}

static void take_message(struct nft_tx *tx, struct answers *a, const struct nlmsghdr *nlh)
{
	uint32_t i = nlh->nlmsg_seq - tx->first;

	if ((nlh->nlmsg_flags & NLM_F_DUMP_INTR) != 0)
		a->interrupted = true;
	if (nlh->nlmsg_type == NLMSG_ERROR)
		take_error(tx, a, nlh);
	else if (nlh->nlmsg_type == NLMSG_DONE || i >= tx->n)
		return;
	else if (tx->origins[i].item == NFT_GENERATION)
		read_generation(tx, nlh);
	else if (a->each != NULL && !a->stopped)
		a->stopped = a->each(nlh, &tx->origins[i], a->arg) < 0;
}

static int receive_all(struct nft_tx *tx, struct answers *a, struct cni_error *err)
{
	_Alignas(8) uint8_t buf[65536];

	for (;;) {
		ssize_t n = recv(mnl_socket_get_fd(tx->sk), buf, sizeof(buf), MSG_DONTWAIT);
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;
		int left = (int)n;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == ENOBUFS) {
			a->lost = true; /* more errors than fit; the first ones are there */
			continue;
		}
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return cni_fail_sys(err, errno, "read an answer of nftables");
		for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left))
			take_message(tx, a, nlh);
	}
}

static int raise_origin(const struct nft_origin *o, struct cni_error *err)
{
	if (o->module != NULL && (o->error == ENOENT || o->error == EOPNOTSUPP))
		return cni_fail_sys(err, o->error,
				    "nftables: %s: the kernel lacks the module %s (load it, or "
				    "enable it in the kernel's configuration)",
				    o->what, o->module);
	if (o->error == EPERM)
		return cni_fail_sys(
		    err, o->error,
		    "nftables: %s: this needs CAP_NET_ADMIN in the network namespace", o->what);
	return cni_fail_sys(err, o->error, "nftables: %s", o->what);
}

static int judge(const struct nft_tx *tx, const struct answers *a, struct cni_error *err)
{
	for (size_t i = 0; i < tx->n; i++) {
		if (tx->origins[i].error != 0)
			return raise_origin(&tx->origins[i], err);
	}
	if (a->batch_error == EPERM)
		return cni_fail_sys(err, EPERM,
				    "nftables: this needs CAP_NET_ADMIN in the network namespace");
	if (a->batch_error != 0)
		return cni_fail_sys(err, a->batch_error, "nftables transaction");
	if (!a->ack)
		return cni_fail_sys(err, a->lost ? ENOBUFS : EPROTO,
				    "nftables transaction of %zu changes", tx->n);
	return 0;
}

int nft_tx_commit(struct nft_tx *tx, bool dry, struct cni_error *err)
{
	struct answers a = { 0 };

	if (tx->n == 0)
		return 0;
	if (!tx->broken) {
		struct nlmsghdr *nlh = (struct nlmsghdr *)tx->buf;
		int left = (int)tx->len;

		for (size_t i = 0; i < tx->n; i++)
			nlh = mnl_nlmsg_next(nlh, &left);
		nlh->nlmsg_flags |= NLM_F_ACK;
		if (!dry)
			put_batch_mark(tx, NFNL_MSG_BATCH_END);
	}
	trace("nftables %s of %zu changes", dry ? "dry run" : "transaction", tx->n);
	if (send_all(tx, err) < 0 || receive_all(tx, &a, err) < 0)
		return -1;
	return judge(tx, &a, err);
}

int nft_tx_query(struct nft_tx *tx,
		 int (*each)(const struct nlmsghdr *nlh, const struct nft_origin *origin,
			     void *arg),
		 void *arg, struct cni_error *err)
{
	struct answers a = { .each = each, .arg = arg };

	if (tx->n == 0)
		return 0;
	if (send_all(tx, err) < 0 || receive_all(tx, &a, err) < 0)
		return -1;
	if (a.lost || a.interrupted)
		return cni_fail_sys(err, EINTR, "read the ruleset of nftables");
	if (a.stopped)
		return cni_fail_sys(err, ENOMEM, "read the ruleset of nftables");
	return 0;
}

bool nft_tx_unanswered(const struct nft_tx *tx)
{
	for (size_t i = 0; i < tx->n; i++) {
		if (tx->origins[i].item == NFT_GENERATION)
			return tx->origins[i].error == EINVAL;
	}
	return false;
}
