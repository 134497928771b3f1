/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. The device is compared with what it should be, and what differs is repaired
 * by the mildest means. MTU, MAC and addresses change in place: pods keep their streams (a new MAC
 * makes the kernel drop the neighbours, which are written again right after). What a link cannot
 * change once it is there (VNI, port, underlay, local address, flags) takes a new device: delete
 * and create, all entries with it. The new address is added before old ones go, since the kernel
 * drops plain routes with a link's last address.
 *
 * A device of our name and kind is ours, whatever its attributes: flannel's own becomes ours, and
 * ours flannel's. Nothing here is undone on failure. The next run sees what is missing.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/fs.h"
#include "base/grow.h"
#include "base/text.h"
#include "netlink/addr.h"
#include "netlink/linkset.h"
#include "netlink/offload.h"
#include "netlink/req.h"
#include "overlay/device.h"

struct vxlan device_vxlan(const struct side *s)
{
	const struct overlay *o = s->o;

	return (struct vxlan){
		.vni = o->vni,
		.link = s->bind,
		.has_local = true,
		.local = s->local,
		.port = o->port,
		.learning = o->learning,
		.gbp = o->gbp,
		/* Over IPv6 it is always there, and this attribute says nothing. */
		.udp_csum = o->checksum != OVERLAY_CSUM_OUTER_OFF || s->family == AF_INET6,
	};
}

/* The outer packet may be fragmented, as flannel has it: a smaller MTU on the way loses nothing. */
struct ipip device_ipip(const struct side *s)
{
	static const uint8_t any[4];

	return (struct ipip){ .local = s->local, .remote = ip_from_bytes(any, sizeof(any)) };
}

static const char *other_vxlan(const struct vxlan *is, const struct vxlan *want)
{
	if (is->vni != want->vni)
		return "VNI";
	if (is->port != want->port)
		return "port";
	if (is->link != want->link)
		return "underlay interface";
	if (!is->has_local || !ip_equal(&is->local, &want->local))
		return "local address";
	if (is->learning != want->learning)
		return "learning";
	if (is->gbp != want->gbp)
		return "GBP";
	if (is->udp_csum != want->udp_csum)
		return "outer checksum";
	if (is->has_remote || is->external || is->ttl != want->ttl)
		return "remote or TTL";
	return NULL;
}

static const char *other_ipip(const struct ipip *is, const struct ipip *want)
{
	if (is->link != want->link)
		return "underlay interface";
	if (!ip_equal(&is->local, &want->local))
		return "local address";
	if (!ip_equal(&is->remote, &want->remote))
		return "remote address";
	if (is->ttl != want->ttl || is->pmtudisc != want->pmtudisc)
		return "TTL or path MTU discovery";
	return NULL;
}

static const char *other_attribute(const struct side *s)
{
	const struct vxlan vxlan = device_vxlan(s);
	const struct ipip ipip = device_ipip(s);

	return s->o->backend == OVERLAY_IPIP ? other_ipip(&s->tunnel.ipip, &ipip)
					     : other_vxlan(&s->tunnel.vxlan, &vxlan);
}

/* Everything of global scope on it is ours; link-local addresses are the kernel's. */
static int compare_addresses(struct nl *nl, const struct side *s, struct device_fault *f,
			     struct cni_error *err)
{
	scoped_free struct addr *list = NULL;
	size_t n = 0, cap = 0;

	if (addr_list(nl, side_index(s), s->family, &list, &n, err) < 0)
		return -1;
	f->address = true;
	for (size_t i = 0; i < n; i++) {
		if (ipnet_equal(&list[i].net, &s->address)) {
			f->address = false;
			continue;
		}
		if (ip_is_link_local(&list[i].net.addr))
			continue;
		if (grow(&f->stale, f->n_stale, &cap, sizeof(*f->stale), err) < 0)
			return -1;
		f->stale[f->n_stale++] = list[i].net;
	}
	return 0;
}

int device_compare(struct nl *nl, const struct side *s, struct device_fault *ret,
		   struct cni_error *err)
{
	const struct link *link = &s->tunnel.link;
	struct device_fault f = { .absent = !s->has_tunnel };
	bool on = false;

	if (s->device == NULL || f.absent) {
		*ret = (struct device_fault){ .absent = s->device != NULL };
		return 0;
	}
	f.other = other_attribute(s);
	f.mac = !mac_is_zero(&s->mac) && !mac_equal(&s->mac, &link->mac);
	f.mtu = link->mtu != s->mtu;
	f.down = (link->flags & IFF_UP) == 0;
	if (s->o->checksum == OVERLAY_CSUM_OFF) {
		if (offload_tx_checksum(s->device, &on, err) < 0)
			return -1;
		f.offload = on;
	}
	if (compare_addresses(nl, s, &f, err) < 0) {
		free(f.stale);
		return -1;
	}
	*ret = f;
	return 0;
}

