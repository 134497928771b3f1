/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pkg/nft against the kernel: what nft lists, and what other processes do to the tables. */
#include "nft_items.h"

#include "nft/session.h"

static bool nobody(const void *arg, const char *container, const char *ifname)
{
	(void)arg;
	(void)container;
	(void)ifname;
	return false;
}

static bool only_a(const void *arg, const char *container, const char *ifname)
{
	(void)arg;
	return strcmp(container, "a") == 0 && strcmp(ifname, "eth0") == 0;
}

static int gc(enum nft_user user,
	      bool (*valid)(const void *arg, const char *container, const char *ifname),
	      struct cni_error *err)
{
	return nft_gc(user, &(struct nft_gc_call){ .network = "podnet", .valid = valid }, err);
}

/* The reference ruleset, compiled by nft itself, must list the same rules as ours. */
static void skeleton_lists_like_the_reference(void **state)
{
	struct sandbox *s = *state;
	struct cni_error err;

	ok(attach_masq(&pod_a, "10.88.0.2/24", &err), &err);
	ok(attach_masq(&pod_b, "fd88::2/64", &err), &err);
	sandbox_host_ok(s, "nft list table inet podwire");
	contains(s->out, "comment \"Podwire layout 2: host ports and masquerade of pods\"");
	contains(s->out, "type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service");
	contains(s->out, "dnat ip to ip daddr . meta l4proto . th dport map @hostip4");
	contains(s->out, "dnat ip to meta l4proto . th dport map @hostport4");
	contains(s->out, "dnat ip6 to ip6 daddr . meta l4proto . th dport map @hostip6");
	contains(s->out, "dnat ip6 to meta l4proto . th dport map @hostport6");
	contains(s->out, "iif != \"lo\" ip daddr 127.0.0.0/8 drop");
	contains(s->out, "iif != \"lo\" ip saddr 127.0.0.0/8 drop");
	contains(s->out, "type nat hook prerouting priority dstnat + 5; policy accept;");
	contains(s->out, "type nat hook output priority -95; policy accept;");
	contains(s->out, "type nat hook postrouting priority srcnat + 5; policy accept;");
	contains(s->out, "fib daddr type local goto hostports");
	contains(s->out, "ct status dnat jump hostport-clients");
	contains(s->out, "meta l4proto tcp ip daddr . meta l4proto . ct original proto-dst "
			 "@snat-all4 masquerade");
	contains(s->out, "meta l4proto sctp ip6 daddr . meta l4proto . ct original proto-dst "
			 "@snat-all6 masquerade");
	contains(s->out, "ip saddr @masq-10.88.0.0-24 goto masq-10.88.0.0-24");
	contains(s->out, "ip6 saddr @masq-fd88---64 goto masq-fd88---64");
	contains(s->out, "10.88.0.2 comment \"podnet a eth0\"");
	contains(s->out, "fd88::2 comment \"podnet b eth0\"");
	contains(s->out,
		 "ip daddr 10.88.0.0/24 return\n\t\tip daddr 224.0.0.0/4 return\n\t\tmasquerade");
	contains(s->out,
		 "ip6 daddr fd88::/64 return\n\t\tip6 daddr ff00::/8 return\n\t\tmasquerade");
	contains(s->out, "comment \"podnet a eth0\" : 10.88.0.2 }");
}

/* What nft lists, nft loads; and it lists the same again. */
static void listing_reloads(void **state)
{
	struct sandbox *s = *state;
	struct nft_item p = port("10.88.0.2/24", IPPROTO_TCP, 8080);
	struct cni_error err;

	ok(attach_masq(&pod_a, "10.88.0.2/24", &err), &err);
	ok(attach_port(&pod_a, "lo", &p, &err), &err);
	sandbox_host_ok(s, "nft list ruleset > /run/one; nft flush ruleset; nft -f /run/one;"
			   " nft list ruleset > /run/two; cmp /run/one /run/two");
	ok(nft_check(NFT_PORTMAP, &pod_a, &p, 1, &err), &err);
}

