/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation. ADD looks at everything first: the allow-list, the link, the host end, each
 * kernel switch. Then it writes the old values of what it will change into the backup file, whole,
 * and only then changes anything, in this order:
 *
 *	kernel switches, in the configuration's order
 *	the MAC (pkg/netlink/remac.c keeps what hangs on it), and tells the neighbours
 *	promiscuous mode, MTU, all-multicast mode, queue length: one sendmsg
 *	the host end's MTU
 *
 * Looking at the switches, the file and writing them is one visit to the pod's namespace, with one
 * proc. Undoing is what DEL does: put back what the file says, remove the file. So a crash at any
 * point leaves what the next DEL puts right. A second ADD, after a crash, finds the
 * first one's file: its values are the older ones and stay, if namespace and link are the same.
 */
#include "attach.h"

#include <stdlib.h>
#include <string.h>

#include "allowlist.h"
#include "backup.h"
#include "base/undo.h"
#include "detach.h"
#include "netlink/linkset.h"
#include "switches.h"

struct attaching {
	const struct cni_args *args;
	const struct tuning_conf *conf;
	struct tune t; /* open only if the link is to be changed */
	struct tuning_backup b;
};

static void close_attaching(struct attaching *a)
{
	tune_close(&a->t);
	tuning_backup_free(&a->b);
}

/* ---- old values */

/* What an earlier ADD of this attachment, killed since, has found; anything else is forgotten. */
static int load_earlier(struct attaching *a, int64_t netns, struct cni_error *err)
{
	bool found;

	if (backup_load(a->args, a->conf->data_dir, &a->b, &found, err) < 0)
		return err->code == CNI_DECODE ? 0 : -1; /* damaged: replaced */
	if (found && !tuning_is_same(&a->b, true, netns, a->t.link.index))
		tuning_backup_free(&a->b);
	return 0;
}

/* All but the switches, which are remembered in the visit that changes them. */
static int remember(struct attaching *a, struct cni_error *err)
{
	int64_t netns;

	if (tuning_netns(a->args, &netns, err) < 0 || load_earlier(a, netns, err) < 0)
		return -1;
	a->b.netns = netns;
	if (a->t.link.index != 0)
		a->b.ifindex = a->t.link.index;
	link_values_take(&a->b.link, &a->t.link, &a->conf->link);
	if (a->b.host_mtu == 0)
		a->b.host_mtu = a->t.host_end.mtu;
	a->b.network = a->args->network;
	a->b.container = a->args->container;
	a->b.ifname = a->args->ifname;
	return 0;
}

static int save(const struct switches *s, struct cni_error *err)
{
	if (s->b->n_sysctls == 0 && !link_values_any(&s->b->link))
		return 0; /* nothing to be put back */
	return backup_save(s->args, s->conf->data_dir, s->b, err);
}

/* ---- new values */

static void undo_all(void *attaching, const void *unused)
{
	struct attaching *a = attaching;
	struct cni_error ignored;

	(void)unused;
	tune_close(&a->t);
	(void)tuning_restore(a->args, &a->b, true, &ignored);
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

static int change_switches(void *switches, struct cni_error *err)
{
	if (switches_remember(switches, err) < 0 || save(switches, err) < 0)
		return -1;
	return switches_apply(switches, err);
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
	return a->conf->mtu_both_ends ? link_set_values(&t->host, &t->host_end, &host, err) : 0;
}

/* ---- the result */

static int update(struct cni_interface *itf, const struct link_values *v, struct cni_error *err)
{
	char text[MAC_TEXT], *mac;

	if (v->has_mtu)
		itf->mtu = v->mtu;
	if (!v->has_mac)
		return 0;
	mac_print(&v->mac, text);
	mac = strdup(text);
	if (mac == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	free(itf->mac);
	itf->mac = mac;
	return 0;
}

static bool is_named(const struct cni_interface *itf, const char *ifname)
{
	return itf->name != NULL && strcmp(itf->name, ifname) == 0;
}

static bool is_inside(const struct cni_interface *itf)
{
	return itf->sandbox != NULL && itf->sandbox[0] != '\0';
}

/* Where no entry of the name says that it is inside a pod, each may be the one. */
static int update_result(const struct attaching *a, struct cni_result *result,
			 struct cni_error *err)
{
	bool inside = false;

	for (size_t i = 0; i < result->n_interfaces; i++)
		inside |= is_named(&result->interfaces[i], a->args->ifname) &&
			  is_inside(&result->interfaces[i]);
	for (size_t i = 0; i < result->n_interfaces; i++) {
		struct cni_interface *itf = &result->interfaces[i];

		if (is_named(itf, a->args->ifname) && is_inside(itf) == inside &&
		    update(itf, &a->conf->link, err) < 0)
			return -1;
	}
	return 0;
}

static int apply(struct attaching *a, struct cni_result *result, struct cni_error *err)
{
	scoped_undo struct undo undo = { .n = 0 };
	const struct switches switches = { .conf = a->conf, .b = &a->b, .args = a->args };
	const bool has_link = link_values_any(&a->conf->link);

	if (a->conf->n_sysctls != 0 && allowlist_check(a->conf, err) < 0)
		return -1;
	if (has_link && tune_open(a->args, a->conf->mtu_both_ends, &a->t, err) < 0)
		return -1;
	if (update_result(a, result, err) < 0 || remember(a, err) < 0)
		return -1;
	undo_push(&undo, undo_all, a, NULL);
	if ((a->conf->n_sysctls == 0 && save(&switches, err) < 0) ||
	    switches_call(a->args->netns_fd, change_switches, &switches, err) < 0 ||
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
	if (conf->n_sysctls == 0 && !link_values_any(&conf->link))
		return 0;
	return apply(&a, result, err);
}
