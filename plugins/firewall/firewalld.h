/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "base/scoped.h"
#include "net/ipnet.h"

/*
 * firewalld over the system bus (DBUS_SYSTEM_BUS_ADDRESS, else the well-known socket): which zone
 * an address belongs to, in its running configuration, as the reference does it. Every wait has
 * FIREWALLD_SECONDS, then CNI_TRY_AGAIN.
 */
#define FIREWALLD_SECONDS 10

struct firewalld; /* a connection to the bus */

/* Is there a firewalld? *ret is NULL if not: no bus, or nobody has its name there. */
int firewalld_find(struct firewalld **ret, struct cni_error *err);
void firewalld_close(struct firewalld **fw); /* NULL: nothing happens */
#define scoped_firewalld SCOPED(firewalld_close)

/* Put the address into the zone; being there already is success. In another zone: CNI_CONFLICT. */
int firewalld_add(struct firewalld *fw, const char *zone, const struct ip *ip,
		  struct cni_error *err);

/* Take it out; not being there is success. */
int firewalld_remove(struct firewalld *fw, const char *zone, const struct ip *ip,
		     struct cni_error *err);

/* Is it there? */
int firewalld_has(struct firewalld *fw, const char *zone, const struct ip *ip, bool *ret,
		  struct cni_error *err);
