/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. One sendmsg makes a veth pair ready for use, so that not even SIGKILL leaves
 * a host end that does not say whose it is:
 *
 *	1. create: names, MACs, MTUs, the bridge as master, the peer in the pod; both ends down
 *	2. the alias and the port's flags, which the kernel ignores or refuses in 1
 *	3. no IPv6 link-local address for the host end; only before it goes up, and only in a kernel
 *	   with IPv6, so that an answer EAFNOSUPPORT is fine
 *	4. host end up
 *	5. read it: index, peer's index, what became of it
 *
 * Messages 2 to 5 run even if 1 fails and address the link by name: a link of that name that was
 * there before would be changed by them. Therefore the name is asked for first; the same answer
 * tells whose name is taken when 1 says EEXIST. If anything after 1 fails, the pair is deleted.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>

#include "netlink/attr.h"
#include "netlink/link.h"
#include "netlink/linkmsg.h"
#include "netlink/req.h"

static void put_mac(struct nl_req *req, const struct mac *mac)
{
	if (!mac_is_zero(mac))
		nl_put(req, IFLA_ADDRESS, mac->b, sizeof(mac->b));
}

static void put_end(struct nl_req *req, const char *name, const struct mac *mac, uint32_t mtu)
{
	nl_put_str(req, IFLA_IFNAME, name);
	put_mac(req, mac);
	if (mtu != 0)
		nl_put_u32(req, IFLA_MTU, mtu);
}

static void put_create(struct nl_req *req, const struct veth_spec *spec)
{
	const struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };

	nl_msg(req, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi, sizeof(ifi));
	nl_what(req, "create veth %s with peer %s", spec->host_name, spec->pod_name);
	put_end(req, spec->host_name, &spec->host_mac, spec->mtu);
	if (spec->master != 0)
		nl_put_u32(req, IFLA_MASTER, (uint32_t)spec->master);
	nl_nest(req, IFLA_LINKINFO);
	nl_put_str(req, IFLA_INFO_KIND, "veth");
	nl_nest(req, IFLA_INFO_DATA);
	nl_nest(req, VETH_INFO_PEER);
	nl_raw(req, &ifi, sizeof(ifi));
	put_end(req, spec->pod_name, &spec->pod_mac, spec->mtu);
	if (spec->netns_fd >= 0)
		nl_put_u32(req, IFLA_NET_NS_FD, (uint32_t)spec->netns_fd);
	nl_end(req);
	nl_end(req);
	nl_end(req);
}

static void put_marks(struct nl_req *req, const struct veth_spec *spec)
{
	link_put_set(req, 0, 0, 0);
	nl_what(req, "mark veth %s", spec->host_name);
	nl_put_str(req, IFLA_IFNAME, spec->host_name);
	if (spec->alias != NULL)
		nl_put(req, IFLA_IFALIAS, spec->alias, strlen(spec->alias));
	if (spec->master == 0)
		return;
	nl_nest(req, IFLA_LINKINFO);
	nl_put_str(req, IFLA_INFO_SLAVE_KIND, "bridge");
	nl_nest(req, IFLA_INFO_SLAVE_DATA);
	nl_put_u8(req, IFLA_BRPORT_MODE, spec->hairpin);
	nl_put_u8(req, IFLA_BRPORT_ISOLATED, spec->isolated);
	nl_end(req);
	nl_end(req);
}

static int take_host(const struct nlmsghdr *nlh, size_t index, void *arg, struct cni_error *err)
{
	(void)index;
	(void)err;
	(void)link_parse(nlh, arg);
	return 0;
}

/* Say what a refused creation means; err holds the kernel's words. */
static int explain(const struct veth_spec *spec, struct cni_error *err)
{
	int r;

	if (err->sys == EEXIST)
		return cni_wrap(err, "%s already has an interface %s",
				spec->netns_fd >= 0 ? "the pod" : "the host", spec->pod_name);
	if (err->sys != EXFULL)
		return -1;
	r = cni_fail(err, CNI_EXHAUSTED,
		     "bridge %s already has 1,023 ports, the kernel's limit: use another bridge "
		     "for further pods",
		     spec->master_name);
	err->sys = EXFULL;
	return r;
}

static int create(struct nl *nl, const struct veth_spec *spec, struct link *ret_host,
		  struct cni_error *err)
{
	struct link host = { .index = 0 };
	struct cni_error ignored;
	struct nl_req req;

	nl_begin(&req);
	put_create(&req, spec);
	put_marks(&req, spec);
	link_put_no_link_local(&req, 0, "veth", spec->host_name);
	link_put_up(&req, 0, "veth", spec->host_name);
	link_put_get(&req, 0, spec->host_name);
	req.reply = take_host;
	req.reply_arg = &host;
	if (nl_call(nl, &req, err) < 0) {
		if (req.failed == 0)
			return explain(spec, err);
		(void)link_delete(nl, spec->host_name, &ignored);
		return -1;
	}
	*ret_host = host;
	return 0;
}

int link_add_veth(struct nl *nl, const struct veth_spec *spec, struct link *ret_host,
		  struct cni_error *err)
{
	struct link there;
	int r;

	if (link_get(nl, spec->host_name, &there, err) == 0) {
		r = cni_fail_sys(err, EEXIST, "the host already has an interface %s: create veth",
				 spec->host_name);
		cni_details(err, "%s is %s%s, alias \"%s\"", spec->host_name,
			    there.kind[0] != '\0' ? "a " : "a physical interface", there.kind,
			    there.alias);
		return r;
	}
	if (err->sys != ENODEV)
		return -1;
	cni_clear(err);
	return create(nl, spec, ret_host, err);
}
