/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pkg/nft after somebody flushed its tables, or damaged or killed what keeps them. */
#include "nft_items.h"

#include <linux/netfilter.h>

#include "base/text.h"
#include "nft/conditions.h"
#include "nft/session.h"

/* Not only what the next ADD wants: everything of every living pod. */
static void flushed_ruleset_comes_back(void **state)
{
	static const char *const damages[] = { "nft flush ruleset", "nft flush table inet podwire",
					       "nft delete table inet podwire",
					       "nft flush chain inet podwire prerouting" };
	struct sandbox *s = *state;
	struct nft_item p = port("10.88.0.3/24", IPPROTO_TCP, 8080);
	struct cni_error err;
	char name[IFNAME_MAX];

	ifname_host_veth(&pod_a, name);
	sandbox_host_ok(s, "ip link add %s type veth peer name x0", name);
	for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
		ok(attach_masq(&pod_a, "10.88.0.2/24", &err), &err);
		ok(attach_port(&pod_b, "lo", &p, &err), &err);
		sandbox_host_ok(s, "nft list ruleset > /run/before; %s", damages[i]);
		assert_int_equal(nft_check(NFT_PORTMAP, &pod_b, &p, 1, &err), -1);
		assert_int_equal(err.code, CNI_CHECK_FAILED);
		ok(attach_port(&pod_b, "lo", &p, &err), &err);
		sandbox_host_ok(s, "nft list ruleset > /run/after; nft -c -f /run/after;"
				   " diff /run/before /run/after");
		ok(nft_check(NFT_PORTMAP, &pod_b, &p, 1, &err), &err);
	}
}

/* Whoever comes first puts both tables right. */
static void both_tables_come_back(void **state)
{
	struct sandbox *s = *state;
	struct nft_item item = { .kind = NFT_ITEM_SPOOF, .veth = "lo" };
	struct nft_item p = port("10.88.0.3/24", IPPROTO_TCP, 8080);
	const char *const links[] = { "lo", NULL };
	struct cni_error err;

	assert_true(mac_parse("02:00:00:00:00:01", &item.mac));
	ok(attach_port(&pod_a, "lo", &p, &err), &err);
	sandbox_host_ok(s, "nft flush ruleset");
	ok(attach_port(&pod_a, "lo", &p, &err), &err);
	sandbox_host_ok(s, "nft list ruleset");
	lacks(s->out, "bridge"); /* nobody needs it */
	ok(nft_attach(NFT_SPOOF, &pod_b, links, &item, 1, &err), &err);
	sandbox_host_ok(s, "nft flush ruleset");
	ok(attach_port(&pod_a, "lo", &p, &err), &err);
	ok(nft_check(NFT_SPOOF, &pod_b, &item, 1, &err), &err);
	sandbox_host_ok(s, "nft flush ruleset");
	ok(nft_attach(NFT_SPOOF, &pod_b, links, &item, 1, &err), &err);
	ok(nft_check(NFT_PORTMAP, &pod_a, &p, 1, &err), &err);
}

/* Without an ADD that wants anything; with nothing of ours it opens and makes nothing. */
static void repair_brings_everything_back(void **state)
{
	struct sandbox *s = *state;
	struct nft_item p = port("10.88.0.3/24", IPPROTO_TCP, 8080);
	struct cni_error err;

	ok(nft_repair(&err), &err);
	sandbox_host_ok(s, "nft list ruleset; ls -A /run | grep podwire || true");
	assert_string_equal(s->out, "");
	ok(attach_port(&pod_b, "lo", &p, &err), &err);
	sandbox_host_ok(s, "nft list ruleset > /run/before; nft flush ruleset");
	ok(nft_repair(&err), &err);
	sandbox_host_ok(s, "nft list ruleset > /run/after; diff /run/before /run/after");
	contains(sandbox_host_ok(s, "cat /run/after"), "iif != \"lo\" ip daddr 127.0.0.0/8 drop");
	sandbox_host_ok(s, "rm /run/podwire/nft.lock");
	ok(nft_repair(&err), &err); /* sound: not even the lock */
	sandbox_host_ok(s, "test ! -e /run/podwire/nft.lock");
	ok(nft_detach(NFT_PORTMAP, &pod_b, NULL, NULL, &err), &err);
	sandbox_host_ok(s, "nft flush ruleset");
	ok(nft_repair(&err), &err); /* nobody's */
	assert_string_equal(sandbox_host_ok(s, "nft list ruleset"), "");
	ok(attach_port(&pod_b, "lo", &p, &err), &err);
	sandbox_host_ok(s, "nft flush ruleset; nft add table inet podwire");
	ok(nft_repair(&err), &err); /* somebody else's */
}

