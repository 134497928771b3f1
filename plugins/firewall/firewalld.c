/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one file that knows D-Bus, by the library ell (docs/decisions/001). */
#include "firewalld.h"

#include <ell/ell.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/trace.h"

#define NAME	  "org.fedoraproject.FirewallD1"
#define PATH	  "/org/fedoraproject/FirewallD1"
#define ZONE	  NAME ".zone"
#define BUS_NAME  "org.freedesktop.DBus"
#define BUS_PATH  "/org/freedesktop/DBus"
#define REPLY_MAX 512

struct firewalld {
	struct l_dbus *bus;
	bool ready, lost;
	bool silent; /* it let us wait once */
};

/* One method call; the reply is copied out of the library's hands when it comes. */
struct call {
	struct firewalld *fw;
	bool done, refused, yes;
	char said[REPLY_MAX];
	firewalld_source *sources; /* of a reply that lists them */
	size_t n;
	bool broken; /* no memory for them */
};

static void on_ready(void *data)
{
	((struct firewalld *)data)->ready = true;
}

static void on_lost(void *data)
{
	((struct firewalld *)data)->lost = true;
}

static void take_sources(struct call *call, struct l_dbus_message *reply)
{
	struct l_dbus_message_iter list;
	const char *text;
	size_t cap = 0;

	if (!l_dbus_message_get_arguments(reply, "as", &list))
		return;
	while (l_dbus_message_iter_next_entry(&list, &text)) {
		if (call->n == cap) {
			firewalld_source *bigger =
			    reallocarray(call->sources, cap * 2 + 64, sizeof(*bigger));

			call->broken = bigger == NULL;
			if (bigger == NULL)
				return;
			call->sources = bigger;
			cap = cap * 2 + 64;
		}
		/* Longer ones are no addresses: an interface's MAC, an ipset. */
		if (text_format(call->sources[call->n], IPNET_TEXT, "%s", text))
			call->n++;
	}
}

static void on_reply(struct l_dbus_message *reply, void *data)
{
	struct call *call = data;
	const char *name = "", *text = "";
	bool yes;

	call->done = true;
	call->refused = l_dbus_message_is_error(reply);
	if (call->refused && l_dbus_message_get_error(reply, &name, &text))
		(void)text_format(call->said, sizeof(call->said), "%s", text);
	else if (!call->refused && l_dbus_message_get_arguments(reply, "b", &yes))
		call->yes = yes;
	else if (!call->refused)
		take_sources(call, reply);
}

/* Let the library work until *flag, at most FIREWALLD_SECONDS. */
static int wait_for(struct firewalld *fw, const bool *flag, const char *what, struct cni_error *err)
{
	const int64_t deadline = clock_ms() + FIREWALLD_SECONDS * INT64_C(1000);

	for (;;) {
		int64_t left = deadline - clock_ms();

		if (*flag)
			return 0;
		if (fw->silent)
			left = 0;
		if (fw->lost)
			return cni_fail(err, CNI_TRY_AGAIN,
					"%s: the system bus closed the "
					"connection",
					what);
		fw->silent = left <= 0;
		if (fw->silent)
			return cni_fail(err, CNI_TRY_AGAIN,
					"%s: no answer on the system bus in "
					"%d s",
					what, FIREWALLD_SECONDS);
		l_main_iterate((int)left);
	}
}

static int finish_call(struct call *call, struct l_dbus_message *message, const char *what,
		       struct cni_error *err)
{
	uint32_t serial = l_dbus_send_with_reply(call->fw->bus, message, on_reply, call, NULL);
	int r;

	if (serial == 0)
		return cni_fail(err, CNI_TRY_AGAIN, "%s: the system bus takes no message", what);
	r = wait_for(call->fw, &call->done, what, err);
	if (!call->done)
		(void)l_dbus_cancel(call->fw->bus, serial); /* `call` will be gone */
	return r;
}

/* ---- the bus */

static int has_owner(struct firewalld *fw, bool *ret, struct cni_error *err)
{
	struct call call = { .fw = fw };
	struct l_dbus_message *message =
	    l_dbus_message_new_method_call(fw->bus, BUS_NAME, BUS_PATH, BUS_NAME, "NameHasOwner");

	if (!l_dbus_message_set_arguments(message, "s", NAME)) {
		l_dbus_message_unref(message);
		return cni_fail(err, CNI_INTERNAL, "ask the system bus for firewalld");
	}
	if (finish_call(&call, message, "ask the system bus for firewalld", err) < 0)
		return -1;
	*ret = !call.refused && call.yes;
	return 0;
}

