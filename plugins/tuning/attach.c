/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. ADD looks at everything first: the allow-list, the link, the host end, each
 * kernel switch. Then it writes the old values of what it will change into the backup file, whole,
 * and only then changes anything, in this order:
 *
 *	kernel switches, in the configuration's order
 *	the MAC (pkg/netlink/remac.c keeps what hangs on it), and tells the neighbours
 *	promiscuous mode, MTU, all-multicast mode, queue length: one sendmsg; then the host end's
 *MTU
 *
 * From the file on, undoing is what DEL does: put back what the file says, remove the file. So a
 * crash at any point leaves what the next DEL puts right. A second ADD, after a crash, finds the
 * first one's file: its values are the older ones and stay, if namespace and link are the same.
 */
#include "attach.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "allowlist.h"
#include "backup.h"
#include "base/undo.h"
#include "netlink/linkset.h"
#include "restore.h"
#include "switches.h"
#include "tune.h"

struct attaching {
	const struct cni_args *args;
	const struct tuning_conf *conf;
	struct tune t; /* open only if the link is to be changed */
	struct tuning_backup b;
};

static bool wants_host_end(const struct tuning_conf *conf)
{
	return conf->mtu_both_ends && conf->link.has_mtu;
}

static void close_attaching(struct attaching *a)
{
	tune_close(&a->t);
	tuning_backup_free(&a->b);
}

/* ---- old values */

/* Of a property that is to be set, and of which nothing older is known. */
static void remember_link(struct attaching *a)
{
	const struct link_values *want = &a->conf->link;
	struct link_values *old = &a->b.link;
	const struct link *now = &a->t.link;

	if (want->has_mac && !old->has_mac) {
		old->has_mac = true;
		old->mac = now->mac;
	}
	if (want->has_promisc && !old->has_promisc) {
		old->has_promisc = true;
		old->promisc = (now->flags & IFF_PROMISC) != 0;
	}
	if (want->has_mtu && !old->has_mtu) {
		old->has_mtu = true;
		old->mtu = now->mtu;
	}
	if (want->has_allmulti && !old->has_allmulti) {
		old->has_allmulti = true;
		old->allmulti = (now->flags & IFF_ALLMULTI) != 0;
	}
	if (want->has_txqlen && !old->has_txqlen) {
		old->has_txqlen = true;
		old->txqlen = now->txqlen;
	}
	if (wants_host_end(a->conf) && a->b.host_mtu == 0)
		a->b.host_mtu = a->t.host_end.mtu;
}

