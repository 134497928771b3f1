/* SPDX-License-Identifier: GPL-2.0-or-later */
/* overlay's list of nodes, and which of them is ours. */
#include "overlay_conf.h"

/* ---- nodes */

static void nodes_of_both_versions(void **state)
{
	scoped_world struct world w;

	(void)state;
	assert_int_equal(
	    parse_all(&w, LIST46("{'name':'n1','publicIP':'203.0.113.1','localIP':'10.9.0.1',"
				 "'subnet':'10.244.1.0/24','vtepMAC':'02:00:00:00:00:01',"
				 "'publicIPv6':'2001:db8::1','localIPv6':'fd09::1',"
				 "'subnetV6':'fd00:10:0:1::/64','vtepMACV6':'02:00:00:00:00:06'}")),
	    0);
	assert_ip(&w.list.nodes[0].public4, "203.0.113.1");
	assert_ip(&w.list.nodes[0].local4, "10.9.0.1");
	assert_ip(&w.list.nodes[0].public6, "2001:db8::1");
	assert_ip(&w.list.nodes[0].local6, "fd09::1");
	assert_net(&w.list.nodes[0].subnet6, "fd00:10:0:1::/64");
	assert_true(w.list.nodes[0].has_mac4 && w.list.nodes[0].has_mac6);
	assert_int_equal(w.list.nodes[0].mac4.b[5], 1);
	assert_int_equal(w.list.nodes[0].mac6.b[5], 6);
}

