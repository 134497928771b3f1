/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netlink/fdb.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/grow.h"
#include "netlink/attr.h"
#include "netlink/req.h"

static void put(struct nl_req *req, uint16_t type, uint16_t flags, int index, const struct mac *mac)
{
	const struct ndmsg ndm = {
		.ndm_family = AF_BRIDGE,
		.ndm_ifindex = index,
		.ndm_state = type == RTM_NEWNEIGH ? NUD_PERMANENT : 0,
		.ndm_flags = NTF_SELF,
	};

	nl_msg(req, type, flags, &ndm, sizeof(ndm));
	nl_put(req, NDA_LLADDR, mac->b, sizeof(mac->b));
}

static void say(struct nl_req *req, const char *what, int index, const struct mac *mac)
{
	char text[MAC_TEXT];

	mac_print(mac, text);
	nl_what(req, "%s FDB entry %s of link number %d", what, text, index);
}

void fdb_put_set(struct nl_req *req, int index, const struct mac *mac, const struct ip *dst)
{
	put(req, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, index, mac);
	say(req, "set", index, mac);
	nl_put_ip(req, NDA_DST, dst);
}

void fdb_put_delete(struct nl_req *req, int index, const struct fdb *f)
{
	put(req, RTM_DELNEIGH, 0, index, &f->mac);
	say(req, "remove", index, &f->mac);
	nl_tolerate(req, ENOENT);
	/* A group address may have several. An odd one is not named by its destination alone. */
	if (f->has_dst && !f->odd)
		nl_put_ip(req, NDA_DST, &f->dst);
}

void fdb_put_get(struct nl_req *req, int index, const struct mac *mac)
{
	put(req, RTM_GETNEIGH, 0, index, mac);
	say(req, "read", index, mac);
	nl_tolerate(req, ENOENT);
	nl_tolerate(req, EOPNOTSUPP); /* before Linux 5.0 */
}

bool fdb_parse(const struct nlmsghdr *nlh, int index, struct fdb *ret)
{
	const struct ndmsg *ndm = attr_header(nlh, sizeof(*ndm));
	const struct nlattr *tb[NDA_MAX + 1];

	if (nlh->nlmsg_type != RTM_NEWNEIGH || ndm == NULL || ndm->ndm_family != AF_BRIDGE ||
	    ndm->ndm_ifindex != index || (ndm->ndm_state & NUD_PERMANENT) == 0)
		return false;
	attr_parse(nlh, sizeof(*ndm), tb, NDA_MAX);
	/* An entry of the bridge that the link is a port of has no destination, nor NTF_SELF. */
	if ((ndm->ndm_flags & NTF_SELF) == 0 || tb[NDA_MASTER] != NULL)
		return false;
	*ret = (struct fdb){
		.mac = attr_mac(tb[NDA_LLADDR]),
		.has_dst = tb[NDA_DST] != NULL,
		.dst = attr_ip(tb[NDA_DST], attr_len(tb[NDA_DST]) == 16 ? AF_INET6 : AF_INET),
		.odd = tb[NDA_PORT] != NULL || tb[NDA_VNI] != NULL || tb[NDA_SRC_VNI] != NULL ||
		       tb[NDA_IFINDEX] != NULL || tb[NDA_NH_ID] != NULL,
	};
	return true;
}

struct found {
	int index;
	struct fdb *list;
	size_t n, cap;
};

static int take(const struct nlmsghdr *nlh, void *arg, struct cni_error *err)
{
	struct found *f = arg;
	struct fdb one;

	if (!fdb_parse(nlh, f->index, &one))
		return 0;
	if (grow(&f->list, f->n, &f->cap, sizeof(*f->list), err) < 0)
		return -1;
	f->list[f->n++] = one;
	return 0;
}

static void forget(void *arg)
{
	struct found *f = arg;

	f->n = 0;
}

int fdb_list(struct nl *nl, int index, struct fdb **ret, size_t *ret_n, struct cni_error *err)
{
	struct found f = { .index = index };
	const struct nl_dump dump = { .each = take, .restart = forget, .arg = &f };
	struct nl_req req;

	nl_begin(&req);
	nl_msg(&req, RTM_GETNEIGH, 0,
	       &(struct ndmsg){ .ndm_family = AF_BRIDGE, .ndm_ifindex = index },
	       sizeof(struct ndmsg));
	nl_what(&req, "list FDB entries of link number %d", index);
	if (nl_dump(nl, &req, &dump, err) < 0) {
		free(f.list);
		return -1;
	}
	*ret = f.list;
	*ret_n = f.n;
	return 0;
}
