/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "net/tbf.h"
#include "netlink/sock.h"

struct nlmsghdr;
struct nl_req;

/* Queueing disciplines of a link: the few kinds that shape a pod's traffic. Links go by number. */

struct qdisc {
	uint32_t handle; /* 0: none, or one that the kernel put there by itself */
	char kind[16];
	struct tbf tbf; /* of that kind */
};

#define QDISC_TBF      0x00010000u /* 1: */
#define QDISC_CHILD    0x00020000u /* 2:, the child of 1:1 */
#define QDISC_INGRESS  0xffff0000u /* ffff: */
#define QDISC_AT_ROOT  0xffffffffu /* the places that qdisc_put_get() knows */
#define QDISC_AT_INNER 0x00010001u
#define QDISC_AT_ENTRY 0xfffffff1u

/* Messages for a batch. `name` is for errors only; one that the kernel has no code for names the
 * module to load. All of them refuse a place that is taken: EEXIST. */
void qdisc_put_tbf(struct nl_req *req, int index, const char *name, const struct tbf *tbf);
void qdisc_put_fq_codel(struct nl_req *req, int index, const char *name); /* below 1:1 */
void qdisc_put_ingress(struct nl_req *req, int index, const char *name);
/* Below the ingress qdisc: all that comes in leaves through link `to` instead. */
void qdisc_put_redirect(struct nl_req *req, int index, const char *name, int to);

/* Delete the qdisc at `place` if it is of this kind and handle; another one or none is success. */
void qdisc_put_delete(struct nl_req *req, int index, const char *name, uint32_t place,
		      const struct qdisc *which);

/* Ask for the qdisc at `place`; its answer, if there is one, goes through qdisc_parse(). */
void qdisc_put_get(struct nl_req *req, int index, const char *name, uint32_t place);
bool qdisc_parse(const struct nlmsghdr *nlh, struct qdisc *ret); /* false: no RTM_NEWQDISC */

/* What the filters of a link's ingress qdisc do. */
struct redirect {
	bool found;  /* one that sends everything, of any protocol, out through link `to` */
	int to;	     /* 0: that link is gone */
	bool others; /* any other filter */
};
int qdisc_redirect(struct nl *nl, int index, const char *name, struct redirect *ret,
		   struct cni_error *err);
