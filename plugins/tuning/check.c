/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "attach.h"
#include "base/text.h"
#include "detach.h"
#include "netlink/linkset.h"
#include "switches.h"

static const char *const properties[] = { "Ethernet", "promiscuous mode", "MTU",
					  "all-multicast mode", "transmit queue length" };

struct texts {
	char of[ARRAY_SIZE(properties)][MAC_TEXT];
};

/* What is not chosen is zero on both sides, and so equal. */
static struct texts print(const struct link_values *v)
{
	struct texts t;

	mac_print(&v->mac, t.of[0]);
	(void)text_format(t.of[1], MAC_TEXT, "%s", v->promisc ? "true" : "false");
	(void)text_format(t.of[2], MAC_TEXT, "%u", v->mtu);
	(void)text_format(t.of[3], MAC_TEXT, "%s", v->allmulti ? "true" : "false");
	(void)text_format(t.of[4], MAC_TEXT, "%u", v->txqlen);
	return t;
}

static int compare(const struct link *link, const struct link_values *want, struct cni_error *err)
{
	struct link_values now = { .has_mac = false };
	struct texts should = print(want), is;

	link_values_take(&now, link, want);
	is = print(&now);
	for (size_t i = 0; i < ARRAY_SIZE(properties); i++) {
		if (strcmp(is.of[i], should.of[i]) != 0)
			return cni_fail(err, CNI_CHECK_FAILED,
					"Error: Tuning configured %s of %s is %s, current value is "
					"%s",
					properties[i], link->name, should.of[i], is.of[i]);
	}
	return 0;
}

int tuning_check(const struct cni_args *args, const struct tuning_conf *conf, struct cni_error *err)
{
	const struct link_values host = { .has_mtu = true, .mtu = conf->link.mtu };
	scoped_tune struct tune t = { .host_end = { .index = 0 } };

	if (switches_call(args->netns_fd, switches_compare, &(struct switches){ .conf = conf },
			  err) < 0)
		return -1;
	if (!link_values_any(&conf->link))
		return 0;
	if (tune_open(args, conf->mtu_both_ends, &t, err) < 0 ||
	    compare(&t.link, &conf->link, err) < 0)
		return -1;
	return conf->mtu_both_ends ? compare(&t.host_end, &host, err) : 0;
}
