/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <net/if.h>

#include "attach.h"
#include "switches.h"
#include "tune.h"

static int check_mac(const struct link *link, const struct mac *want, struct cni_error *err)
{
	char is[MAC_TEXT], should[MAC_TEXT];

	if (mac_equal(&link->mac, want))
		return 0;
	mac_print(&link->mac, is);
	mac_print(want, should);
	return cni_fail(err, CNI_CHECK_FAILED,
			"Error: Tuning configured Ethernet of %s is %s, current value is %s",
			link->name, should, is);
}

static int check_flag(const struct link *link, unsigned flag, bool want, const char *what,
		      struct cni_error *err)
{
	const bool is = (link->flags & flag) != 0;

	if (is == want)
		return 0;
	return cni_fail(err, CNI_CHECK_FAILED,
			"Error: Tuning configured %s of %s is %s, current value is %s", what,
			link->name, want ? "true" : "false", is ? "true" : "false");
}

static int check_number(const struct link *link, uint32_t is, uint32_t want, const char *what,
			struct cni_error *err)
{
	if (is == want)
		return 0;
	return cni_fail(err, CNI_CHECK_FAILED,
			"Error: Tuning configured %s of %s is %u, current value is %u", what,
			link->name, want, is);
}

static int check_link(const struct tune *t, const struct tuning_conf *conf, struct cni_error *err)
{
	const struct link_values *want = &conf->link;
	const struct link *is = &t->link;

	if (want->has_mac && check_mac(is, &want->mac, err) < 0)
		return -1;
	if (want->has_promisc &&
	    check_flag(is, IFF_PROMISC, want->promisc, "promiscuous mode", err) < 0)
		return -1;
	if (want->has_mtu && check_number(is, is->mtu, want->mtu, "MTU", err) < 0)
		return -1;
	if (want->has_mtu && t->host_end.index != 0 &&
	    check_number(&t->host_end, t->host_end.mtu, want->mtu, "MTU", err) < 0)
		return -1;
	if (want->has_allmulti &&
	    check_flag(is, IFF_ALLMULTI, want->allmulti, "all-multicast mode", err) < 0)
		return -1;
	return want->has_txqlen
		   ? check_number(is, is->txqlen, want->txqlen, "transmit queue length", err)
		   : 0;
}

int tuning_check(const struct cni_args *args, const struct tuning_conf *conf, struct cni_error *err)
{
	scoped_tune struct tune t = { .host_end = { .index = 0 } };

	if (switches_check(args->netns_fd, conf, err) < 0)
		return -1;
	if (!tuning_conf_has_link(conf))
		return 0;
	if (tune_open(args, conf->mtu_both_ends && conf->link.has_mtu, &t, err) < 0)
		return -1;
	return check_link(&t, conf, err);
}
