/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#include "sandbox.h"

static void starts_empty(void **state)
{
	struct sandbox *s = *state;

	assert_string_equal(sandbox_host_ok(s, "ip -o link | wc -l"), "1\n");
	assert_string_equal(sandbox_pod_ok(s, "ip -o link | wc -l"), "1\n");
	assert_string_equal(sandbox_host_ok(s, "ls -A /var/lib/cni; ls /run/netns"), "pod\n");
	assert_int_equal(if_nametoindex("left0"), 0);
}

static void joins_host_and_pod(void **state)
{
	struct sandbox *s = *state;

	(void)sandbox_host_ok(s,
			      "ip link add left0 type veth peer name eth0 netns %s &&"
			      " ip addr add 10.0.0.1/24 dev left0 && ip link set left0 up &&"
			      " echo kept > /var/lib/cni/x",
			      s->pod_path);
	(void)sandbox_pod_ok(s, "ip addr add 10.0.0.2/24 dev eth0 && ip link set eth0 up");
	(void)sandbox_host_ok(s, "ping -n -c 1 -W 2 10.0.0.2");
	assert_int_not_equal(sandbox_host(s, "ping -n -c 1 -W 1 10.0.0.3"), 0);
	assert_int_not_equal(if_nametoindex("left0"), 0);
}

static void commands_tell_their_code(void **state)
{
	struct sandbox *s = *state;

	assert_int_equal(sandbox_host(s, "echo said; exit %d", 7), 7);
	assert_string_equal(s->out, "said\n");
	assert_int_equal(sandbox_pod(s, "kill -9 $$"), 128 + 9);
}

static void snapshot_sees_what_changed(void **state)
{
	struct sandbox *s = *state;
	char *before = sandbox_snapshot(s);
	char *after;
	static const char *const changes[] = {
		"ip link add left0 type bridge",
		"nft add table inet left",
		"echo 1 > /var/lib/cni/x",
		"ip route add blackhole 198.51.100.0/24",
	};
	char *same = sandbox_snapshot(s);

	assert_string_equal(same, before);
	free(same);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		(void)sandbox_host_ok(s, "%s", changes[i]);
		after = sandbox_snapshot(s);
		assert_string_not_equal(after, before);
		free(before);
		before = after;
	}
	free(before);
}

static void needs_are_known(void **state)
{
	struct sandbox *s = *state;

	sandbox_need(s, "bridge");
	sandbox_need(s, "veth");
	sandbox_need(s, "nft_nat");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(joins_host_and_pod),	sandbox_test(starts_empty),
		sandbox_test(commands_tell_their_code), sandbox_test(snapshot_sees_what_changed),
		sandbox_test(needs_are_known),
	};

	return sandbox_run_group(tests);
}