static void detach_leaves_nothing_of_the_owner(void **state)
{
	struct sandbox *s = *state;
	struct cni_error err;

	ok(attach_masq(&pod_a, "10.88.0.2/24", &err), &err);
	ok(attach_masq(&pod_b, "10.88.0.3/24", &err), &err);
	sandbox_host_ok(s, "ls /run/podwire/attachments/masq-*");
	ok(nft_detach(NFT_MASQ, &pod_a, NULL, NULL, &err), &err);
	sandbox_host_ok(s, "nft list table inet podwire; ls /run/podwire/attachments");
	lacks(s->out, "podnet a eth0");
	contains(s->out, "podnet b eth0");
	ok(nft_detach(NFT_MASQ, &pod_a, NULL, NULL, &err), &err);
	ok(nft_detach(NFT_MASQ, &pod_b, NULL, NULL, &err), &err);
	sandbox_host_ok(s, "nft list table inet podwire; ls /run/podwire/attachments | wc -l");
	lacks(s->out, "podnet");
	contains(s->out, "\n0\n");
}

static void detach_works_without_a_record(void **state)
{
	struct sandbox *s = *state;
	struct nft_item p = port("10.88.0.2/24", IPPROTO_UDP, 53), *gone = NULL;
	struct cni_error err;
	size_t n = 0;

	ok(attach_port(&pod_a, "lo", &p, &err), &err);
	sandbox_host_ok(s, "rm -r /run/podwire");
	ok(nft_detach(NFT_PORTMAP, &pod_a, &gone, &n, &err), &err);
	assert_int_equal(n, 1);
	assert_int_equal(gone[0].host_port, 53);
	assert_int_equal(gone[0].protocol, IPPROTO_UDP);
	free(gone);
	sandbox_host_ok(s, "nft list table inet podwire");
	lacks(s->out, "podnet");
}

/* DEL on a machine that never had anything of ours makes no table and no folder. */
static void detach_of_nothing_makes_nothing(void **state)
{
	struct sandbox *s = *state;
	struct cni_error err;

	ok(nft_detach(NFT_MASQ, &pod_a, NULL, NULL, &err), &err);
	sandbox_host_ok(s, "nft list ruleset; ls -A /run | grep podwire || true");
	assert_string_equal(s->out, "");
}

static void repeated_attach_replaces(void **state)
{
	struct sandbox *s = *state;
	struct cni_error err;

	ok(attach_masq(&pod_a, "10.88.0.2/24", &err), &err);
	ok(attach_masq(&pod_a, "10.88.0.2/24", &err), &err);
	ok(attach_masq(&pod_a, "10.88.0.9/24", &err), &err);
	sandbox_host_ok(s, "nft list table inet podwire; cat /run/podwire/attachments/masq-*");
	lacks(s->out, "10.88.0.2");
	contains(s->out, "10.88.0.9 comment \"podnet a eth0\"");
	contains(s->out, "masq 10.88.0.9/24\n");
}

static void living_owner_is_named(void **state)
{
	struct sandbox *s = *state;
	struct nft_item first = port("10.88.0.2/24", IPPROTO_TCP, 8080);
	struct nft_item second = port("10.88.0.3/24", IPPROTO_TCP, 8080);
	struct nft_item udp = port("10.88.0.3/24", IPPROTO_UDP, 8080);
	struct cni_error err;

	ok(attach_port(&pod_a, "lo", &first, &err), &err);
	assert_int_equal(attach_port(&pod_b, "lo", &second, &err), -1);
	assert_int_equal(err.code, CNI_CONFLICT);
	contains(err.msg, "host port 0.0.0.0 8080/tcp");
	contains(err.msg, "container a (network podnet, interface eth0)");
	sandbox_host_ok(s, "nft list table inet podwire; ls /run/podwire/attachments | wc -l");
	lacks(s->out, "podnet b");
	contains(s->out, "\n1\n");
	ok(attach_port(&pod_b, "lo", &udp, &err), &err);
}

