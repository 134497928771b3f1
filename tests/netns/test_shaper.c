/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sandbox.h"

#include <errno.h>
#include <string.h>

#include "answer.h"
#include "base/scoped.h"
#include "netlink/shaper.h"

#define IFB   "bwp0"
#define ALIAS "podwire net cont eth0"

static const struct shaper_id id = { .names = { IFB, "bwp1" },
				     .alias = ALIAS,
				     .mac = { { 0x02, 0, 0, 0, 0, 9 } } };
static const struct link none = { .index = 0 };
static const struct tbf out = { .rate = 1000, .buffer = 156250, .limit = 35 };
static const struct tbf in = { .rate = UINT64_C(1) << 33, .buffer = 15625, .limit = 1u << 30 };

/* A veth of the host, and the socket that looks at it. */
static struct link world(struct sandbox *s, struct nl *nl)
{
	struct cni_error err;
	struct link link;

	sandbox_host_ok(s, "ip link add host mtu 1300 type veth peer name peer && "
			   "ip link set host up && ip link set peer up");
	assert_ok(nl_open(nl, &err), &err);
	assert_ok(link_get(nl, "host", &link, &err), &err);
	return link;
}

static struct shaper_spec spec_for(const struct link *link)
{
	return (struct shaper_spec){ .link = link, .out = &out, .in = &in, .id = &id };
}

/* Links and qdiscs; sandbox_snapshot() has no qdiscs. */
static void whole(struct sandbox *s, char *buf, size_t cap)
{
	const char *shown = sandbox_host_ok(
	    s, "ip -d link; tc qdisc | sed 's/refcnt [0-9]*//'; tc filter show dev host "
	       "parent ffff: 2>/dev/null || true");

	assert_true(strlen(shown) < cap);
	memcpy(buf, shown, strlen(shown) + 1);
}

static void assert_unchanged(struct sandbox *s, const char *before)
{
	char after[8192];

	whole(s, after, sizeof(after));
	assert_string_equal(after, before);
}

static struct shaper_parts all_of(const struct link *link, const struct link *ifb)
{
	return (struct shaper_parts){ .link = link, .ifb = ifb, .root = true, .entry = true };
}

static void both_directions_are_read_back(void **state)
{
	struct sandbox *s = *state;
	scoped_nl struct nl nl = { 0 };
	struct link link = world(s, &nl), ifb;
	const struct shaper_spec spec = spec_for(&link);
	struct shaper_view found;
	struct cni_error err;
	const char *shown;

	assert_ok(shaper_look(&nl, &link, &none, &found, &err), &err);
	assert_int_equal(found.root.handle, 0);
	assert_int_equal(found.entry.handle, 0);
	assert_false(found.redirect.found);
	assert_ok(shaper_add(&nl, &spec, &ifb, &err), &err);
	shown = sandbox_host_ok(s, "ip -d link show " IFB "; tc qdisc | sed 's/ refcnt [0-9]*//'; "
				   "tc filter show dev host parent ffff:");
	assert_shows(shown, "mtu 1300");
	assert_shows(shown, ",UP");
	assert_shows(shown, "link/ether 02:00:00:00:00:09");
	assert_shows(shown, "alias " ALIAS);
	assert_shows(shown, "qdisc tbf 1: dev host root rate 8Kbit burst 10b");
	assert_shows(shown, "qdisc ingress ffff: dev host");
	assert_shows(shown, "qdisc tbf 1: dev " IFB " root rate 68719Mbit");
	assert_shows(shown, "Redirect to device " IFB);

	assert_ok(shaper_look(&nl, &link, &ifb, &found, &err), &err);
	assert_string_equal(found.root.kind, "tbf");
	assert_int_equal(found.root.handle, QDISC_TBF);
	assert_memory_equal(&found.root.tbf, &out, sizeof(out));
	assert_memory_equal(&found.ifb_root.tbf, &in, sizeof(in));
	assert_string_equal(found.entry.kind, "ingress");
	assert_int_equal(found.entry.handle, QDISC_INGRESS);
	assert_string_equal(found.inner.kind, "");
	assert_string_equal(ifb.name, IFB);
	assert_true(found.redirect.found);
	assert_int_equal(found.redirect.to, ifb.index);
	assert_false(found.redirect.others);
}

static void remove_takes_it_all_and_twice(void **state)
{
	struct sandbox *s = *state;
	scoped_nl struct nl nl = { 0 };
	struct link link = world(s, &nl), ifb;
	const struct shaper_spec spec = spec_for(&link);
	const struct shaper_parts parts = all_of(&link, &ifb);
	char before[8192];
	struct cni_error err;

	whole(s, before, sizeof(before));
	assert_ok(shaper_add(&nl, &spec, &ifb, &err), &err);
	for (int i = 0; i < 2; i++) {
		assert_ok(shaper_remove(&nl, &parts, &err), &err);
		assert_unchanged(s, before);
	}
	link.index = 9999;
	assert_ok(shaper_remove(&nl, &parts, &err), &err);
}

static void remove_leaves_what_is_of_others(void **state)
{
	struct sandbox *s = *state;
	scoped_nl struct nl nl = { 0 };
	const struct link link = world(s, &nl);
	const struct shaper_parts parts = {
		.link = &link, .ifb = &none, .root = true, .entry = true
	};
	char before[8192];
	struct cni_error err;

	sandbox_host_ok(s, "tc qdisc add dev host root handle 7: tbf rate 1mbit burst 9k limit 9k "
			   "&& tc qdisc add dev host clsact");
	whole(s, before, sizeof(before));
	assert_ok(shaper_remove(&nl, &parts, &err), &err);
	assert_unchanged(s, before);
}

