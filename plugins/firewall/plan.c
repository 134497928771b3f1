/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static int raise_absent(struct cni_error *err)
{
	return cni_fail(err, CNI_KERNEL,
			"backend: firewalld does not run (nobody has its name on the system bus, "
			"or the bus does not let us in); start it, or leave the key out");
}

static int use_firewalld(const struct firewall_conf *conf, struct firewall_plan *p,
			 struct cni_error *err)
{
	if (conf->backend != FIREWALL_AUTO && conf->backend != FIREWALL_FIREWALLD)
		return 0;
	if (firewalld_find(&p->fw, err) < 0)
		return -1;
	return p->fw == NULL && conf->backend == FIREWALL_FIREWALLD ? raise_absent(err) : 0;
}

int firewall_demand(struct cni_error *err)
{
	scoped_firewalld struct firewalld *fw = NULL;

	if (firewalld_find(&fw, err) < 0)
		return -1;
	return fw == NULL ? raise_absent(err) : 0;
}

static bool seen_before(const struct cni_result *prev, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (ip_equal(&prev->ips[k].address.addr, &prev->ips[i].address.addr))
			return true;
	}
	return false;
}

static void add_address(const struct firewall_conf *conf, const struct ipnet *pod,
			struct firewall_plan *p)
{
	struct nft_item source = { .kind = NFT_ITEM_SOURCE, .pod = *pod };

	p->items[p->n++] = (struct nft_item){ .kind = NFT_ITEM_FORWARD,
					      .pod = *pod,
					      .mark_bit = (uint8_t)conf->mark_bit };
	if (ip_is4(&pod->addr))
		p->forward.four = true;
	else
		p->forward.six = true;
	if (p->fw == NULL)
		return;
	(void)text_format(source.zone, sizeof(source.zone), "%s", conf->zone);
	p->items[p->n++] = source;
}

static int add_ingress(const struct cni_args *args, const struct firewall_conf *conf,
		       struct firewall_plan *p, struct cni_error *err)
{
	struct nft_item item = { .kind = NFT_ITEM_INGRESS,
				 .isolated = conf->ingress == INGRESS_ISOLATED };
	const char *bridge;

	if (conf->ingress == INGRESS_OPEN)
		return 0;
	if (cni_result_host_names(&args->prev, &bridge, 1) == 0 || ifname_problem(bridge) != NULL)
		return cni_fail(err, CNI_INVALID_CONFIG,
				"interface needs to be set for ingress policy \"%s\", make sure to "
				"chain \"firewall\" plugin with \"bridge\" (prevResult names no "
				"interface of the host)",
				item.isolated ? "isolated" : "same-bridge");
	(void)text_format(item.veth, sizeof(item.veth), "%s", bridge);
	p->items[p->n++] = item;
	return 0;
}

int firewall_plan_make(const struct cni_args *args, const struct firewall_conf *conf,
		       struct firewall_plan *ret, struct cni_error *err)
{
	scoped_plan struct firewall_plan p = {
		.owner = cni_owner(args),
		.forward = { .mark_bit = (uint8_t)conf->mark_bit,
			     .admin = conf->admin,
			     .own_only = conf->backend == FIREWALL_NFTABLES },
	};

	if (args->prev.n_ips == 0) {
		*ret = p;
		return 0;
	}
	p.items = calloc(args->prev.n_ips * 2 + 1, sizeof(*p.items));
	if (p.items == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	if (add_ingress(args, conf, &p, err) < 0 || use_firewalld(conf, &p, err) < 0)
		return -1;
	for (size_t i = 0; i < args->prev.n_ips; i++) {
		if (!seen_before(&args->prev, i))
			add_address(conf, &args->prev.ips[i].address, &p);
	}
	*ret = p;
	p = (struct firewall_plan){ .fw = NULL };
	return 0;
}

void firewall_plan_free(struct firewall_plan *p)
{
	free(p->items);
	p->items = NULL;
	firewalld_close(&p->fw);
}