static int connect_bus(struct firewalld *fw, struct cni_error *err)
{
	bool there;

	(void)l_dbus_set_ready_handler(fw->bus, on_ready, fw, NULL);
	(void)l_dbus_set_disconnect_handler(fw->bus, on_lost, fw, NULL);
	if (wait_for(fw, &fw->ready, "connect to the system bus", err) < 0) {
		if (!fw->lost)
			return -1;
		trace("the system bus refuses us: no firewalld");
		return 0;
	}
	if (has_owner(fw, &there, err) < 0)
		return -1;
	trace("firewalld %s", there ? "runs" : "does not run");
	return there;
}

int firewalld_find(struct firewalld **ret, struct cni_error *err)
{
	scoped_firewalld struct firewalld *fw = NULL;
	int there;

	*ret = NULL;
	if (!l_main_init())
		return cni_fail(err, CNI_INTERNAL, "set up the connection to the system bus");
	fw = calloc(1, sizeof(*fw));
	if (fw == NULL) {
		(void)l_main_exit();
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	}
	fw->bus = l_dbus_new_default(L_DBUS_SYSTEM_BUS);
	if (fw->bus == NULL)
		return 0; /* no bus, no firewalld */
	there = connect_bus(fw, err);
	if (there < 0)
		return -1;
	if (there != 0)
		*ret = take_ptr(&fw);
	return 0;
}

void firewalld_close(struct firewalld **fw)
{
	if (*fw == NULL)
		return;
	l_dbus_destroy((*fw)->bus);
	(void)l_main_exit();
	free(*fw);
	*fw = NULL;
}

/* ---- firewalld */

static int zone_call(struct firewalld *fw, const char *method, const char *zone,
		     const struct ip *ip, struct call *call, struct cni_error *err)
{
	const struct ipnet host = ipnet_host(ip);
	struct l_dbus_message *message =
	    l_dbus_message_new_method_call(fw->bus, NAME, PATH, ZONE, method);
	char source[IPNET_TEXT], what[128];

	ipnet_print(&host, source);
	(void)text_format(what, sizeof(what), "firewalld: %s %s %s", method, zone, source);
	trace("%s", what);
	*call = (struct call){ .fw = fw };
	if (!l_dbus_message_set_arguments(message, "ss", zone, source)) {
		l_dbus_message_unref(message);
		return cni_fail(err, CNI_INTERNAL, "%s", what);
	}
	return finish_call(call, message, what, err);
}

static bool says(const struct call *call, const char *code)
{
	return strncmp(call->said, code, strlen(code)) == 0;
}

int firewalld_add(struct firewalld *fw, const char *zone, const struct ip *ip,
		  struct cni_error *err)
{
	struct call call;
	char text[IP_TEXT];

	if (zone_call(fw, "addSource", zone, ip, &call, err) < 0)
		return -1;
	if (!call.refused || says(&call, "ZONE_ALREADY_SET") || says(&call, "ALREADY_ENABLED"))
		return 0;
	ip_print(ip, text);
	return cni_fail(err, says(&call, "ZONE_CONFLICT") ? CNI_CONFLICT : CNI_KERNEL,
			"failed to add the address %s to %s zone: firewalld says: %s", text, zone,
			call.said);
}

int firewalld_remove(struct firewalld *fw, const char *zone, const struct ip *ip,
		     struct cni_error *err)
{
	struct call call;

	if (zone_call(fw, "removeSource", zone, ip, &call, err) < 0)
		return -1;
	if (call.refused)
		trace("firewalld: %s", call.said);
	return 0;
}

int firewalld_has(struct firewalld *fw, const char *zone, const struct ip *ip, bool *ret,
		  struct cni_error *err)
{
	struct call call;

	if (zone_call(fw, "querySource", zone, ip, &call, err) < 0)
		return -1;
	if (call.refused)
		return cni_fail(err, CNI_CHECK_FAILED, "ask firewalld's zone %s: %s", zone,
				call.said);
	*ret = call.yes;
	return 0;
}

static int compare_sources(const void *a, const void *b)
{
	return strcmp(a, b);
}

int firewalld_sources(struct firewalld *fw, const char *zone, firewalld_source **ret, size_t *ret_n,
		      struct cni_error *err)
{
	struct l_dbus_message *message =
	    l_dbus_message_new_method_call(fw->bus, NAME, PATH, ZONE, "getSources");
	struct call call = { .fw = fw };
	int r;

	if (!l_dbus_message_set_arguments(message, "s", zone)) {
		l_dbus_message_unref(message);
		return cni_fail(err, CNI_INTERNAL, "firewalld: getSources %s", zone);
	}
	r = finish_call(&call, message, "firewalld: getSources", err);
	if (r == 0 && call.broken)
		r = cni_fail(err, CNI_INTERNAL, "out of memory");
	if (r < 0) {
		free(call.sources);
		return -1;
	}
	if (call.n != 0)
		qsort(call.sources, call.n, sizeof(*call.sources), compare_sources);
	*ret = call.sources;
	*ret_n = call.n;
	return 0;
}