static void every_failing_call_leaves_nothing(void **state)
{
	struct sandbox *s = *state;
	scoped_nl struct nl nl = { 0 };
	struct link link = world(s, &nl), ifb;
	const struct shaper_spec spec = spec_for(&link);
	char before[8192];
	struct cni_error err;
	int k = 0;

	whole(s, before, sizeof(before));
	for (;; k++) {
		int left = k, r;

		nl.fail_after = &left;
		r = shaper_add(&nl, &spec, &ifb, &err);
		nl.fail_after = NULL;
		if (r == 0)
			break;
		assert_int_equal(err.sys, EIO);
		assert_unchanged(s, before);
	}
	assert_int_equal(k, 3); /* the round trips of an ADD */
}

/* The kernel refuses one message of a batch while the others run. */
static void every_refused_message_leaves_nothing(void **state)
{
	static const struct tbf impossible = { .rate = 1000, .buffer = 0, .limit = 35 };
	struct sandbox *s = *state;
	scoped_nl struct nl nl = { 0 };
	struct link link = world(s, &nl), ifb;
	struct shaper_id multicast = id, no_name = id;
	struct shaper_spec bad[4];
	char before[8192];
	struct cni_error err;

	multicast.mac.b[0] = 1;
	(void)strncpy(no_name.names[0], "a/name", IFNAME_MAX - 1);
	whole(s, before, sizeof(before));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = spec_for(&link);
	bad[0].out = &impossible;
	bad[1].in = &impossible;
	bad[2].id = &multicast;
	bad[3].id = &no_name;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(shaper_add(&nl, &bad[i], &ifb, &err), -1);
		assert_int_not_equal(err.sys, 0);
		assert_unchanged(s, before);
	}
}

static void an_unknown_kind_names_its_module(void **state)
{
	struct sandbox *s = *state;
	scoped_nl struct nl nl = { 0 };
	struct link link = world(s, &nl), ifb;
	struct shaper_spec spec = spec_for(&link);
	char before[8192];
	struct cni_error err;
	int r;

	whole(s, before, sizeof(before));
	spec.fq_codel = true;
	r = shaper_add(&nl, &spec, &ifb, &err);
	if (sandbox_host(s, "ip link add probe type ifb && tc qdisc add dev probe root fq_codel") ==
	    0) {
		assert_ok(r, &err); /* tests/vm */
		return;
	}
	sandbox_host_ok(s, "ip link del probe");
	assert_int_equal(r, -1);
	assert_int_equal(err.sys, ENOENT);
	assert_shows(err.msg, "needs the kernel module sch_fq_codel");
	assert_unchanged(s, before);
}

/* By any kind of link, or by another name of one; neither is touched. */
static void a_taken_name_is_left_alone(void **state)
{
	struct sandbox *s = *state;
	scoped_nl struct nl nl = { 0 };
	struct link link = world(s, &nl), ifb;
	const struct shaper_spec spec = spec_for(&link);
	const struct shaper_parts parts = all_of(&link, &ifb);
	char before[8192];
	struct cni_error err;

	sandbox_host_ok(s, "ip link property add dev peer altname " IFB);
	whole(s, before, sizeof(before));
	assert_ok(shaper_add(&nl, &spec, &ifb, &err), &err);
	assert_string_equal(ifb.name, "bwp1");
	assert_ok(shaper_remove(&nl, &parts, &err), &err);
	assert_unchanged(s, before);

	sandbox_host_ok(s, "ip link add bwp1 type ifb");
	whole(s, before, sizeof(before));
	assert_int_equal(shaper_add(&nl, &spec, &ifb, &err), -1);
	assert_int_equal(err.sys, EEXIST);
	assert_shows(err.msg, "create ifb bwp1");
	assert_unchanged(s, before);
}

static void filters_of_others_are_seen(void **state)
{
	static const struct {
		const char *filter;
		bool found, others;
	} cases[] = {
		{ "protocol all u32 match u32 0 0 action mirred egress redirect dev peer", true,
		  false },
		{ "protocol ip u32 match u32 0 0 action mirred egress redirect dev peer", false,
		  true },
		{ "protocol all u32 match u32 1 1 action mirred egress redirect dev peer", false,
		  true },
		{ "protocol all u32 match u32 0 0 action mirred egress mirror dev peer", false,
		  true },
		{ "protocol all u32 match u32 0 0 action drop", false, true },
		{ "protocol all u32 match u32 0 0 flowid 1:1", false, true },
	};
	struct sandbox *s = *state;
	scoped_nl struct nl nl = { 0 };
	const struct link link = world(s, &nl);
	struct redirect found;
	struct cni_error err;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		sandbox_host_ok(s, "tc qdisc add dev host ingress");
		if (sandbox_host(s, "tc filter add dev host parent ffff: %s", cases[i].filter) ==
		    0) {
			assert_ok(qdisc_redirect(&nl, link.index, "host", &found, &err), &err);
			assert_int_equal(found.found, cases[i].found);
			assert_int_equal(found.others, cases[i].others);
		} else {
			assert_int_equal(i, 4); /* this kernel lacks act_gact */
		}
		sandbox_host_ok(s, "tc qdisc del dev host ingress");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(both_directions_are_read_back),
		sandbox_test(remove_takes_it_all_and_twice),
		sandbox_test(remove_leaves_what_is_of_others),
		sandbox_test(every_failing_call_leaves_nothing),
		sandbox_test(every_refused_message_leaves_nothing),
		sandbox_test(an_unknown_kind_names_its_module),
		sandbox_test(a_taken_name_is_left_alone),
		sandbox_test(filters_of_others_are_seen),
	};

	return sandbox_run_group(tests);
}
