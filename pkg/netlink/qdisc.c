/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netlink/qdisc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <string.h>

#include "netlink/attr.h"
#include "netlink/req.h"

_Static_assert(QDISC_AT_ROOT == TC_H_ROOT && QDISC_AT_ENTRY == TC_H_INGRESS, "places");

/* ---- requests */

static void put_tc(struct nl_req *req, uint16_t type, uint16_t flags, const struct tcmsg *tc)
{
	nl_msg(req, type, flags, tc, sizeof(*tc));
}

static void put_new(struct nl_req *req, int index, uint32_t parent, uint32_t handle,
		    const char *kind)
{
	put_tc(req, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL,
	       &(struct tcmsg){ .tcm_family = AF_UNSPEC,
				.tcm_ifindex = index,
				.tcm_parent = parent,
				.tcm_handle = handle });
	nl_put_str(req, TCA_KIND, kind);
}

void qdisc_put_tbf(struct nl_req *req, int index, const char *name, const struct tbf *tbf)
{
	const struct tc_tbf_qopt qopt = {
		.rate.rate = tbf->rate > UINT32_MAX ? UINT32_MAX : (uint32_t)tbf->rate,
		.limit = tbf->limit,
		.buffer = tbf->buffer,
	};

	put_new(req, index, TC_H_ROOT, QDISC_TBF, "tbf");
	nl_what(req, "shape what leaves through %s (tbf)", name);
	nl_module(req, "sch_tbf");
	nl_nest(req, TCA_OPTIONS);
	nl_put(req, TCA_TBF_PARMS, &qopt, sizeof(qopt));
	if (tbf->rate > UINT32_MAX)
		nl_put(req, TCA_TBF_RATE64, &tbf->rate, sizeof(tbf->rate));
	nl_end(req);
}

void qdisc_put_fq_codel(struct nl_req *req, int index, const char *name)
{
	put_new(req, index, QDISC_AT_INNER, QDISC_CHILD, "fq_codel");
	nl_what(req, "give the shaper of %s an fq_codel queue", name);
	nl_module(req, "sch_fq_codel");
}

void qdisc_put_ingress(struct nl_req *req, int index, const char *name)
{
	put_new(req, index, TC_H_INGRESS, QDISC_INGRESS, "ingress");
	nl_what(req, "catch what comes in through %s (ingress)", name);
	nl_module(req, "sch_ingress");
}

static void put_mirred(struct nl_req *req, int to)
{
	const struct tc_mirred mirred = { .action = TC_ACT_STOLEN,
					  .eaction = TCA_EGRESS_REDIR,
					  .ifindex = (uint32_t)to };

	nl_nest(req, TCA_U32_ACT);
	nl_nest(req, 1); /* the first action */
	nl_put_str(req, TCA_ACT_KIND, "mirred");
	nl_nest(req, TCA_ACT_OPTIONS);
	nl_put(req, TCA_MIRRED_PARMS, &mirred, sizeof(mirred));
	nl_end(req);
	nl_end(req);
	nl_end(req);
}

void qdisc_put_redirect(struct nl_req *req, int index, const char *name, int to)
{
	const struct tc_u32_sel sel = { .flags = TC_U32_TERMINAL, .nkeys = 1 };
	/* One key that masks everything away: it matches any packet. */
	uint8_t match[sizeof(sel) + sizeof(struct tc_u32_key)] = { 0 };

	memcpy(match, &sel, sizeof(sel));
	put_tc(req, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL,
	       &(struct tcmsg){ .tcm_family = AF_UNSPEC,
				.tcm_ifindex = index,
				.tcm_parent = QDISC_INGRESS,
				.tcm_info = TC_H_MAKE(1u << 16, htons(ETH_P_ALL)) });
	nl_what(req, "redirect what comes in through %s", name);
	nl_module(req, "cls_u32 and act_mirred");
	nl_put_str(req, TCA_KIND, "u32");
	nl_nest(req, TCA_OPTIONS);
	nl_put_u32(req, TCA_U32_CLASSID, TC_H_MAKE(1u << 16, 1));
	nl_put(req, TCA_U32_SEL, match, sizeof(match));
	put_mirred(req, to);
	nl_end(req);
}

void qdisc_put_delete(struct nl_req *req, int index, const char *name, uint32_t place,
		      const struct qdisc *which)
{
	/* The kernel compares both and refuses (EINVAL) what is another's. */
	put_tc(req, RTM_DELQDISC, 0,
	       &(struct tcmsg){ .tcm_family = AF_UNSPEC,
				.tcm_ifindex = index,
				.tcm_parent = place,
				.tcm_handle = which->handle });
	nl_what(req, "delete qdisc %s of %s", which->kind, name);
	nl_tolerate(req, ENOENT);
	nl_tolerate(req, EINVAL);
	nl_tolerate(req, ENODEV);
	nl_tolerate(req, EOPNOTSUPP); /* a kernel without any */
	nl_put_str(req, TCA_KIND, which->kind);
}

/* A dump would list the qdiscs of all links of the node; one is answered only as an echo. */
void qdisc_put_get(struct nl_req *req, int index, const char *name, uint32_t place)
{
	put_tc(
	    req, RTM_GETQDISC, NLM_F_ECHO,
	    &(struct tcmsg){ .tcm_family = AF_UNSPEC, .tcm_ifindex = index, .tcm_parent = place });
	nl_what(req, "read the qdisc of %s", name);
	nl_tolerate(req, ENOENT);
	nl_tolerate(req, EINVAL);     /* the kernel's own, which is not to be seen */
	nl_tolerate(req, EOPNOTSUPP); /* below one that has no children */
}