/* Killed between the table's transaction and the rules that nft puts: the next writer finishes. */
static void killed_rebuild_is_finished(void **state)
{
	const char *words[] = { "ip", "daddr", "192.0.2.1" };
	const struct nft_conditions list = { .tokens4 = words, .n_tokens4 = 3 };
	struct sandbox *s = *state;
	struct nft_item p = port("10.88.0.3/24", IPPROTO_TCP, 8080);
	struct cni_error err;

	ok(nft_conditions_hash(&list, p.conditions, &err), &err);
	ok(nft_conditions_ensure(&list, p.conditions, &err), &err);
	ok(attach_port(&pod_b, "lo", &p, &err), &err);
	sandbox_host_ok(s, "test ! -e /run/podwire/rebuild;"
			   " nft list ruleset > /run/before; nft flush ruleset;"
			   " mv /run/podwire/conditions /run/podwire/hidden");
	ok(nft_repair(&err), &err);
	lacks(sandbox_host_ok(s, "nft list ruleset"), "192.0.2.1");
	sandbox_host_ok(s, "mv /run/podwire/hidden /run/podwire/conditions;"
			   " touch /run/podwire/rebuild");
	ok(nft_repair(&err), &err);
	sandbox_host_ok(s, "nft list ruleset > /run/after; diff /run/before /run/after;"
			   " test ! -e /run/podwire/rebuild");
}

static void rebuild_is_marked_until_it_is_whole(void **state)
{
	struct sandbox *s = *state;
	struct nft_item p = port("10.88.0.3/24", IPPROTO_TCP, 8080);
	struct cni_error err;
	int looks = 1;

	ok(attach_port(&pod_b, "lo", &p, &err), &err);
	sandbox_host_ok(s, "nft flush ruleset");
	{
		scoped_session struct nft_session session = { .run = -1, .lock = -1 };

		ok(session_open(&session, &err), &err);
		session.tx.fail_after = &looks;
		assert_int_equal(session_build(&session, NFT_PORTMAP, 0, NULL, 0, &err), -1);
	}
	sandbox_host_ok(s, "test -e /run/podwire/rebuild");
	ok(nft_repair(&err), &err);
	sandbox_host_ok(s, "test ! -e /run/podwire/rebuild");
	ok(nft_check(NFT_PORTMAP, &pod_b, &p, 1, &err), &err);
}

/* What an earlier ADD had is known by the comments then; nothing of it is left over. */
static void damaged_record_leaks_nothing(void **state)
{
	struct sandbox *s = *state;
	struct nft_item both[] = { port("10.88.0.2/24", IPPROTO_TCP, 8080),
				   port("10.88.0.2/24", IPPROTO_TCP, 8081) };
	const char *const links[] = { "lo", NULL };
	struct cni_error err;

	ok(nft_attach(NFT_PORTMAP, &pod_a, links, both, 2, &err), &err);
	sandbox_host_ok(s, "for f in /run/podwire/attachments/*; do echo x > $f; done");
	ok(attach_port(&pod_a, "lo", &both[0], &err), &err);
	sandbox_host_ok(s, "nft list table inet podwire");
	contains(s->out, "tcp . 8080 comment \"podnet a eth0\"");
	lacks(s->out, "8081");
	sandbox_host_ok(s, "for f in /run/podwire/attachments/*; do echo x > $f; done;"
			   " nft flush ruleset");
	ok(attach_port(&pod_a, "lo", &both[1], &err), &err); /* no table, either */
	contains(sandbox_host_ok(s, "nft list table inet podwire"), "8081 comment");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(flushed_ruleset_comes_back),
		sandbox_test(both_tables_come_back),
		sandbox_test(repair_brings_everything_back),
		sandbox_test(killed_rebuild_is_finished),
		sandbox_test(rebuild_is_marked_until_it_is_whole),
		sandbox_test(damaged_record_leaks_nothing),
	};

	return sandbox_run_group(tests);
}