static void specific_address_is_no_conflict(void **state)
{
	struct nft_item any = port("10.88.0.2/24", IPPROTO_TCP, 8080);
	struct nft_item one = port("10.88.0.3/24", IPPROTO_TCP, 8080);
	struct cni_error err;

	(void)state;
	one.has_host = true;
	assert_true(ip_parse("10.0.0.1", &one.host));
	ok(attach_port(&pod_a, "lo", &any, &err), &err);
	ok(attach_port(&pod_b, "lo", &one, &err), &err);
	ok(nft_detach(NFT_PORTMAP, &pod_a, NULL, NULL, &err), &err);
	ok(attach_port(&pod_a, "lo", &any, &err), &err);
}

static void dead_owner_is_taken_over(void **state)
{
	struct sandbox *s = *state;
	struct nft_item both[] = { port("10.88.0.2/24", IPPROTO_TCP, 8080),
				   port("10.88.0.2/24", IPPROTO_TCP, 8081) };
	struct nft_item one = port("10.88.0.3/24", IPPROTO_TCP, 8080);
	const char *const links[] = { "gone0", NULL };
	struct cni_error err;

	sandbox_host_ok(s, "ip link add gone0 type veth peer name gone1");
	ok(nft_attach(NFT_PORTMAP, &pod_a, links, both, 2, &err), &err);
	assert_int_equal(attach_port(&pod_b, "lo", &one, &err), -1);
	sandbox_host_ok(s, "ip link del gone0");
	ok(attach_port(&pod_b, "lo", &one, &err), &err);
	sandbox_host_ok(s, "nft list table inet podwire; ls /run/podwire/attachments | wc -l");
	lacks(s->out, "podnet a");
	contains(s->out, "tcp . 8080 comment \"podnet b eth0\" : 10.88.0.3 . 80");
	contains(s->out, "\n1\n");
}

/* What `ip netns del` does, and a container that starts right after it. */
static void dying_owner_is_waited_for(void **state)
{
	struct sandbox *s = *state;
	struct nft_item first = port("10.88.0.2/24", IPPROTO_TCP, 8080);
	struct nft_item second = port("10.88.0.3/24", IPPROTO_TCP, 8080);
	struct cni_error err;

	sandbox_host_ok(s, "ip link add dying0 type veth peer name x0");
	ok(attach_port(&pod_a, "dying0", &first, &err), &err);
	sandbox_host_ok(s, "(sleep 0.05; ip link del dying0) </dev/null >/dev/null 2>&1 &");
	ok(attach_port(&pod_b, "lo", &second, &err), &err);
	lacks(sandbox_host_ok(s, "nft list table inet podwire"), "podnet a");
}

/* The same container through another network: that one's port is enough as long as it lives. */
static void dead_network_of_the_container_is_not_shared(void **state)
{
	static const struct owner again = { "othernet", "a", "eth1" };
	struct sandbox *s = *state;
	struct nft_item first = port("10.88.0.2/24", IPPROTO_TCP, 8080);
	struct nft_item second = port("10.99.0.2/24", IPPROTO_TCP, 8080);
	struct cni_error err;

	sandbox_host_ok(s, "ip link add gone0 type veth peer name gone1");
	ok(attach_port(&pod_a, "gone0", &first, &err), &err);
	ok(attach_port(&again, "lo", &second, &err), &err);
	ok(nft_check(NFT_PORTMAP, &again, &second, 1, &err), &err);
	contains(sandbox_host_ok(s, "nft list table inet podwire"), "podnet a eth0");
	sandbox_host_ok(s, "ip link del gone0");
	assert_int_equal(nft_check(NFT_PORTMAP, &again, &second, 1, &err), -1);
	contains(err.msg, "belongs to");
	ok(attach_port(&again, "lo", &second, &err), &err);
	ok(nft_check(NFT_PORTMAP, &again, &second, 1, &err), &err);
	sandbox_host_ok(s, "nft list table inet podwire; ls /run/podwire/attachments | wc -l");
	contains(s->out, "comment \"othernet a eth1\" : 10.99.0.2 . 80");
	lacks(s->out, "podnet a eth0");
	contains(s->out, "\n1\n");
}

