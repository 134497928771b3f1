/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "vlans.h"

#include <stdlib.h>

int vlans_of_pod(const struct bridge_conf *conf, struct port_vlan **ret, size_t *ret_n,
		 struct cni_error *err)
{
	unsigned native = conf->vlan != 0 ? conf->vlan : 1;
	struct port_vlan *vlans = calloc(VLAN_ID_MAX + 1, sizeof(*vlans));
	size_t n = 0;

	if (vlans == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	for (unsigned id = 1; id <= VLAN_ID_MAX; id++) {
		if (id == native)
			vlans[n++] = (struct port_vlan){ .id = (uint16_t)id,
							 .pvid = true,
							 .untagged = true };
		else if (bridge_conf_trunks(conf, id))
			vlans[n++] = (struct port_vlan){ .id = (uint16_t)id };
	}
	*ret = vlans;
	*ret_n = n;
	return 0;
}

static const struct port_vlan *find(const struct port_vlan *vlans, size_t n, uint16_t id)
{
	for (size_t i = 0; i < n; i++) {
		if (vlans[i].id == id)
			return &vlans[i];
	}
	return NULL;
}

static int remove_others(struct nl *host, const struct link *port, const struct port_vlan *vlans,
			 size_t n, struct cni_error *err)
{
	scoped_free struct port_vlan *found = NULL;
	size_t n_found, others = 0;

	if (vlan_list(host, port->index, &found, &n_found, err) < 0)
		return -1;
	for (size_t i = 0; i < n_found; i++) {
		if (find(vlans, n, found[i].id) == NULL)
			found[others++] = found[i];
	}
	return others == 0 ? 0 : vlan_delete(host, port->index, port->name, found, others, err);
}

int vlans_apply(struct nl *host, const struct bridge_conf *conf, const struct link *port,
		const struct port_vlan *vlans, size_t n, struct cni_error *err)
{
	if (vlan_add(host, port->index, port->name, vlans, n, err) < 0)
		return -1;
	return conf->preserve_default_vlan ? 0 : remove_others(host, port, vlans, n, err);
}

static int check_others(const struct port_vlan *found, size_t n_found, const char *name,
			const struct port_vlan *vlans, size_t n, struct cni_error *err)
{
	for (size_t i = 0; i < n_found; i++) {
		if (find(vlans, n, found[i].id) == NULL)
			return cni_fail(err, CNI_CHECK_FAILED,
					"bridge port %s carries VLAN %u besides its own", name,
					found[i].id);
	}
	return 0;
}

int vlans_check(struct nl *host, const struct bridge_conf *conf, const struct link *port,
		const struct port_vlan *vlans, size_t n, struct cni_error *err)
{
	scoped_free struct port_vlan *found = NULL;
	size_t n_found;

	if (vlan_list(host, port->index, &found, &n_found, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const struct port_vlan *have = find(found, n_found, vlans[i].id);

		if (have == NULL || have->pvid != vlans[i].pvid ||
		    have->untagged != vlans[i].untagged)
			return cni_fail(
			    err, CNI_CHECK_FAILED, "bridge port %s does not carry VLAN %u as %s",
			    port->name, vlans[i].id,
			    vlans[i].pvid ? "its untagged native VLAN" : "a tagged VLAN");
	}
	return conf->preserve_default_vlan
		   ? 0
		   : check_others(found, n_found, port->name, vlans, n, err);
}
