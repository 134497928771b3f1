/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "attach.h"
#include "base/fs.h"
#include "base/text.h"
#include "nft/surroundings.h"
#include "plan.h"

#define SYSCTL_TEXT 128

static bool switch_is(const char *path, char value)
{
	struct cni_error ignored;
	char text[64];

	return fs_read_at(AT_FDCWD, path, text, sizeof(text), NULL, &ignored) == 0 &&
	       text[0] == value;
}

static int check_localnet(struct portmap_plan *p, struct cni_error *err)
{
	char path[SYSCTL_TEXT];
	struct link link;

	if (portmap_way(p, true, &link, err) < 0)
		return portmap_no_way(err) ? 0 : -1;
	(void)text_format(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/route_localnet",
			  link.name);
	if (switch_is(path, '1') || switch_is("/proc/sys/net/ipv4/conf/all/route_localnet", '1'))
		return 0;
	return cni_fail(err, CNI_CHECK_FAILED,
			"%s is not 1: connections to 127.0.0.1 do not reach the pod", path);
}

/* What the surroundings do to host ports is no fault of this attachment: said, not raised. */
static void say(const struct cni_args *args, const char *what)
{
	(void)fprintf(stderr, "portmap CHECK %s %s: %s\n", args->container, args->ifname, what);
}

static void look_at_forwarding(const struct cni_args *args, bool four, const char *path)
{
	char what[256];

	if (switch_is(path, '0')) {
		(void)text_format(what, sizeof(what),
				  "host ports are reached from this host only: %s is 0", path);
		say(args, what);
	}
	if (nft_forward_drops(four)) {
		(void)text_format(
		    what, sizeof(what),
		    "the policy of %s's chain FORWARD is DROP: host ports are reached "
		    "from this host only, unless a rule there accepts packets to and "
		    "from the pod, as with the firewall plugin in the network's list",
		    four ? "iptables" : "ip6tables");
		say(args, what);
	}
}

static void look_around(const struct cni_args *args, struct portmap_plan *p)
{
	bool bridged = switch_is("/proc/sys/net/bridge/bridge-nf-call-iptables", '1');
	struct cni_error ignored;
	struct link link;

	for (size_t i = 0; bridged && i < args->prev.n_interfaces; i++) {
		const struct cni_interface *itf = &args->prev.interfaces[i];

		if (itf->sandbox == NULL && itf->name != NULL &&
		    link_get(&p->nl, itf->name, &link, &ignored) == 0 &&
		    strcmp(link.slave_kind, "bridge") == 0 && !link.hairpin)
			say(args, "the pod cannot reach itself through its host port: "
				  "net.bridge.bridge-nf-call-iptables is 1 and its bridge port has "
				  "no hairpin (hairpinMode of the bridge plugin)");
	}
	if (p->pod.has4)
		look_at_forwarding(args, true, "/proc/sys/net/ipv4/ip_forward");
	if (p->pod.has6)
		look_at_forwarding(args, false, "/proc/sys/net/ipv6/conf/all/forwarding");
}

int portmap_check(const struct cni_args *args, const struct portmap_conf *conf,
		  struct cni_error *err)
{
	scoped_plan struct portmap_plan p = { .n = 0 };

	if (conf->n == 0)
		return 0;
	if (portmap_plan_make(args, conf, &p, err) < 0 ||
	    nft_check(NFT_PORTMAP, &p.owner, p.items, p.n, err) < 0)
		return -1;
	if (portmap_wants_loopback(conf, p.items, p.n, true) && check_localnet(&p, err) < 0)
		return -1;
	look_around(args, &p);
	return 0;
}