static void renamed_link_is_a_sign_of_life(void **state)
{
	struct sandbox *s = *state;
	struct nft_item first = port("10.88.0.2/24", IPPROTO_TCP, 8080);
	struct nft_item second = port("10.88.0.3/24", IPPROTO_TCP, 8080);
	struct cni_error err;

	sandbox_host_ok(s, "ip link add old0 type veth peer name x0");
	ok(attach_port(&pod_a, "old0", &first, &err), &err);
	sandbox_host_ok(s, "ip link set old0 name new0");
	assert_int_equal(attach_port(&pod_b, "lo", &second, &err), -1);
	assert_int_equal(err.code, CNI_CONFLICT);
	sandbox_host_ok(s, "ip link del new0");
	ok(attach_port(&pod_b, "lo", &second, &err), &err);
}

static void reused_address_is_taken_over(void **state)
{
	struct sandbox *s = *state;
	struct cni_error err;

	ok(attach_masq(&pod_a, "10.88.0.2/24", &err), &err);
	ok(attach_masq(&pod_b, "10.88.0.2/24", &err), &err);
	ok(nft_detach(NFT_MASQ, &pod_a, NULL, NULL, &err), &err);
	sandbox_host_ok(s, "nft list table inet podwire");
	contains(s->out, "10.88.0.2 comment \"podnet b eth0\"");
	lacks(s->out, "podnet a");
}

static void check_sees_a_flushed_subnet_chain(void **state)
{
	struct sandbox *s = *state;
	struct nft_item item = masq("10.88.0.2/24");
	struct cni_error err;

	ok(attach_masq(&pod_a, "10.88.0.2/24", &err), &err);
	ok(nft_check(NFT_MASQ, &pod_a, &item, 1, &err), &err);
	sandbox_host_ok(s, "nft flush chain inet podwire masq-10.88.0.0-24");
	assert_int_equal(nft_check(NFT_MASQ, &pod_a, &item, 1, &err), -1);
	contains(err.msg, "masq-10.88.0.0-24");
}

static void gc_of_nothing_makes_nothing(void **state)
{
	struct sandbox *s = *state;
	struct cni_error err;

	ok(gc(NFT_PORTMAP, nobody, &err), &err);
	ok(gc(NFT_SPOOF, nobody, &err), &err);
	sandbox_host_ok(s, "nft list ruleset; ls -A /run | grep podwire || true");
	assert_string_equal(s->out, "");
}

static void gc_takes_only_its_network(void **state)
{
	struct sandbox *s = *state;
	struct cni_error err;

	ok(attach_masq(&pod_a, "10.88.0.2/24", &err), &err);
	ok(attach_masq(&pod_b, "10.88.0.3/24", &err), &err);
	ok(attach_masq(&other, "10.99.0.3/24", &err), &err);
	sandbox_host_ok(s, "nft add element inet podwire masq-10.88.0.0-24"
			   " '{ 10.88.0.77 comment \"podnet stray eth0\" }'");
	ok(gc(NFT_MASQ, only_a, &err), &err);
	sandbox_host_ok(s, "nft list table inet podwire; ls /run/podwire/attachments | wc -l");
	contains(s->out, "podnet a eth0");
	contains(s->out, "othernet c eth0");
	lacks(s->out, "podnet b eth0");
	lacks(s->out, "stray");
	contains(s->out, "\n2\n");
	contains(s->out, "masq-10.88.0.0-24");
	ok(gc(NFT_MASQ, nobody, &err), &err);
	sandbox_host_ok(s, "nft list table inet podwire");
	lacks(s->out, "masq-10.88.0.0-24");
	contains(s->out, "masq-10.99.0.0-24");
}

