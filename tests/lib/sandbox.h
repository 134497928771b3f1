/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/*
 * A world per cmocka test. Group set-up moves the program into its own mount and network namespace
 * (and a user namespace, unless it is root) with an empty tmpfs over /run and /var/lib. Each test
 * then gets a fresh host namespace, which it runs in, a fresh pod namespace, and empty folders:
 *
 *	static void bridge_comes_up(void **state) { struct sandbox *s = *state; … }
 *
 *	int main(void)
 *	{
 *		const struct CMUnitTest tests[] = { sandbox_test(bridge_comes_up) };
 *		return sandbox_run_group(tests);
 *	}
 *
 * Everything here asserts: a broken world fails the test, it is never an error to handle.
 */
struct sandbox {
	int host_ns;	     /* the namespace of the test; lo is up */
	int pod_ns;	     /* lo is down, as a runtime leaves it */
	char pod_path[32];   /* /run/netns/pod: what CNI_NETNS would be */
	char out[64 * 1024]; /* what the last command printed, stdout and stderr */
};

int sandbox_group_setup(void **state);
int sandbox_setup(void **state);
int sandbox_teardown(void **state);

#define sandbox_test(f)		 cmocka_unit_test_setup_teardown(f, sandbox_setup, sandbox_teardown)
#define sandbox_run_group(tests) cmocka_run_group_tests(tests, sandbox_group_setup, NULL)

/* Run `sh -c command` in the host or the pod; returns its exit code, s->out holds what it printed.
 */
int sandbox_host(struct sandbox *s, const char *command, ...)
    __attribute__((__format__(__printf__, 2, 3)));
int sandbox_pod(struct sandbox *s, const char *command, ...)
    __attribute__((__format__(__printf__, 2, 3)));

/* The same, and it must succeed; returns s->out. */
const char *sandbox_host_ok(struct sandbox *s, const char *command, ...)
    __attribute__((__format__(__printf__, 2, 3)));
const char *sandbox_pod_ok(struct sandbox *s, const char *command, ...)
    __attribute__((__format__(__printf__, 2, 3)));

/* One more pod namespace at `path` (below /run/netns, say); the caller closes what is returned. */
int sandbox_netns(const char *path);

/*
 * Links, addresses, routes, nftables and state files of host and pod as one text, to compare before
 * and after: what should not be there is seen as well. The caller frees it.
 */
char *sandbox_snapshot(struct sandbox *s);

/*
 * Skip the test, saying why, unless the kernel has the feature ("bridge", "veth", "nft_nat",
 * "vlan_filtering", "dummy", "vlan", "ipip", "br_netfilter"). With CNI_TEST_REQUIRE_ALL=1 it fails
 * instead; so does an unknown name.
 */
void sandbox_need(struct sandbox *s, const char *feature);
