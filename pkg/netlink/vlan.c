/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "netlink/vlan.h"

#include <errno.h>
#include <linux/if_bridge.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "base/grow.h"
#include "netlink/attr.h"
#include "netlink/req.h"
#include "netlink/vlanmsg.h"

#define VLAN_MAX 4094
/* Entries of 8 bytes per message: half of what a request holds. */
#define ENTRIES (NL_REQ_BYTES / 16)

static uint16_t flags_of(const struct port_vlan *v)
{
	return (uint16_t)((v->pvid ? BRIDGE_VLAN_INFO_PVID : 0) |
			  (v->untagged ? BRIDGE_VLAN_INFO_UNTAGGED : 0));
}

/* How many VLANs from the first on make one range; a range cannot hold the native VLAN. */
static size_t run(const struct port_vlan *vlans, size_t n)
{
	size_t len = 1;

	while (len < n && !vlans[0].pvid && vlans[len].id == vlans[len - 1].id + 1 &&
	       flags_of(&vlans[len]) == flags_of(&vlans[0]))
		len++;
	return len;
}

static void put_entry(struct nl_req *req, const struct port_vlan *v, unsigned range)
{
	const struct bridge_vlan_info info = { .flags = (uint16_t)(flags_of(v) | range),
					       .vid = v->id };

	nl_put(req, IFLA_BRIDGE_VLAN_INFO, &info, sizeof(info));
}

size_t vlan_put(struct nl_req *req, uint16_t type, int port, const struct port_vlan *vlans,
		size_t n)
{
	size_t done = 0;

	nl_msg(req, type, 0, &(struct ifinfomsg){ .ifi_family = AF_BRIDGE, .ifi_index = port },
	       sizeof(struct ifinfomsg));
	nl_nest(req, IFLA_AF_SPEC);
	for (size_t entries = 0; done < n && entries < ENTRIES - 1; entries += 2) {
		size_t len = run(vlans + done, n - done);

		put_entry(req, &vlans[done], len > 1 ? BRIDGE_VLAN_INFO_RANGE_BEGIN : 0);
		if (len > 1)
			put_entry(req, &vlans[done + len - 1], BRIDGE_VLAN_INFO_RANGE_END);
		done += len;
	}
	nl_end(req);
	return done;
}

static int explain(struct cni_error *err)
{
	if (err->sys != EOPNOTSUPP)
		return -1;
	return cni_wrap(err, "no VLANs here: the kernel's bridge has no VLAN filtering "
			     "(CONFIG_BRIDGE_VLAN_FILTERING), or this is no bridge port");
}

/* One caller's wish. */
struct change {
	uint16_t type; /* RTM_SETLINK or RTM_DELLINK */
	int port;
	const char *name;
};

static int apply(struct nl *nl, const struct change *c, const struct port_vlan *vlans, size_t n,
		 struct cni_error *err)
{
	struct nl_req req;

	for (size_t done = 0; done < n;) {
		nl_begin(&req);
		done += vlan_put(&req, c->type, c->port, vlans + done, n - done);
		nl_what(&req, "%s bridge port %s",
			c->type == RTM_SETLINK ? "add VLANs to" : "remove VLANs from", c->name);
		if (nl_call(nl, &req, err) < 0)
			return explain(err);
	}
	return 0;
}

int vlan_add(struct nl *nl, int port, const char *name, const struct port_vlan *vlans, size_t n,
	     struct cni_error *err)
{
	return apply(nl, &(struct change){ RTM_SETLINK, port, name }, vlans, n, err);
}

int vlan_delete(struct nl *nl, int port, const char *name, const struct port_vlan *vlans, size_t n,
		struct cni_error *err)
{
	return apply(nl, &(struct change){ RTM_DELLINK, port, name }, vlans, n, err);
}

static int take_entry(struct vlan_found *f, const struct nlattr *entry, struct cni_error *err)
{
	const struct nlattr *tb[BRIDGE_VLANDB_ENTRY_MAX + 1];
	const struct bridge_vlan_info *info;
	unsigned last;

	attr_parse_nest(entry, tb, BRIDGE_VLANDB_ENTRY_MAX);
	info = attr_data(tb[BRIDGE_VLANDB_ENTRY_INFO], sizeof(*info));
	if (info == NULL)
		return 0;
	last = tb[BRIDGE_VLANDB_ENTRY_RANGE] != NULL ? attr_u16(tb[BRIDGE_VLANDB_ENTRY_RANGE])
						     : info->vid;
	for (unsigned id = info->vid; id <= last && id <= VLAN_MAX; id++) {
		if (grow(&f->list, f->n, &f->cap, sizeof(*f->list), err) < 0)
			return -1;
		f->list[f->n++] = (struct port_vlan){
			.id = (uint16_t)id,
			.pvid = (info->flags & BRIDGE_VLAN_INFO_PVID) != 0,
			.untagged = (info->flags & BRIDGE_VLAN_INFO_UNTAGGED) != 0,
		};
	}
	return 0;
}

int vlan_take(const struct nlmsghdr *nlh, void *found, struct cni_error *err)
{
	const struct br_vlan_msg *msg = attr_header(nlh, sizeof(*msg));
	struct vlan_found *f = found;

	if (nlh->nlmsg_type != RTM_NEWVLAN || msg == NULL || (int)msg->ifindex != f->port)
		return 0;
	for (const struct nlattr *a = attr_next(nlh, sizeof(*msg), NULL); a != NULL;
	     a = attr_next(nlh, sizeof(*msg), a)) {
		if (attr_type(a) == BRIDGE_VLANDB_ENTRY && take_entry(f, a, err) < 0)
			return -1;
	}
	return 0;
}

static void forget(void *found)
{
	struct vlan_found *f = found;

	f->n = 0;
}

int vlan_list(struct nl *nl, int port, struct port_vlan **ret, size_t *ret_n, struct cni_error *err)
{
	struct vlan_found f = { .port = port };
	const struct nl_dump dump = { .each = vlan_take, .restart = forget, .arg = &f };
	struct nl_req req;

	nl_begin(&req);
	nl_msg(&req, RTM_GETVLAN, 0,
	       &(struct br_vlan_msg){ .family = AF_BRIDGE, .ifindex = (uint32_t)port },
	       sizeof(struct br_vlan_msg));
	nl_what(&req, "list VLANs of bridge port number %d", port);
	if (nl_dump(nl, &req, &dump, err) < 0) {
		free(f.list);
		return explain(err);
	}
	*ret = f.list;
	*ret_n = f.n;
	return 0;
}
