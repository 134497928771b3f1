/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "firewalld.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/trace.h"
#include "dbus/dbus.h"

#define NAME "org.fedoraproject.FirewallD1"
#define PATH "/org/fedoraproject/FirewallD1"
#define WHAT 160

struct firewalld {
	struct dbus bus;
};

/* ---- is it there */

static int has_owner(struct dbus *bus, bool *ret, struct cni_error *err)
{
	static const struct dbus_method method = { "org.freedesktop.DBus", "/org/freedesktop/DBus",
						   "org.freedesktop.DBus", "NameHasOwner" };
	scoped_dbus_reply struct dbus_reply reply = { .len = 0 };

	if (dbus_call(bus, &method, (const char *const[]){ NAME, NULL }, &reply,
		      "ask the system bus for firewalld", err) < 0)
		return -1;
	*ret = !reply.refused && dbus_reply_bool(&reply);
	trace("firewalld %s", *ret ? "runs" : "does not run");
	return 0;
}

int firewalld_find(struct firewalld **ret, struct cni_error *err)
{
	scoped_dbus struct dbus bus = { .fd = -1 };
	bool there = false;

	*ret = NULL;
	if (dbus_open(&bus, err) < 0 || (bus.fd >= 0 && has_owner(&bus, &there, err) < 0))
		return -1;
	if (!there)
		return 0;
	*ret = malloc(sizeof(**ret));
	if (*ret == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	(*ret)->bus = bus;
	bus.fd = -1;
	return 0;
}

void firewalld_close(struct firewalld **fw)
{
	if (*fw == NULL)
		return;
	dbus_close(&(*fw)->bus);
	free(*fw);
	*fw = NULL;
}

/* ---- zones */

static void print_source(const struct ip *ip, firewalld_source ret)
{
	const struct ipnet host = ipnet_host(ip);

	ipnet_print(&host, ret);
}

/* `ip` NULL: of the zone as a whole. */
static int zone_call(struct firewalld *fw, const char *member, const char *zone,
		     const struct ip *ip, struct dbus_reply *ret, struct cni_error *err)
{
	const struct dbus_method method = { NAME, PATH, NAME ".zone", member };
	firewalld_source source = "";
	char what[WHAT];
	const char *const args[] = { zone, ip == NULL ? NULL : source, NULL };

	if (ip != NULL)
		print_source(ip, source);
	(void)text_format(what, sizeof(what), "firewalld: %s %s %s", member, zone, source);
	trace("%s", what);
	return dbus_call(&fw->bus, &method, args, ret, what, err);
}

static bool says(const struct dbus_reply *reply, const char *code)
{
	return strncmp(dbus_reply_text(reply), code, strlen(code)) == 0;
}

int firewalld_add(struct firewalld *fw, const char *zone, const struct ip *ip,
		  struct cni_error *err)
{
	scoped_dbus_reply struct dbus_reply reply = { .len = 0 };
	char text[IP_TEXT];

	if (zone_call(fw, "addSource", zone, ip, &reply, err) < 0)
		return -1;
	if (!reply.refused || says(&reply, "ZONE_ALREADY_SET") || says(&reply, "ALREADY_ENABLED"))
		return 0;
	ip_print(ip, text);
	return cni_fail(err, says(&reply, "ZONE_CONFLICT") ? CNI_CONFLICT : CNI_KERNEL,
			"failed to add the address %s to %s zone: firewalld says: %.256s", text,
			zone, dbus_reply_text(&reply));
}

int firewalld_remove(struct firewalld *fw, const char *zone, const struct ip *ip,
		     struct cni_error *err)
{
	scoped_dbus_reply struct dbus_reply reply = { .len = 0 };

	if (zone_call(fw, "removeSource", zone, ip, &reply, err) < 0)
		return -1;
	if (reply.refused)
		trace("firewalld: %.256s", dbus_reply_text(&reply));
	return 0;
}

int firewalld_has(struct firewalld *fw, const char *zone, const struct ip *ip, bool *ret,
		  struct cni_error *err)
{
	scoped_dbus_reply struct dbus_reply reply = { .len = 0 };

	if (zone_call(fw, "querySource", zone, ip, &reply, err) < 0)
		return -1;
	if (reply.refused)
		return cni_fail(err, CNI_CHECK_FAILED, "ask firewalld's zone %s: %.256s", zone,
				dbus_reply_text(&reply));
	*ret = dbus_reply_bool(&reply);
	return 0;
}

static int compare_sources(const void *a, const void *b)
{
	return strcmp(a, b);
}

int firewalld_sources(struct firewalld *fw, const char *zone, firewalld_source **ret, size_t *ret_n,
		      struct cni_error *err)
{
	scoped_dbus_reply struct dbus_reply reply = { .len = 0 };
	firewalld_source *list;
	const char *text;
	size_t at = 0, n = 0, max = 0;

	if (zone_call(fw, "getSources", zone, NULL, &reply, err) < 0)
		return -1;
	while (dbus_reply_next(&reply, &at) != NULL)
		max++;
	list = calloc(max + 1, sizeof(*list));
	if (list == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	/* Longer ones are no addresses: an interface's MAC, an ipset. */
	for (at = 0; n < max && (text = dbus_reply_next(&reply, &at)) != NULL;)
		n += text_format(list[n], sizeof(list[n]), "%s", text);
	if (n != 0)
		qsort(list, n, sizeof(*list), compare_sources);
	*ret = list;
	*ret_n = n;
	return 0;
}

bool firewalld_lists(firewalld_source *list, size_t n, const struct ip *ip)
{
	firewalld_source source;

	print_source(ip, source);
	return n != 0 && bsearch(source, list, n, sizeof(*list), compare_sources) != NULL;
}
