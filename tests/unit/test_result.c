/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The result as a struct: growing, copying, finding the pod's interface. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "cni/result.h"

static void add_ip(struct cni_result *r, const char *text, int interface)
{
	struct ip_config ip = { .interface = interface };
	struct cni_error err;

	assert_true(ipnet_parse(text, &ip.address));
	assert_int_equal(cni_result_add_ip(r, &ip, &err), 0);
}

static void fill(struct cni_result *r)
{
	struct route route = { .mtu = 1400, .has_table = true };
	struct cni_error err;

	assert_int_equal(cni_result_add_interface(r, "cni0", "02:00:00:00:00:01", 1500, NULL, &err),
			 0);
	assert_int_equal(cni_result_add_interface(r, "eth0", NULL, 0, "/run/netns/p", &err), 0);
	add_ip(r, "10.0.0.5/24", 1);
	add_ip(r, "fd00::5/64", -1);
	assert_true(ipnet_parse("0.0.0.0/0", &route.dst));
	assert_int_equal(cni_result_add_route(r, &route, &err), 0);
}

static void a_copy_owns_everything(void **state)
{
	struct cni_result from = { 0 }, to = { 0 };
	struct cni_error err;

	(void)state;
	fill(&from);
	from.dns.domain = strdup("example.org");
	from.dns.present = true;
	assert_int_equal(cni_result_copy(&to, &from, &err), 0);
	cni_result_free(&from);
	assert_null(from.interfaces);
	assert_int_equal(to.n_interfaces, 2);
	assert_string_equal(to.interfaces[0].name, "cni0");
	assert_int_equal(to.interfaces[0].mtu, 1500);
	assert_null(to.interfaces[0].sandbox);
	assert_null(to.interfaces[1].mac);
	assert_int_equal(to.n_ips, 2);
	assert_int_equal(to.ips[1].interface, -1);
	assert_int_equal(to.routes[0].mtu, 1400);
	assert_true(to.routes[0].has_table);
	assert_string_equal(to.dns.domain, "example.org");
	assert_true(to.dns.present);
	cni_result_free(&to);
	cni_result_free(&to); /* empty again, so that freeing twice is nothing */
}

static void dns_copy_frees_what_was_there(void **state)
{
	struct cni_dns to = { 0 }, from = { 0 };
	struct cni_error err;

	(void)state;
	to.domain = strdup("old");
	from.search = calloc(1, sizeof(char *));
	from.search[0] = strdup("new");
	from.n_search = 1;
	assert_int_equal(cni_dns_copy(&to, &from, &err), 0);
	assert_null(to.domain);
	assert_int_equal(to.n_search, 1);
	assert_string_equal(to.search[0], "new");
	assert_ptr_not_equal(to.search[0], from.search[0]);
	cni_dns_free(&to);
	cni_dns_free(&from);
}

static void chk07_the_pods_interface_by_name_and_sandbox(void **state)
{
	struct cni_result r = { 0 };
	struct cni_error err;
	size_t index = 99;

	(void)state;
	fill(&r);
	assert_int_equal(cni_result_add_interface(&r, "eth0", NULL, 0, NULL, &err), 0);
	assert_int_equal(cni_result_add_interface(&r, "net1", NULL, 0, "/run/netns/p", &err), 0);
	assert_ptr_equal(cni_result_pod_interface(&r, "eth0", "/run/netns/p", &index),
			 &r.interfaces[1]);
	assert_int_equal(index, 1);
	assert_null(cni_result_pod_interface(&r, "eth0", "/run/netns/./p", &index));
	assert_null(cni_result_pod_interface(&r, "cni0", "", &index));
	assert_null(cni_result_pod_interface(&r, "eth1", "/run/netns/p", NULL));
	cni_result_free(&r);
}

static void prv10_which_addresses_are_the_pods(void **state)
{
	struct cni_result r = { 0 };

	(void)state;
	fill(&r);
	add_ip(&r, "10.0.0.6/24", 0);
	add_ip(&r, "10.0.0.7/24", 2);
	assert_true(cni_result_ip_is_pods(&r, 0, "eth0"));
	assert_true(cni_result_ip_is_pods(&r, 1, "eth0"));  /* no index */
	assert_false(cni_result_ip_is_pods(&r, 2, "eth0")); /* the bridge's */
	assert_true(cni_result_ip_is_pods(&r, 3, "eth0"));  /* out of range */
	assert_false(cni_result_ip_is_pods(&r, 0, "eth1"));
	cni_result_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_owns_everything),
		cmocka_unit_test(dns_copy_frees_what_was_there),
		cmocka_unit_test(chk07_the_pods_interface_by_name_and_sandbox),
		cmocka_unit_test(prv10_which_addresses_are_the_pods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