static void spoof_check_is_one_rule(void **state)
{
	struct sandbox *s = *state;
	struct nft_item item = { .kind = NFT_ITEM_SPOOF, .veth = "vethx" };
	const char *const links[] = { "vethx", NULL };
	struct cni_error err;

	assert_true(mac_parse("02:00:00:00:00:01", &item.mac));
	ok(nft_attach(NFT_SPOOF, &pod_a, links, &item, 1, &err), &err);
	sandbox_host_ok(s, "nft list ruleset");
	contains(s->out, "iifname @checked iifname . ether saddr != @allowed drop");
	contains(s->out, "\"vethx\" . 02:00:00:00:00:01 comment \"podnet a eth0\"");
	ok(nft_check(NFT_SPOOF, &pod_a, &item, 1, &err), &err);
	ok(nft_detach(NFT_SPOOF, &pod_a, NULL, NULL, &err), &err);
	assert_int_equal(nft_check(NFT_SPOOF, &pod_a, &item, 1, &err), -1);
	sandbox_host_ok(s, "nft list ruleset");
	lacks(s->out, "vethx");
}

/* Every send of an ADD fails once: nothing of the owner may be left. */
static void any_failing_send_leaves_nothing(void **state)
{
	struct sandbox *s = *state;
	struct nft_item p = port("10.88.0.2/24", IPPROTO_TCP, 8080);
	struct nft_record want = { .owner = pod_a, .items = &p, .n = 1 };
	struct cni_error err;

	for (int k = 0;; k++) {
		scoped_session struct nft_session session = { .run = -1, .lock = -1 };
		int countdown = k;

		ok(session_open(&session, &err), &err);
		session.tx.fail_after = &countdown;
		if (session_attach(&session, NFT_PORTMAP, &want, &err) == 0) {
			assert_in_range(k, 3, 8); /* look, build, look, commit */
			return;
		}
		session.tx.fail_after = NULL;
		sandbox_host_ok(s, "nft list ruleset");
		lacks(s->out, "podnet");
	}
}

static void status_changes_nothing(void **state)
{
	struct sandbox *s = *state;
	struct cni_error err;

	ok(nft_status(&err), &err);
	sandbox_host_ok(s, "nft list ruleset; ls -A /run | grep podwire || true");
	assert_string_equal(s->out, "");
}

/* DEL, which finds nothing of ours in it, is fine; so is GC. */
static void foreign_table_is_left_alone(void **state)
{
	struct sandbox *s = *state;
	struct cni_error err;

	sandbox_host_ok(s, "nft add table inet podwire '{ comment \"mine\" ; }'");
	ok(nft_detach(NFT_MASQ, &pod_a, NULL, NULL, &err), &err);
	ok(gc(NFT_MASQ, nobody, &err), &err);
	assert_int_equal(nft_status(&err), -1);
	assert_int_equal(err.code, CNI_NOT_AVAILABLE);
	assert_int_equal(attach_masq(&pod_a, "10.88.0.2/24", &err), -1);
	contains(err.msg, "is not Podwire's");
	sandbox_host_ok(s, "nft delete table inet podwire;"
			   " nft add table inet podwire '{ comment \"Podwire layout 3: x\" ; }'");
	assert_int_equal(attach_masq(&pod_a, "10.88.0.2/24", &err), -1);
	contains(err.msg, "layout 3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(skeleton_lists_like_the_reference),
		sandbox_test(listing_reloads),
		sandbox_test(detach_leaves_nothing_of_the_owner),
		sandbox_test(detach_works_without_a_record),
		sandbox_test(detach_of_nothing_makes_nothing),
		sandbox_test(repeated_attach_replaces),
		sandbox_test(living_owner_is_named),
		sandbox_test(specific_address_is_no_conflict),
		sandbox_test(dead_owner_is_taken_over),
		sandbox_test(dying_owner_is_waited_for),
		sandbox_test(dead_network_of_the_container_is_not_shared),
		sandbox_test(renamed_link_is_a_sign_of_life),
		sandbox_test(reused_address_is_taken_over),
		sandbox_test(check_sees_a_flushed_subnet_chain),
		sandbox_test(gc_of_nothing_makes_nothing),
		sandbox_test(gc_takes_only_its_network),
		sandbox_test(spoof_check_is_one_rule),
		sandbox_test(any_failing_send_leaves_nothing),
		sandbox_test(status_changes_nothing),
		sandbox_test(foreign_table_is_left_alone),
	};

	return sandbox_run_group(tests);
}
