/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cni/result.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/scoped.h"

static void interface_free(struct cni_interface *i)
{
	free(i->name);
	free(i->mac);
	free(i->sandbox);
	free(i->socket_path);
	free(i->pci_id);
}

static void strings_free(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

void cni_dns_free(struct cni_dns *dns)
{
	strings_free(dns->nameservers, dns->n_nameservers);
	free(dns->domain);
	strings_free(dns->search, dns->n_search);
	strings_free(dns->options, dns->n_options);
	*dns = (struct cni_dns){ 0 };
}

void cni_result_free(struct cni_result *r)
{
	for (size_t i = 0; i < r->n_interfaces; i++)
		interface_free(&r->interfaces[i]);
	free(r->interfaces);
	free(r->ips);
	free(r->routes);
	cni_dns_free(&r->dns);
	*r = (struct cni_result){ 0 };
}

static int no_memory(struct cni_error *err)
{
	return cni_fail(err, CNI_INTERNAL, "no memory for the result");
}

/* Room for one more element; lists are short, so growing by one is fine. */
static int grow(void *array_ptr, size_t n, size_t size, struct cni_error *err)
{
	void **array = array_ptr;
	void *bigger = realloc(*array, (n + 1) * size);

	if (bigger == NULL)
		return no_memory(err);
	*array = bigger;
	return 0;
}

static bool copy_text(char **to, const char *from)
{
	if (from == NULL)
		return true;
	*to = strdup(from);
	return *to != NULL;
}

static bool interface_copy(struct cni_interface *to, const struct cni_interface *from)
{
	*to = (struct cni_interface){ .mtu = from->mtu };
	if (copy_text(&to->name, from->name) && copy_text(&to->mac, from->mac) &&
	    copy_text(&to->sandbox, from->sandbox) &&
	    copy_text(&to->socket_path, from->socket_path) && copy_text(&to->pci_id, from->pci_id))
		return true;
	interface_free(to);
	return false;
}

static int append_interface(struct cni_result *r, const struct cni_interface *from,
			    struct cni_error *err)
{
	if (grow(&r->interfaces, r->n_interfaces, sizeof(*r->interfaces), err) < 0)
		return -1;
	if (!interface_copy(&r->interfaces[r->n_interfaces], from))
		return no_memory(err);
	r->n_interfaces++;
	return 0;
}

/* The members are only read, so dropping const for the temporary is safe. */
static char *borrow(const char *s)
{
	return (char *)(uintptr_t)s;
}

int cni_result_add_interface(struct cni_result *r, const char *name, const char *mac, uint32_t mtu,
			     const char *sandbox, struct cni_error *err)
{
	const struct cni_interface from = {
		.name = borrow(name), .mac = borrow(mac), .mtu = mtu, .sandbox = borrow(sandbox)
	};

	return append_interface(r, &from, err);
}

int cni_result_add_ip(struct cni_result *r, const struct ip_config *ip, struct cni_error *err)
{
	if (grow(&r->ips, r->n_ips, sizeof(*r->ips), err) < 0)
		return -1;
	r->ips[r->n_ips++] = *ip;
	return 0;
}

int cni_result_add_route(struct cni_result *r, const struct route *route, struct cni_error *err)
{
	if (grow(&r->routes, r->n_routes, sizeof(*r->routes), err) < 0)
		return -1;
	r->routes[r->n_routes++] = *route;
	return 0;
}

static bool copy_strings(char ***to, size_t *to_n, char *const *from, size_t n)
{
	if (n == 0)
		return true;
	*to = calloc(n, sizeof(**to));
	if (*to == NULL)
		return false;
	for (*to_n = 0; *to_n < n; (*to_n)++) {
		(*to)[*to_n] = strdup(from[*to_n]);
		if ((*to)[*to_n] == NULL)
			return false;
	}
	return true;
}

int cni_dns_copy(struct cni_dns *to, const struct cni_dns *from, struct cni_error *err)
{
	struct cni_dns copy = { .present = from->present };

	if (copy_strings(&copy.nameservers, &copy.n_nameservers, from->nameservers,
			 from->n_nameservers) &&
	    copy_text(&copy.domain, from->domain) &&
	    copy_strings(&copy.search, &copy.n_search, from->search, from->n_search) &&
	    copy_strings(&copy.options, &copy.n_options, from->options, from->n_options)) {
		cni_dns_free(to);
		*to = copy;
		return 0;
	}
	cni_dns_free(&copy);
	return no_memory(err);
}

static int copy_into(struct cni_result *to, const struct cni_result *from, struct cni_error *err)
{
	for (size_t i = 0; i < from->n_interfaces; i++) {
		if (append_interface(to, &from->interfaces[i], err) < 0)
			return -1;
	}
	for (size_t i = 0; i < from->n_ips; i++) {
		if (cni_result_add_ip(to, &from->ips[i], err) < 0)
			return -1;
	}
	for (size_t i = 0; i < from->n_routes; i++) {
		if (cni_result_add_route(to, &from->routes[i], err) < 0)
			return -1;
	}
	return cni_dns_copy(&to->dns, &from->dns, err);
}

int cni_result_copy(struct cni_result *to, const struct cni_result *from, struct cni_error *err)
{
	struct cni_result copy = { 0 };

	if (copy_into(&copy, from, err) < 0) {
		cni_result_free(&copy);
		return -1;
	}
	*to = copy;
	return 0;
}

const struct cni_interface *cni_result_pod_interface(const struct cni_result *r, const char *ifname,
						     const char *netns, size_t *ret_index)
{
	for (size_t i = 0; i < r->n_interfaces; i++) {
		const struct cni_interface *one = &r->interfaces[i];

		if (one->sandbox != NULL && strcmp(one->name, ifname) == 0 &&
		    strcmp(one->sandbox, netns) == 0) {
			if (ret_index != NULL)
				*ret_index = i;
			return one;
		}
	}
	return NULL;
}

size_t cni_result_host_names(const struct cni_result *r, const char **ret, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_interfaces && n < max; i++) {
		const struct cni_interface *itf = &r->interfaces[i];

		if (itf->name != NULL && (itf->sandbox == NULL || itf->sandbox[0] == '\0'))
			ret[n++] = itf->name;
	}
	return n;
}

const struct cni_interface *cni_result_host_interface(const struct cni_result *r, const char *name)
{
	for (size_t i = 0; i < r->n_interfaces; i++) {
		const struct cni_interface *one = &r->interfaces[i];

		if (one->sandbox == NULL && strcmp(one->name, name) == 0)
			return one;
	}
	return NULL;
}

bool cni_result_ip_is_pods(const struct cni_result *r, size_t i, const char *ifname)
{
	int index = r->ips[i].interface;
	const struct cni_interface *one;

	if (index < 0 || (size_t)index >= r->n_interfaces)
		return true;
	one = &r->interfaces[index];
	return one->sandbox != NULL && one->sandbox[0] != '\0' && strcmp(one->name, ifname) == 0;
}

struct ipnet *cni_result_pod_addresses(const struct cni_result *r, const char *ifname,
				       size_t *ret_n)
{
	struct ipnet *list = calloc(r->n_ips + 1, sizeof(*list));

	*ret_n = 0;
	for (size_t i = 0; list != NULL && i < r->n_ips; i++) {
		if (cni_result_ip_is_pods(r, i, ifname))
			list[(*ret_n)++] = r->ips[i].address;
	}
	return list;
}
