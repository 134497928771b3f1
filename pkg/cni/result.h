/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/ifcfg.h"

struct cni_error;

/*
 * What an attachment looks like, in the form of the newest specification; encode.c prints it in the
 * caller's version, decode.c reads every version. No JSON here: plugins fill the struct.
 * All strings and arrays are owned by the result (malloc'd); cni_result_free() frees them.
 */
struct cni_interface {
	char *name;
	char *mac;	   /* lower-case text or NULL */
	uint32_t mtu;	   /* 0: not said */
	char *sandbox;	   /* CNI_NETNS as given, or NULL: on the host */
	char *socket_path; /* passed through; NULL: none */
	char *pci_id;
};

struct cni_dns {
	char **nameservers;
	size_t n_nameservers;
	char *domain;
	char **search;
	size_t n_search;
	char **options;
	size_t n_options;
	bool present; /* some member was given, be it an empty list */
};

struct cni_result {
	struct cni_interface *interfaces;
	size_t n_interfaces;
	struct ip_config *ips;
	size_t n_ips;
	struct route *routes;
	size_t n_routes;
	struct cni_dns dns;
};

#define CNI_RESULT_MAX 1024 /* entries of each list, of a result that we read */

void cni_result_free(struct cni_result *r);
void cni_dns_free(struct cni_dns *dns);

/* Append; the strings are copied (NULL stays NULL). -1 and CNI_INTERNAL only without memory.
 * Returns 0. */
int cni_result_add_interface(struct cni_result *r, const char *name, const char *mac, uint32_t mtu,
			     const char *sandbox, struct cni_error *err);
int cni_result_add_ip(struct cni_result *r, const struct ip_config *ip, struct cni_error *err);
int cni_result_add_route(struct cni_result *r, const struct route *route, struct cni_error *err);

/* Deep copy: `to` must be empty. For dns_copy, what `to` held is freed first. */
int cni_result_copy(struct cni_result *to, const struct cni_result *from, struct cni_error *err);
int cni_dns_copy(struct cni_dns *to, const struct cni_dns *from, struct cni_error *err);

/*
 * The container's interface in a result of a whole chain: name == ifname and sandbox == netns
 * (literally), else, for results that name no sandbox, NULL. CHECK's rule (cni-spec.md CHK-07).
 */
const struct cni_interface *cni_result_pod_interface(const struct cni_result *r, const char *ifname,
						     const char *netns, size_t *ret_index);

/* The names of the first `max` host-side interfaces (those without sandbox); their number.
 * Borrowed. */
size_t cni_result_host_names(const struct cni_result *r, const char **ret, size_t max);

/* The host-side interface (without sandbox) of that name, or NULL. Borrowed. */
const struct cni_interface *cni_result_host_interface(const struct cni_result *r, const char *name);

/* Does ips[i] belong to the container's interface `ifname`? No index, an index out of range, or the
 * entry of that name with a sandbox (plugins.md §3.1, PRV-10). */
bool cni_result_ip_is_pods(const struct cni_result *r, size_t i, const char *ifname);
/* All of those; malloc'd, the caller's. None, or no memory: *ret_n is 0. */
struct ipnet *cni_result_pod_addresses(const struct cni_result *r, const char *ifname,
				       size_t *ret_n);
