/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "fuzz.h"
#include "netlink/attr.h"
#include "netlink/linkmsg.h"
#include "netlink/qdisc.h"
#include "netlink/vlanmsg.h"

static bool ended(const char *s, size_t cap)
{
	return memchr(s, '\0', cap) != NULL;
}

static bool same(const struct link *a, const struct link *b)
{
	return a->index == b->index && a->mtu == b->mtu && a->master == b->master &&
	       a->peer == b->peer && mac_equal(&a->mac, &b->mac) && strcmp(a->name, b->name) == 0 &&
	       strcmp(a->alias, b->alias) == 0 && strcmp(a->kind, b->kind) == 0 &&
	       a->hairpin == b->hairpin && a->vlan_filtering == b->vlan_filtering;
}

/* A message of `size` bytes, with `behind` more that do not belong to it; the caller frees it. */
static struct nlmsghdr *message(const uint8_t *data, size_t size, size_t behind)
{
	struct nlmsghdr *nlh = calloc(1, size + behind);

	FUZZ_CHECK(nlh != NULL);
	memcpy(nlh, data, size);
	memset((uint8_t *)nlh + size, 0xff, behind);
	nlh->nlmsg_len = (uint32_t)size;
	nlh->nlmsg_type = RTM_NEWLINK;
	return nlh;
}

/* Walking the attributes comes to its end, whatever lengths they claim. */
static void walk(const struct nlmsghdr *nlh)
{
	const struct nlattr *at = NULL;
	size_t steps = 0;

	while ((at = attr_next(nlh, sizeof(struct ifinfomsg), at)) != NULL) {
		FUZZ_CHECK(attr_len(at) <= nlh->nlmsg_len);
		FUZZ_CHECK(++steps <= nlh->nlmsg_len);
	}
}

/* The same bytes as the answer about a qdisc. */
static void read_qdisc(struct nlmsghdr *nlh, struct nlmsghdr *longer)
{
	struct qdisc qdisc, again;

	nlh->nlmsg_type = longer->nlmsg_type = RTM_NEWQDISC;
	if (!qdisc_parse(nlh, &qdisc)) {
		FUZZ_CHECK(!qdisc_parse(longer, &again));
		return;
	}
	FUZZ_CHECK(qdisc_parse(longer, &again));
	FUZZ_CHECK(ended(qdisc.kind, sizeof(qdisc.kind)));
	FUZZ_CHECK(qdisc.handle == again.handle && strcmp(qdisc.kind, again.kind) == 0);
	FUZZ_CHECK(qdisc.tbf.rate == again.tbf.rate && qdisc.tbf.limit == again.tbf.limit &&
		   qdisc.tbf.buffer == again.tbf.buffer);
}

/* The same bytes as the list of a port's VLANs: each is one, and its port is the one asked for. */
static void read_vlans(struct nlmsghdr *nlh, struct nlmsghdr *longer)
{
	struct vlan_found found = { 0 }, again = { 0 };
	struct cni_error err;

	nlh->nlmsg_type = longer->nlmsg_type = RTM_NEWVLAN;
	if (nlh->nlmsg_len >= sizeof(*nlh) + 8) /* br_vlan_msg, its ifindex */
		memcpy(&found.port, (uint8_t *)(nlh + 1) + 4, sizeof(found.port));
	again.port = found.port;
	FUZZ_CHECK(vlan_take(nlh, &found, &err) == 0 && vlan_take(longer, &again, &err) == 0);
	FUZZ_CHECK(found.n == again.n);
	for (size_t i = 0; i < found.n; i++) {
		FUZZ_CHECK(found.list[i].id <= 4094 && found.list[i].id == again.list[i].id);
		FUZZ_CHECK(found.list[i].pvid == again.list[i].pvid);
		FUZZ_CHECK(found.list[i].untagged == again.list[i].untagged);
	}
	free(found.list);
	free(again.list);
}

/* A link message of any bytes: texts end within their fields, and what stands behind the message
 * has no influence. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct link link, again;
	struct nlmsghdr *nlh, *longer;
	bool known;

	if (size < sizeof(*nlh))
		return 0;
	nlh = message(data, size, 0);
	longer = message(data, size, 64);
	known = link_parse(nlh, &link);
	FUZZ_CHECK(known == link_parse(longer, &again));
	if (known) {
		FUZZ_CHECK(ended(link.name, sizeof(link.name)));
		FUZZ_CHECK(ended(link.alias, sizeof(link.alias)));
		FUZZ_CHECK(ended(link.kind, sizeof(link.kind)));
		FUZZ_CHECK(same(&link, &again));
		walk(nlh);
	}
	read_qdisc(nlh, longer);
	read_vlans(nlh, longer);
	free(nlh);
	free(longer);
	return 0;
}
