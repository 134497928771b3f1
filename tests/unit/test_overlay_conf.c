/* SPDX-License-Identifier: GPL-2.0-or-later */
/* overlay: its configuration, the stamp, and what DEL needs. */
#include "overlay_conf.h"

/* ---- keys */

static void defaults(void **state)
{
	scoped_world struct world w;
	const struct overlay *o = &w.conf.overlay;

	(void)state;
	assert_int_equal(parse_all(&w, "{" V4 "," NODES "}"), 0);
	assert_int_equal(o->backend, OVERLAY_VXLAN);
	assert_true(o->has4 && !o->has6);
	assert_net(&o->network4, "10.244.0.0/16");
	assert_int_equal(o->vni, 1);
	assert_int_equal(o->port, 8472);
	assert_int_equal(o->mtu, 0);
	assert_false(o->learning || o->gbp || o->direct_routing || o->plain_routes);
	assert_int_equal(o->checksum, OVERLAY_CSUM_AUTO);
	assert_string_equal(o->device4, "flannel.1");
	assert_false(w.conf.masq || w.conf.drop_strangers || w.conf.force_address);
	assert_true(w.conf.bridge);
	assert_string_equal(w.conf.bridge_name, "cni0");
	assert_null(w.conf.node);
	assert_null(w.conf.nodes_file);
	assert_int_equal(w.list.n, 2);
	assert_string_equal(w.list.nodes[1].name, "n2");
	assert_ip(&w.list.nodes[1].public4, "192.0.2.2");
	assert_ip(&w.list.nodes[1].local4, "192.0.2.2");
	assert_net(&w.list.nodes[1].subnet4, "10.244.2.0/24");
	assert_false(w.list.nodes[1].has_mac4);
}

static void every_key(void **state)
{
	scoped_world struct world w;
	const struct overlay *o = &w.conf.overlay;

	(void)state;
	assert_int_equal(
	    parse(&w, "{" V4 "," V6 ",'ipMasq':true,'senders':'nodes','node':'n7',"
		      "'nonMasqueradeCIDRs':['10.0.0.1/8','fd00::/8'],'nodesFile':'/etc/nodes',"
		      "'backend':{'Type':'vxlan','VNI':42,'Port':4789,'MTU':9000,'Learning':true,"
		      "'GBP':true,'DirectRouting':true,'checksum':'outer-off','device':'ov4',"
		      "'deviceV6':'ov6'},"
		      "'delegate':{'bridge':'br9','forceAddress':true}}"),
	    0);
	assert_true(o->has4 && o->has6);
	assert_net(&o->network6, "fd00:10::/48");
	assert_int_equal(o->vni, 42);
	assert_int_equal(o->port, 4789);
	assert_int_equal(o->mtu, 9000);
	assert_true(o->learning && o->gbp && o->direct_routing);
	assert_int_equal(o->checksum, OVERLAY_CSUM_OUTER_OFF);
	assert_string_equal(o->device4, "ov4");
	assert_string_equal(o->device6, "ov6");
	assert_true(w.conf.masq && w.conf.drop_strangers && w.conf.force_address);
	assert_int_equal(w.conf.n_non_masq, 2);
	assert_net(&w.conf.non_masq[0], "10.0.0.0/8");
	assert_string_equal(w.conf.node, "n7");
	assert_string_equal(w.conf.nodes_file, "/etc/nodes");
	assert_string_equal(w.conf.bridge_name, "br9");
}