/* ---- answers */

static struct tbf parse_tbf(const struct nlattr *options)
{
	const struct nlattr *tb[TCA_TBF_MAX + 1];
	const struct tc_tbf_qopt *qopt;
	const uint64_t *rate64;
	struct tbf tbf = { .rate = 0 };

	attr_parse_nest(options, tb, TCA_TBF_MAX);
	qopt = attr_data(tb[TCA_TBF_PARMS], sizeof(*qopt));
	rate64 = attr_data(tb[TCA_TBF_RATE64], sizeof(*rate64));
	if (qopt == NULL)
		return tbf;
	tbf = (struct tbf){ .rate = qopt->rate.rate, .buffer = qopt->buffer, .limit = qopt->limit };
	if (rate64 != NULL)
		memcpy(&tbf.rate, rate64, sizeof(tbf.rate));
	return tbf;
}

bool qdisc_parse(const struct nlmsghdr *nlh, struct qdisc *ret)
{
	const struct tcmsg *tc = attr_header(nlh, sizeof(*tc));
	const struct nlattr *tb[TCA_MAX + 1];

	if (nlh->nlmsg_type != RTM_NEWQDISC || tc == NULL)
		return false;
	attr_parse(nlh, sizeof(*tc), tb, TCA_MAX);
	*ret = (struct qdisc){ .handle = tc->tcm_handle };
	attr_str(tb[TCA_KIND], ret->kind, sizeof(ret->kind));
	if (strcmp(ret->kind, "tbf") == 0)
		ret->tbf = parse_tbf(tb[TCA_OPTIONS]);
	return true;
}

static bool matches_all(const struct nlattr *attr)
{
	const struct tc_u32_sel *sel = attr_data(attr, sizeof(*sel));
	const uint8_t *bytes = attr_data(attr, sizeof(*sel) + sizeof(struct tc_u32_key));
	struct tc_u32_key key;

	if (sel == NULL || sel->nkeys == 0)
		return sel != NULL;
	if (sel->nkeys != 1 || bytes == NULL)
		return false;
	memcpy(&key, bytes + sizeof(*sel), sizeof(key));
	return key.mask == 0;
}

/* The link that the first action sends to; -1: it does something else. */
static int redirects_to(const struct nlattr *actions)
{
	const struct nlattr *list[TCA_ACT_MAX_PRIO + 1], *act[TCA_ACT_MAX + 1],
	    *tb[TCA_MIRRED_MAX + 1];
	const struct tc_mirred *mirred;
	char kind[16];

	attr_parse_nest(actions, list, TCA_ACT_MAX_PRIO);
	attr_parse_nest(list[1], act, TCA_ACT_MAX);
	attr_str(act[TCA_ACT_KIND], kind, sizeof(kind));
	if (strcmp(kind, "mirred") != 0)
		return -1;
	attr_parse_nest(act[TCA_ACT_OPTIONS], tb, TCA_MIRRED_MAX);
	mirred = attr_data(tb[TCA_MIRRED_PARMS], sizeof(*mirred));
	return mirred != NULL && mirred->eaction == TCA_EGRESS_REDIR ? (int)mirred->ifindex : -1;
}

static int take_filter(const struct nlmsghdr *nlh, void *arg, struct cni_error *err)
{
	const struct tcmsg *tc = attr_header(nlh, sizeof(*tc));
	const struct nlattr *tb[TCA_MAX + 1], *u32[TCA_U32_MAX + 1];
	struct redirect *r = arg;
	char kind[16];
	int to;

	(void)err;
	if (nlh->nlmsg_type != RTM_NEWTFILTER || tc == NULL)
		return 0;
	attr_parse(nlh, sizeof(*tc), tb, TCA_MAX);
	attr_str(tb[TCA_KIND], kind, sizeof(kind));
	attr_parse_nest(tb[TCA_OPTIONS], u32, TCA_U32_MAX);
	/* Beside the filters the kernel lists what they hang on: no handle, or a hash table. */
	if (tc->tcm_handle == 0 || (strcmp(kind, "u32") == 0 && u32[TCA_U32_DIVISOR] != NULL))
		return 0;
	to = strcmp(kind, "u32") == 0 ? redirects_to(u32[TCA_U32_ACT]) : -1;
	if (to < 0 || r->found || !matches_all(u32[TCA_U32_SEL]) ||
	    TC_H_MIN(tc->tcm_info) != htons(ETH_P_ALL)) {
		r->others = true;
		return 0;
	}
	r->found = true;
	r->to = to;
	return 0;
}

static void forget(void *arg)
{
	*(struct redirect *)arg = (struct redirect){ .to = 0 };
}

int qdisc_redirect(struct nl *nl, int index, const char *name, struct redirect *ret,
		   struct cni_error *err)
{
	struct redirect found = { .to = 0 };
	const struct nl_dump dump = { .each = take_filter, .restart = forget, .arg = &found };
	struct nl_req req;

	nl_begin(&req);
	put_tc(&req, RTM_GETTFILTER, 0,
	       &(struct tcmsg){
		   .tcm_family = AF_UNSPEC, .tcm_ifindex = index, .tcm_parent = QDISC_INGRESS });
	nl_what(&req, "list the filters of %s", name);
	/* A kernel without filters has none. */
	if (nl_dump(nl, &req, &dump, err) < 0 && err->sys != EOPNOTSUPP)
		return -1;
	*ret = found;
	return 0;
}