static const struct {
	const char *conf, *msg;
} refused_nodes[] = {
	{ LIST4("{'publicIP':'192.0.2.1','subnet':'10.244.1.0/24'}"),
	  "nodes[0].name: the key is missing and required" },
	{ LIST4("{'name':'','publicIP':'192.0.2.1','subnet':'10.244.1.0/24'}"),
	  "nodes[0].name: empty; every node has a name of its own" },
	{ LIST4(N1 ",{'name':'n2','subnet':'10.244.2.0/24'}"),
	  "nodes[1].publicIP: the key is missing; there is a network, so every node needs "
	  "one" },
	{ LIST4(N1 ",{'name':'n2','publicIP':'192.0.2.2'}"),
	  "nodes[1].subnet: the key is missing; there is a network, so every node needs "
	  "one" },
	{ LIST46(D1 "," N2),
	  "nodes[1].publicIPv6: the key is missing; there is a networkV6, so every node "
	  "needs one" },
	{ LIST4(D1),
	  "nodes[0].subnetV6: there is no networkV6 to be part of; give it, or leave this "
	  "out" },
	{ LIST4("{'name':'n1','publicIP':'2001:db8::1','subnet':'10.244.1.0/24'}"),
	  "nodes[0].publicIP: 2001:db8::1 is an IPv6 address; an IPv4 address is wanted "
	  "here" },
	{ LIST4("{'name':'n1','publicIP':'127.0.0.1','subnet':'10.244.1.0/24'}"),
	  "nodes[0].publicIP: 127.0.0.1 is no address by which other nodes can reach one; "
	  "give that of an interface" },
	{ LIST4("{'name':'n1','publicIP':'192.0.2.1','subnet':'10.245.1.0/24'}"),
	  "nodes[0].subnet: 10.245.1.0/24 is no part of network 10.244.0.0/16; choose a "
	  "subnet inside it" },
	{ LIST4("{'name':'n1','publicIP':'192.0.2.1','subnet':'10.244.0.0/16'}"),
	  "nodes[0].subnet: 10.244.0.0/16 is no part of network 10.244.0.0/16; choose a "
	  "subnet inside it" },
	{ LIST4("{'name':'n1','publicIP':'192.0.2.1','subnet':'fd00::/24'}"),
	  "nodes[0].subnet: fd00::/24 is no part of network 10.244.0.0/16; choose a subnet "
	  "inside it" },
	{ LIST4("{'name':'n1','publicIP':'192.0.2.1','subnet':'10.244.1.1/24'}"),
	  "nodes[0].subnet: 10.244.1.1/24 has bits set behind its length; write "
	  "10.244.1.0/24" },
	{ LIST4("{'name':'n1','publicIP':'192.0.2.1','subnet':'10.244.1.0/31'}"),
	  "nodes[0].subnet: 10.244.1.0/31 has no room for pods; the longest prefix is "
	  "/30" },
	{ LIST4(N1 ",{'name':'n1','publicIP':'192.0.2.2','subnet':'10.244.2.0/24'}"),
	  "nodes[1].name: \"n1\" is nodes[0]'s name too; every node has one of its own" },
	{ LIST4(N1 "," N2 ",{'name':'n3','publicIP':'192.0.2.1','subnet':'10.244.3.0/24'}"),
	  "nodes[2].publicIP: 192.0.2.1 of \"n3\" is that of nodes[0] \"n1\" too; every "
	  "node "
	  "has its own" },
	{ LIST4(N1 "," N2 ",{'name':'n3','publicIP':'192.0.2.3','subnet':'10.244.2.0/24'}"),
	  "nodes[2].subnet: 10.244.2.0/24 of \"n3\" overlaps with nodes[1] \"n2\"'s "
	  "10.244.2.0/24; every node has its own" },
	{ LIST4("{'name':'n3','publicIP':'192.0.2.3','subnet':'10.244.0.0/18'}," N1),
	  "nodes[1].subnet: 10.244.1.0/24 of \"n1\" overlaps with nodes[0] \"n3\"'s "
	  "10.244.0.0/18; every node has its own" },
	{ LIST46(D1 ",{'name':'n2','publicIP':'192.0.2.2','subnet':'10.244.2.0/24',"
		    "'publicIPv6':'2001:db8::1','subnetV6':'fd00:10:0:2::/64'}"),
	  "nodes[1].publicIPv6: 2001:db8::1 of \"n2\" is that of nodes[0] \"n1\" too; "
	  "every "
	  "node has its own" },
	{ LIST46(D1 ",{'name':'n2','publicIP':'192.0.2.2','subnet':'10.244.2.0/24',"
		    "'publicIPv6':'2001:db8::2','subnetV6':'fd00:10:0:1:8::/80'}"),
	  "nodes[1].subnetV6: fd00:10:0:1:8::/80 of \"n2\" overlaps with nodes[0] \"n1\"'s "
	  "fd00:10:0:1::/64; every node has its own" },
	{ LIST4("{'name':'n1','publicIP':'192.0.2.1','subnet':'10.244.1.0/24','vtepMAC':"
		"'02:00:00:00:00:07'}," N2
		",{'name':'n3','publicIP':'192.0.2.3','subnet':'10.244.3.0/24','vtepMAC':"
		"'02:00:00:00:00:07'}"),
	  "nodes[2].vtepMAC: 02:00:00:00:00:07 of \"n3\" is that of nodes[0] \"n1\" too; every "
	  "node has its own" },
	{ LIST46("{'name':'n1','publicIP':'192.0.2.1','subnet':'10.244.1.0/24',"
		 "'publicIPv6':'2001:db8::1','subnetV6':'fd00:10:0:1::/64',"
		 "'vtepMAC':'02:00:00:00:00:07','vtepMACV6':'02:00:00:00:00:08'},"
		 "{'name':'n2','publicIP':'192.0.2.2','subnet':'10.244.2.0/24',"
		 "'publicIPv6':'2001:db8::2','subnetV6':'fd00:10:0:2::/64',"
		 "'vtepMAC':'02:00:00:00:00:08','vtepMACV6':'02:00:00:00:00:08'}"),
	  "nodes[1].vtepMACV6: 02:00:00:00:00:08 of \"n2\" is that of nodes[0] \"n1\" too; every "
	  "node has its own" },
};

static void nodes_that_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(refused_nodes); i++)
		assert_refused(refused_nodes[i].conf, CNI_INVALID_CONFIG, refused_nodes[i].msg);
	assert_refused(LIST4(N1 ",7"), CNI_DECODE, "nodes[1]: a node is an object");
}

/* As many as are allowed: what compares each with each would not come to an end here. */
static void the_longest_list(void **state)
{
	scoped_overlay_nodes struct overlay_nodes list = { .n = 0 };
	struct cni_error err = { .code = 0 };

	(void)state;
	many_nodes(&list, OVERLAY_NODES_MAX);
	assert_int_equal(overlay_nodes_check(&list, &err), 0);
	list.nodes[7].subnet4.len = 96 + 25; /* 10.0.1.192/25 is no such prefix, but overlaps */
	assert_int_equal(overlay_nodes_check(&list, &err), -1);
	assert_non_null(strstr(err.msg, "overlaps with"));
}