/* flannel's where they fit into 15 characters. */
static void names_of_devices(void **state)
{
	static const struct {
		const char *backend, *device4, *device6;
	} cases[] = {
		{ "{'vni':9999}", "flannel.9999", "flannel-v6.9999" },
		{ "{'vni':10000}", "flannel.10000", "flan6.10000" },
		{ "{'vni':16777215}", "flan.16777215", "flan6.16777215" },
		{ "{'type':'host-gw','device':'x'}", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_world struct world w;
		char text[512];

		(void)text_format(text, sizeof(text), "{" V4 "," V6 ",'nodes':[],'backend':%s}",
				  cases[i].backend);
		assert_int_equal(parse(&w, text), 0);
		if (cases[i].device4 == NULL) {
			assert_true(w.conf.overlay.device4 == NULL);
			assert_true(w.conf.overlay.device6 == NULL);
			continue;
		}
		assert_string_equal(w.conf.overlay.device4, cases[i].device4);
		assert_string_equal(w.conf.overlay.device6, cases[i].device6);
	}
}

static void ipip_has_one_device(void **state)
{
	scoped_world struct world w;

	(void)state;
	assert_int_equal(parse(&w, "{" V4 "," NODES ",'backend':{'type':'ipip'}}"), 0);
	assert_string_equal(w.conf.overlay.device4, "flannel.ipip");
	assert_true(w.conf.overlay.device6 == NULL);
}

static void keys_that_are_refused(void **state)
{
	static const struct {
		const char *conf, *msg;
	} cases[] = {
		{ "{" NODES "}",
		  "network: the key is missing; give the pods' prefix as network (IPv4), "
		  "networkV6 or both" },
		{ "{" V4 "}", "nodes: the key is missing; list the nodes there or in a file that "
			      "nodesFile names" },
		{ "{" V4 "," NODES ",'nodesFile':'/x'}",
		  "nodesFile: there is a list of nodes as well; leave one of them out" },
		{ "{" V4 ",'nodesFile':'x'}", "nodesFile: \"x\" is not an absolute path" },
		{ "{" V4 ",'nodes':[]}",
		  "nodes: the list is empty; at least this node has to be in it" },
		{ "{'network':'10.244.1.0/16'," NODES "}",
		  "network: 10.244.1.0/16 has bits set behind its length; write 10.244.0.0/16" },
		{ "{'network':'0.0.0.0/0'," NODES "}",
		  "network: 0.0.0.0/0 is everything; give the pods' own prefix" },
		{ "{'network':'fd00::/48'," NODES "}",
		  "network: fd00::/48 is an IPv6 prefix; networkV6 takes it" },
		{ "{'networkV6':'10.244.0.0/16'," NODES "}",
		  "networkV6: 10.244.0.0/16 is an IPv4 prefix; network takes it" },
		{ "{" V4 "," NODES ",'backend':{'type':'udp'}}",
		  "backend.type: unknown backend \"udp\" (vxlan or ipip or host-gw)" },
		{ "{" V4 "," NODES ",'backend':{'vni':0}}",
		  "backend.vni: 0 is out of range, allowed is 1 to 16777215" },
		{ "{" V4 "," NODES ",'backend':{'vni':16777216}}",
		  "backend.vni: 16777216 is out of range, allowed is 1 to 16777215" },
		{ "{" V4 "," NODES ",'backend':{'port':0}}",
		  "backend.port: 0 is out of range, allowed is 1 to 65535" },
		{ "{" V4 "," NODES ",'backend':{'port':65536}}",
		  "backend.port: 65536 is out of range, allowed is 1 to 65535" },
		{ "{" V4 "," NODES ",'backend':{'device':'a/b'}}",
		  "backend.device: \"a/b\" is no interface name: contains a '/'" },
		{ "{" V4 "," V6 "," NODES ",'backend':{'device':'x','deviceV6':'x'}}",
		  "backend.deviceV6: \"x\" is the IPv4 device's name; choose another" },
		{ "{" V4 "," V6 "," NODES ",'backend':{'type':'ipip'}}",
		  "networkV6: ipip carries IPv4 only; take backend.type vxlan or host-gw, or leave "
		  "networkV6 out" },
		{ "{" V4 "," NODES ",'backend':{'type':'host-gw'},'senders':'nodes'}",
		  "senders: only backend.type vxlan can tell who sends; leave it out" },
		{ "{" V4 "," NODES ",'senders':'all'}", "senders: unknown policy \"all\" (nodes)" },
		{ "{" V4 "," NODES ",'nonMasqueradeCIDRs':['10.0.0.0/8','x']}",
		  "nonMasqueradeCIDRs[1]: \"x\" is not an IP prefix" },
		{ "{" V4 "," NODES ",'delegate':{'name':'x'}}",
		  "'delegate' dictionary must not have 'name' field, it'll be set by overlay" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_refused(cases[i].conf, CNI_INVALID_CONFIG, cases[i].msg);
	assert_refused("{" V4 ",'nodes':{}}", CNI_DECODE, "nodes: expected a list of nodes");
	assert_refused("{" V4 "," NODES ",'delegate':[]}", CNI_DECODE,
		       "delegate: expected a JSON object");
}

/* ---- digest */

static void what_the_digest_tells(void **state)
{
	static const struct {
		const char *conf;
		bool same;
	} cases[] = {
		{ "{" NODES "," V4
		  ",'delegate':{'mtu':7},'runtimeConfig':{'mac':'x'},'prevResult':{}}",
		  true },
		{ "{" V4 "," NODES ",'cniVersion':'0.3.1'}", true },
		{ "{" V4 ",'nodes':[" N2 "," N1 "]}", false },
		{ "{" V4 "," NODES ",'ipMasq':true}", false },
		{ "{" V4 "," NODES ",'backend':{'vni':2}}", false },
		{ "{" V4 "," NODES ",'node':'n1'}", false },
		{ "{" V4 "," NODES ",'senders':'nodes'}", false },
		{ "{" V4 "," NODES ",'nonMasqueradeCIDRs':[]}", false },
		{ "{" V4 ",'nodesFile':'/f'}", false },
	};
	scoped_world struct world first;

	(void)state;
	assert_int_equal(parse(&first, "{" V4 "," NODES "}"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_world struct world w;

		assert_int_equal(parse(&w, cases[i].conf), 0);
		assert_int_equal(strcmp(w.conf.digest, first.conf.digest) == 0, cases[i].same);
	}
}

/* ---- stamp */

static char *stamp_of(struct world *w, size_t self)
{
	struct overlay o = w->conf.overlay;
	char *text;

	o.nodes = w->list.nodes;
	o.n = w->list.n;
	o.self = self;
	text = overlay_stamp_encode(&w->conf, &o, "1:2:3");
	assert_non_null(text);
	return text;
}

static void a_stamp_and_back(void **state)
{
	scoped_world struct world w;
	scoped_overlay_stamp struct overlay_stamp s;
	scoped_free char *text = NULL;

	(void)state;
	assert_int_equal(parse_all(&w, LIST46(D1)), 0);
	text = stamp_of(&w, 0);
	assert_true(overlay_stamp_decode(text, strlen(text), &s));
	assert_string_equal(s.digest, w.conf.digest);
	assert_string_equal(s.file, "1:2:3");
	assert_true(s.overlay.has4 && s.overlay.has6);
	assert_net(&s.overlay.network4, "10.244.0.0/16");
	assert_net(&s.overlay.network6, "fd00:10::/48");
	assert_string_equal(s.overlay.device4, "flannel.1");
	assert_string_equal(s.overlay.device6, "flannel-v6.1");
	assert_int_equal(s.overlay.n, 1);
	assert_string_equal(s.overlay.nodes[0].name, "n1");
	assert_ip(&s.overlay.nodes[0].public6, "2001:db8::1");
}

static void ourselves_first_and_some_peers(void **state)
{
	scoped_world struct world w;
	scoped_free char *text = NULL;

	(void)state;
	assert_int_equal(parse(&w, "{'network':'10.0.0.0/8','nodes':[]}"), 0);
	many_nodes(&w.list, 1000);
	for (size_t self = 0; self < 1000; self += 333) {
		scoped_overlay_stamp struct overlay_stamp s;

		free(text);
		text = stamp_of(&w, self);
		assert_true(overlay_stamp_decode(text, strlen(text), &s));
		assert_int_equal(s.overlay.n, 1 + OVERLAY_STAMP_PEERS);
		assert_string_equal(s.overlay.nodes[0].name, w.list.nodes[self].name);
		for (size_t i = 0; i < s.overlay.n; i++) {
			for (size_t j = 0; j < i; j++)
				assert_string_not_equal(s.overlay.nodes[i].name,
							s.overlay.nodes[j].name);
		}
	}
}

/* Any byte changed, any end cut off. */
static void a_damaged_stamp(void **state)
{
	scoped_world struct world w;
	scoped_free char *text = NULL;
	size_t len;

	(void)state;
	assert_int_equal(parse_all(&w, "{" V4 "," NODES "}"), 0);
	text = stamp_of(&w, 1);
	len = strlen(text);
	for (size_t i = 0; i < len; i++) {
		scoped_overlay_stamp struct overlay_stamp s = { .file = "" }, cut = { .file = "" };
		char was = text[i];

		text[i] = was == '1' ? '2' : '1';
		assert_false(overlay_stamp_decode(text, len, &s));
		text[i] = '\0';
		assert_false(overlay_stamp_decode(text, i, &cut));
		text[i] = was;
	}
}

/* ---- DEL and GC */

static void what_a_damaged_configuration_leaves(void **state)
{
	static const struct {
		const char *conf, *delegate;
	} cases[] = {
		{ "{'cniVersion':'1.1.0'," V4 "," V6
		  ",'nodes':7,'ipam':{'dataDir':'/d','routes':7},"
		  "'delegate':{'bridge':'br9'},'backend':'x','runtimeConfig':{'mac':'m'}}",
		  "{'cniVersion':'1.1.0','name':'podnet','type':'bridge','bridge':'br9',"
		  "'isGateway':true,'ipMasq':false,'runtimeConfig':{'mac':'m'},"
		  "'ipam':{'type':'host-local','dataDir':'/d','routes':[],"
		  "'ranges':[[{'subnet':'10.244.0.0/16'}],[{'subnet':'fd00:10::/48'}]]}}" },
		{ "{'network':7,'delegate':[],'ipam':'x','runtimeConfig':1}",
		  "{'name':'podnet','type':'bridge','isGateway':true,'ipMasq':false,"
		  "'ipam':{'type':'host-local','routes':[],'ranges':[[{'subnet':'192.0.2.0/"
		  "24'}]]}}" },
		{ "{" V4 ",'delegate':{'type':7,'name':'x'}}",
		  "{'name':'podnet','type':'bridge','isGateway':true,'ipMasq':false,"
		  "'ipam':{'type':'host-local','routes':[],'ranges':[[{'subnet':'10.244.0.0/"
		  "16'}]]}}" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		SCOPED(delegate_conf_free) struct delegate_conf d = { .len = 0 };
		scoped_json json_t *doc = document(cases[i].conf),
				   *want = document(cases[i].delegate);
		const struct cni_args args = { .verb = CNI_DEL, .network = "podnet", .conf = doc };
		struct cni_error err;

		assert_int_equal(overlay_conf_salvage(&args, &d, &err), 0);
		if (!json_equal(d.doc, want))
			fail_msg("made %s", d.text);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(every_key),
		cmocka_unit_test(names_of_devices),
		cmocka_unit_test(ipip_has_one_device),
		cmocka_unit_test(keys_that_are_refused),
		cmocka_unit_test(what_the_digest_tells),
		cmocka_unit_test(a_stamp_and_back),
		cmocka_unit_test(ourselves_first_and_some_peers),
		cmocka_unit_test(a_damaged_stamp),
		cmocka_unit_test(what_a_damaged_configuration_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
