/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "net/ifname.h"
#include "net/mac.h"
#include "netlink/sock.h"

/* What RTM_GETLINK tells, as far as we use it. */
struct link {
	int index;
	char name[IFNAME_MAX];
	unsigned flags; /* IFF_UP … */
	uint32_t mtu;
	uint32_t txqlen;
	struct mac mac;
	bool arp_notify;     /* the IPv4 switch of this link */
	int master;	     /* ifindex or 0 */
	int peer;	     /* IFLA_LINK: a veth's other end, in its namespace; or 0 */
	bool peer_elsewhere; /* that namespace is not ours */
	int peer_nsid;	     /* then: its number here, link_nsid() */
	uint8_t operstate;   /* IF_OPER_UP … ; may lag behind: link_settle() */
	uint32_t promiscuity;
	char kind[16];	     /* "veth", "bridge", "" for physical ones */
	char slave_kind[16]; /* "bridge" for a bridge port */
	char alias[IFALIAS_TEXT];
	bool hairpin, isolated; /* of a bridge port */
	uint8_t port_state;	/* of a bridge port: BR_STATE_FORWARDING … */
	bool vlan_filtering;	/* of a bridge */
};

/* err->sys == ENODEV when there is no such link. By name asks for exactly that name. */
int link_get(struct nl *nl, const char *name, struct link *ret, struct cni_error *err);
int link_get_index(struct nl *nl, int index, struct link *ret, struct cni_error *err);

/* Every link of `kind` (filtered in the kernel where it can); `each` returns -1 with err to stop.
 */
int link_each(struct nl *nl, const char *kind,
	      int (*each)(const struct link *link, void *arg, struct cni_error *err), void *arg,
	      struct cni_error *err);

/* Absent is success. Blocks about 20 ms for RCU (kernel.md). `what` for the messages: the name. */
int link_delete(struct nl *nl, const char *name, struct cni_error *err);
int link_delete_index(struct nl *nl, int index, const char *name, struct cni_error *err);

int link_set_flags(struct nl *nl, int index, unsigned flags, unsigned mask, const char *what,
		   struct cni_error *err);
int link_set_up(struct nl *nl, int index, const char *name, struct cni_error *err);
int link_set_down(struct nl *nl, int index, const char *name, struct cni_error *err);
int link_set_mac(struct nl *nl, int index, const char *name, const struct mac *mac,
		 struct cni_error *err);
/* Make the link a port of bridge `master`; 0: of none. */
int link_set_master(struct nl *nl, int index, const char *name, int master, struct cni_error *err);

/* An IPv4 per-device switch (IPV4_DEVCONF_ROUTE_LOCALNET, _ARP_NOTIFY, _FORWARDING …) by
 * RTM_NEWLINK: works with a read-only /proc/sys. */
int link_set_inet(struct nl *nl, int index, const char *name, int devconf, uint32_t value,
		  struct cni_error *err);

/*
 * A bridge. Its MAC is pinned in the creating message, so that it does not follow its ports and
 * udev keeps off. mtu 0: the kernel's. EEXIST in err->sys when the name is taken (not ours to judge
 * here).
 */
struct bridge_spec {
	const char *name;
	uint32_t mtu;
	struct mac mac;
	bool vlan_filtering;
};
int link_add_bridge(struct nl *nl, const struct bridge_spec *spec, struct cni_error *err);

/*
 * A veth pair in one sendmsg: both names, MTUs and MACs, the alias, the host end's bridge port
 * flags, the peer already in the pod's namespace (down), the host end a port of `master` and UP; no
 * IPv6 link-local address on the host end (addr_gen_mode none before it goes up, so that a new port
 * does not flood all others). A name taken is err->sys == EEXIST; the message says whether the
 * host's or the pod's name is taken. The 1,024th port of a bridge (EXFULL) is CNI_EXHAUSTED with a
 * message of its own. On failure nothing is left (the pair is deleted again if it was made).
 */
struct veth_spec {
	const char *host_name;
	const char *alias; /* of the host end; NULL: none */
	struct mac host_mac;
	int master; /* bridge ifindex; 0: none */
	const char *master_name;
	bool hairpin, isolated;
	uint32_t mtu; /* both ends; 0: the kernel's */
	const char *pod_name;
	struct mac pod_mac;
	int netns_fd; /* -1: the peer stays here (a VLAN gateway) */
};
/* *ret_host is filled from an RTM_GETLINK in the same sendmsg; its .peer is the pod end's ifindex.
 */
int link_add_veth(struct nl *nl, const struct veth_spec *spec, struct link *ret_host,
		  struct cni_error *err);