static void a_file_says_the_same(void **state)
{
	static const struct {
		const char *text, *msg; /* NULL: two nodes */
	} cases[] = {
		{ "[" N1 ",\n" N2 "]\n", NULL },
		{ "[]", "FILE: nodes: the list is empty; at least this node has to be in it" },
		{ "{'nodes':[]}", "FILE: line 1, column 1: expected a list: [ ... ]" },
		{ "[" N1 ",\n{'name':'n2','publicIP':'192.0.2.2'}]",
		  "FILE: nodes[1].subnet: the key is missing; there is a network, so every node "
		  "needs one" },
		{ "[" N1, "FILE: line 1, column 63: ',' or ']' expected" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_world struct world w;
		scoped_free char *text = strdup(cases[i].text);
		int r;

		for (char *c = text; *c != '\0'; c++)
			*c = *c == '\'' ? '"' : *c;
		assert_int_equal(parse(&w, "{" V4 ",'nodesFile':'/f'}"), 0);
		r = overlay_nodes_read(text, strlen(text), "FILE", &w.conf.overlay, &w.list,
				       &w.err);
		assert_string_equal(r < 0 ? w.err.msg : "",
				    cases[i].msg != NULL ? cases[i].msg : "");
		assert_int_equal(w.list.n, cases[i].msg != NULL ? 0 : 2);
	}
}

/* ---- which is ours */

#define N3 "{'name':'n3','publicIP':'203.0.113.3','localIP':'10.9.0.3','subnet':'10.244.3.0/24'}"
#define N4 "{'name':'n4','publicIP':'203.0.113.4','localIP':'10.9.0.3','subnet':'10.244.4.0/24'}"

static int compare_ip(const void *a, const void *b)
{
	return ip_cmp(a, b);
}

static void find_ourselves(void **state)
{
	static const struct {
		const char *node, *host, *addresses;
		int index;
		const char *msg;
	} cases[] = {
		{ NULL, "x", "192.0.2.2", 1, NULL },
		{ NULL, "n1", "192.0.2.2", 1, NULL }, /* an address is worth more than a name */
		{ "n1", "n2", "192.0.2.2 192.0.2.1", 0, NULL }, /* the key more than all */
		{ "N2", "x", "192.0.2.2", 1, NULL },
		{ NULL, "n4", "10.9.0.3", 3, NULL }, /* the host name decides between two */
		{ NULL, "N3", "10.9.0.3", 2, NULL },
		{ NULL, "n1", "10.0.0.1", -1,
		  "nodes[0].publicIP: 192.0.2.1 is no address of this node (10.0.0.1); behind "
		  "address translation, give the node's own one as localIP" },
		{ "n3", "x", "10.0.0.1", -1,
		  "nodes[2].localIP: 10.9.0.3 is no address of this node (10.0.0.1); correct it" },
		{ NULL, "x", "10.9.0.3", -1,
		  "nodes[2] \"n3\" and nodes[3] \"n4\" both have an address of this node, and "
		  "neither "
		  "has its host name; correct the list, or tell with \"node\" which it is" },
		{ "n9", "n1", "192.0.2.1", -1,
		  "node: \"n9\" is none of the 4 nodes of the list; add it there, or correct the "
		  "key" },
		{ NULL, "host7", "127.0.0.1 10.0.0.7 fe80::1 fd00::7", -1,
		  "nodes: this node is none of the 4 in the list: no publicIP, publicIPv6, localIP "
		  "or localIPv6 is one of its addresses (10.0.0.7, fd00::7), and no name is its "
		  "host "
		  "name \"host7\"; add it, or name its entry with \"node\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		scoped_world struct world w;
		struct ip addrs[8];
		struct overlay_self self = { .node = cases[i].node,
					     .host = cases[i].host,
					     .addr = addrs };
		scoped_free char *copy = strdup(cases[i].addresses);
		char *rest = copy;
		size_t index = 99;
		int r;

		for (char *word; (word = strsep(&rest, " ")) != NULL; self.n++)
			assert_true(ip_parse(word, &addrs[self.n]));
		qsort(addrs, self.n, sizeof(addrs[0]), compare_ip);
		assert_int_equal(parse_all(&w, LIST4(N1 "," N2 "," N3 "," N4)), 0);
		r = overlay_nodes_self(&w.list, &w.conf.overlay, &self, &index, &w.err);
		assert_string_equal(r < 0 ? w.err.msg : "",
				    cases[i].msg != NULL ? cases[i].msg : "");
		assert_int_equal(index, cases[i].index < 0 ? 99 : cases[i].index);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_of_both_versions), cmocka_unit_test(nodes_that_are_refused),
		cmocka_unit_test(the_longest_list),	  cmocka_unit_test(a_file_says_the_same),
		cmocka_unit_test(find_ourselves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
