/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "items.h"

#include <stdlib.h>
#include <string.h>

#include "base/scoped.h"
#include "base/text.h"

struct pod_addresses portmap_pod(const struct cni_args *args)
{
	struct pod_addresses pod = { 0 };

	for (size_t i = 0; i < args->prev.n_ips; i++) {
		const struct ipnet *net = &args->prev.ips[i].address;
		bool four = ip_is4(&net->addr);

		if ((four ? pod.has4 : pod.has6) ||
		    !cni_result_ip_is_pods(&args->prev, i, args->ifname))
			continue;
		if (four) {
			pod.has4 = true;
			pod.v4 = *net;
		} else {
			pod.has6 = true;
			pod.v6 = *net;
		}
	}
	return pod;
}

static void add_mapping(const struct portmap_conf *conf, const struct port_mapping *m,
			const struct ipnet *pod, const char *conditions, struct nft_item *items,
			size_t *n)
{
	struct nft_item item = {
		.kind = NFT_ITEM_HOSTPORT,
		.pod = *pod,
		.protocol = m->protocol,
		.host_port = m->host_port,
		.pod_port = m->pod_port,
		.has_host = m->has_host && !ip_is_unspecified(&m->host),
	};

	if (m->has_host && ip_is4(&m->host) != ip_is4(&pod->addr))
		return;
	if (item.has_host)
		item.host = m->host;
	(void)text_format(item.conditions, sizeof(item.conditions), "%s", conditions);
	items[(*n)++] = item;
	if (conf->snat)
		items[(*n)++] = (struct nft_item){
			.kind = NFT_ITEM_SNAT,
			.pod = *pod,
			.protocol = m->protocol,
			.host_port = m->host_port,
			.snat_all = conf->masq_all,
		};
}

/* By what the kernel takes for the key; the pod's address is one per family. */
static int compare_keys(const void *pa, const void *pb)
{
	const struct nft_item *a = pa, *b = pb;
	int r = (int)a->kind - (int)b->kind;

	if (r == 0)
		r = ip_cmp(&a->pod.addr, &b->pod.addr);
	if (r == 0)
		r = (int)a->host_port - (int)b->host_port;
	if (r == 0)
		r = (int)a->protocol - (int)b->protocol;
	if (r == 0)
		r = (int)a->has_host - (int)b->has_host;
	return r == 0 && a->has_host ? ip_cmp(&a->host, &b->host) : r;
}

static int refuse_pair(const struct nft_item *a, const struct nft_item *b, struct cni_error *err)
{
	return cni_fail(err, CNI_INVALID_CONFIG,
			"runtimeConfig.portMappings: host port %u is mapped to container port %u "
			"and to container port %u",
			a->host_port, a->pod_port, b->pod_port);
}

static int drop_twins(struct nft_item *items, size_t *n, struct cni_error *err)
{
	size_t kept = 0;

	qsort(items, *n, sizeof(*items), compare_keys);
	for (size_t i = 0; i < *n; i++) {
		if (kept == 0 || compare_keys(&items[kept - 1], &items[i]) != 0)
			items[kept++] = items[i];
		else if (items[kept - 1].pod_port != items[i].pod_port)
			return refuse_pair(&items[kept - 1], &items[i], err);
	}
	*n = kept;
	return 0;
}

int portmap_items(const struct portmap_conf *conf, const struct pod_addresses *pod,
		  const char conditions[17], struct nft_item **ret, size_t *ret_n,
		  struct cni_error *err)
{
	scoped_free struct nft_item *items = calloc(conf->n * 4 + 1, sizeof(*items));
	size_t n = 0;

	if (items == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	for (size_t i = 0; i < conf->n; i++) {
		if (pod->has4)
			add_mapping(conf, &conf->mappings[i], &pod->v4, conditions, items, &n);
		if (pod->has6)
			add_mapping(conf, &conf->mappings[i], &pod->v6, conditions, items, &n);
	}
	if (drop_twins(items, &n, err) < 0)
		return -1;
	if (n > NFT_ITEMS_MAX)
		return cni_fail(err, CNI_INVALID_CONFIG,
				"runtimeConfig.portMappings: %zu mappings need %zu nftables "
				"elements; at most %d are possible for one container",
				conf->n, n, NFT_ITEMS_MAX);
	*ret = take_ptr(&items);
	*ret_n = n;
	return 0;
}

bool portmap_wants_loopback(const struct portmap_conf *conf, const struct nft_item *items, size_t n,
			    bool four)
{
	for (size_t i = 0; conf->snat && i < n; i++) {
		if (items[i].kind == NFT_ITEM_HOSTPORT && ip_is4(&items[i].pod.addr) == four &&
		    (!items[i].has_host || ip_is_loopback(&items[i].host)))
			return true;
	}
	return false;
}
