/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/scoped.h"
#include "net/ipnet.h"

/*
 * firewalld over the system bus (pkg/dbus): which zone an address belongs to, in its running
 * configuration, as the reference does it. A silence of DBUS_SECONDS is CNI_TRY_AGAIN, and every
 * later call on the connection fails at once: the waits of one verb do not add up.
 */

struct firewalld; /* a connection to the bus */

/* Is there a firewalld? *ret is NULL if not: no bus, one that refuses us (in a user namespace), or
 * nobody has its name there. */
int firewalld_find(struct firewalld **ret, struct cni_error *err);
void firewalld_close(struct firewalld **fw); /* NULL: nothing happens */
#define scoped_firewalld SCOPED(firewalld_close)

/* Put the address into the zone; being there already is success. In another zone: CNI_CONFLICT. */
int firewalld_add(struct firewalld *fw, const char *zone, const struct ip *ip,
		  struct cni_error *err);

/* Take it out. What firewalld refuses is traced and no failure: it is not there, or not by us. */
int firewalld_remove(struct firewalld *fw, const char *zone, const struct ip *ip,
		     struct cni_error *err);

/* Is it there? */
int firewalld_has(struct firewalld *fw, const char *zone, const struct ip *ip, bool *ret,
		  struct cni_error *err);

/* All sources of a zone, sorted; *ret is malloc'd. A zone that does not exist has none. */
typedef char firewalld_source[IPNET_TEXT];
int firewalld_sources(struct firewalld *fw, const char *zone, firewalld_source **ret, size_t *ret_n,
		      struct cni_error *err);
/* Is the address one of them? */
bool firewalld_lists(firewalld_source *list, size_t n, const struct ip *ip);