bool device_right(const struct device_fault *f)
{
	return !f->absent && f->other == NULL && !f->mac && !f->mtu && !f->down && !f->offload &&
	       !f->address && f->n_stale == 0;
}

static int create(struct nl *nl, struct side *s, struct cni_error *err)
{
	const struct tunnel_spec spec = { .name = s->device, .mtu = s->mtu, .mac = s->mac };
	const struct vxlan vxlan = device_vxlan(s);
	const struct ipip ipip = device_ipip(s);
	int r = s->o->backend == OVERLAY_IPIP ? link_add_ipip(nl, &spec, &ipip, err)
					      : link_add_vxlan(nl, &spec, &vxlan, err);

	if (r == 0)
		return 0;
	if (err->sys == EEXIST && s->o->backend == OVERLAY_VXLAN) {
		r = cni_wrap(err, "another device has VNI %u on port %u", s->o->vni, s->o->port);
		err->code = CNI_CONFLICT;
	}
	return r;
}

/* No addresses from whoever is inside. A kernel without IPv6 has no such switch, and a read-only
 * /proc/sys is no reason to have no overlay. */
static void refuse_advertisements(const struct side *s)
{
	char path[96];
	struct cni_error ignored;

	(void)text_format(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/accept_ra", s->device);
	if (fs_sysctl(AT_FDCWD, path, "0", &ignored) < 0)
		cni_clear(&ignored);
}

static int make(struct nl *nl, struct side *s, const struct device_fault *f, struct cni_error *err)
{
	if (f->other != NULL && link_delete_index(nl, side_index(s), s->device, err) < 0)
		return -1;
	if (create(nl, s, err) < 0)
		return -1;
	s->has_tunnel = tunnel_get(nl, s->device, &s->tunnel, err) == 0;
	return s->has_tunnel ? 0 : -1;
}

static int bring_up(struct nl *nl, const struct side *s, struct cni_error *err)
{
	int r = link_set_up(nl, side_index(s), s->device, err);

	if (r == 0 || err->sys != EADDRINUSE)
		return r;
	r = cni_wrap(err, "backend.port: %u is in use by another program or another kind of vxlan",
		     s->o->port);
	err->code = CNI_CONFLICT;
	return r;
}

static int set_values(struct nl *nl, const struct side *s, const struct device_fault *f,
		      struct cni_error *err)
{
	const struct link *link = &s->tunnel.link;
	const struct link_values mtu = { .has_mtu = true, .mtu = s->mtu };

	if (f->mac && link_set_mac(nl, link->index, link->name, &s->mac, err) < 0)
		return -1;
	if (f->mtu && link_set_values(nl, link, &mtu, err) < 0)
		return -1;
	return f->offload ? offload_set_tx_checksum(nl, s->device, false, err) : 0;
}

static int set_addresses(struct nl *nl, const struct side *s, const struct device_fault *f,
			 struct cni_error *err)
{
	struct nl_req req;

	nl_begin(&req);
	if (f->address) {
		/* Nobody else can have it: it is this node's subnet. */
		addr_put_add(&req, side_index(s), s->device, &s->address,
			     s->family == AF_INET6 ? IFA_F_NODAD : 0);
		nl_tolerate(&req, EEXIST);
	}
	for (size_t i = 0; i < f->n_stale; i++) {
		if (nl_room(nl, &req, err) < 0)
			return -1;
		addr_put_delete(&req, side_index(s), s->device, &f->stale[i]);
	}
	return nl_flush(nl, &req, err);
}

static int repair(struct nl *nl, struct side *s, struct device_fault *f,
		  struct overlay_report *report, struct cni_error *err)
{
	if (f->absent || f->other != NULL) {
		if (make(nl, s, f, err) < 0)
			return -1;
		report->device_made = true;
		report->added++;
		free(f->stale);
		f->stale = NULL;
		if (device_compare(nl, s, f, err) < 0)
			return -1;
	}
	refuse_advertisements(s);
	report->changed += (size_t)(f->mac + f->mtu + f->offload);
	report->added += f->address;
	report->removed += f->n_stale;
	if (set_values(nl, s, f, err) < 0)
		return -1;
	if (f->down && bring_up(nl, s, err) < 0)
		return -1;
	return set_addresses(nl, s, f, err);
}

int device_ensure(struct nl *nl, struct side *s, struct overlay_report *report,
		  struct cni_error *err)
{
	struct device_fault f;
	int r;

	if (s->device == NULL)
		return 0;
	if (device_compare(nl, s, &f, err) < 0)
		return -1;
	r = repair(nl, s, &f, report, err);
	free(f.stale);
	return r;
}