static int set_text(char **member, const char *text, struct cni_error *err)
{
	char *copy = strdup(text);

	if (copy == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	free(*member);
	*member = copy;
	return 0;
}

/* What an earlier ADD of this attachment, killed since, has found; anything else is forgotten. */
static void load_earlier(struct attaching *a, int64_t netns)
{
	struct cni_error ignored;
	bool found;

	if (backup_load(a->args, a->conf->data_dir, &a->b, &found, &ignored) < 0 || !found)
		return;
	if (!restore_is_same(&a->b, netns, a->t.link.index))
		tuning_backup_free(&a->b);
}

static int remember(struct attaching *a, struct cni_error *err)
{
	int64_t netns = restore_netns(a->args);

	load_earlier(a, netns);
	a->b.netns = netns;
	if (a->t.link.index != 0)
		a->b.ifindex = a->t.link.index;
	remember_link(a);
	if (set_text(&a->b.network, a->args->network, err) < 0 ||
	    set_text(&a->b.container, a->args->container, err) < 0 ||
	    set_text(&a->b.ifname, a->args->ifname, err) < 0 ||
	    switches_remember(a->args->netns_fd, a->conf, &a->b, err) < 0)
		return -1;
	if (a->b.n_sysctls == 0 && !tuning_conf_has_link(a->conf))
		return 0; /* nothing to be put back */
	return backup_save(a->args, a->conf->data_dir, &a->b, err);
}

/* ---- new values */

static void undo_all(void *attaching, const void *unused)
{
	struct attaching *a = attaching;
	struct cni_error ignored;

	(void)unused;
	tune_close(&a->t);
	(void)restore_values(a->args, &a->b, &ignored);
	(void)backup_remove(a->args, a->conf->data_dir, &ignored);
}

/* The kernel announces IPv4 addresses with the change itself. */
static void announce6(struct attaching *a)
{
	const struct cni_result *prev = &a->args->prev;
	scoped_free struct ip_config *ips = calloc(prev->n_ips + 1, sizeof(*ips));
	struct pod_config conf = { .index = a->t.link.index, .ifname = a->t.link.name };

	for (size_t i = 0; ips != NULL && i < prev->n_ips; i++) {
		if (ip_is4(&prev->ips[i].address.addr) ||
		    !cni_result_ip_is_pods(prev, i, a->args->ifname))
			continue;
		ips[conf.n_ips] = prev->ips[i];
		ips[conf.n_ips++].interface = conf.interface;
	}
	conf.ips = ips;
	if (conf.n_ips > 0)
		pod_announce(&a->t.pod, &conf, &a->conf->link.mac, NULL, 0);
}

static int change_link(struct attaching *a, struct cni_error *err)
{
	const struct link_values *want = &a->conf->link;
	const struct link_values host = { .has_mtu = true, .mtu = want->mtu };
	struct tune *t = &a->t;

	if (want->has_mac && !mac_equal(&want->mac, &t->link.mac)) {
		if (link_change_mac(&t->pod.nl, t->link.index, t->link.name, &want->mac, err) < 0)
			return -1;
		announce6(a);
	}
	if (link_set_values(&t->pod.nl, &t->link, want, err) < 0)
		return -1;
	return wants_host_end(a->conf) ? link_set_values(&t->host, &t->host_end, &host, err) : 0;
}

/* ---- the result */

static int update(struct cni_interface *itf, const struct link_values *v, struct cni_error *err)
{
	char mac[MAC_TEXT];

	if (v->has_mtu)
		itf->mtu = v->mtu;
	if (!v->has_mac)
		return 0;
	mac_print(&v->mac, mac);
	return set_text(&itf->mac, mac, err);
}

static int update_result(const struct attaching *a, struct cni_result *result,
			 struct cni_error *err)
{
	for (size_t i = 0; i < result->n_interfaces; i++) {
		struct cni_interface *itf = &result->interfaces[i];

		if (itf->name == NULL || strcmp(itf->name, a->args->ifname) != 0 ||
		    itf->sandbox == NULL || itf->sandbox[0] == '\0')
			continue;
		if (update(itf, &a->conf->link, err) < 0)
			return -1;
	}
	return 0;
}

static int apply(struct attaching *a, struct cni_result *result, struct cni_error *err)
{
	scoped_undo struct undo undo = { .n = 0 };
	const bool has_link = tuning_conf_has_link(a->conf);

	if (a->conf->n_sysctls != 0 && allowlist_check(a->conf, err) < 0)
		return -1;
	if (has_link && tune_open(a->args, wants_host_end(a->conf), &a->t, err) < 0)
		return -1;
	if (update_result(a, result, err) < 0 || remember(a, err) < 0)
		return -1;
	undo_push(&undo, undo_all, a, NULL);
	if (switches_apply(a->args->netns_fd, a->conf, err) < 0 ||
	    (has_link && change_link(a, err) < 0))
		return -1;
	undo_commit(&undo);
	return 0;
}

int tuning_attach(const struct cni_args *args, const struct tuning_conf *conf,
		  struct cni_result *result, struct cni_error *err)
{
	SCOPED(close_attaching) struct attaching a = { .args = args, .conf = conf };

	/* Without memory it should fail before anything is changed. */
	if (cni_result_copy(result, &args->prev, err) < 0)
		return -1;
	if (conf->n_sysctls == 0 && !tuning_conf_has_link(conf))
		return 0;
	return apply(&a, result, err);
}
