/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Items as elements, chains as functions of subnets, owners as comments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/netfilter.h>
#include <string.h>

#include "base/scoped.h"
#include "nft/item.h"

static struct ipnet net(const char *text)
{
	struct ipnet n;

	assert_true(ipnet_parse(text, &n));
	return n;
}

static void elements(void **state)
{
	static const struct {
		enum nft_kind kind;
		const char *pod, *host;
		const char *set, *chain, *key, *data; /* bytes as the kernel has them */
		size_t key_len, data_len;
	} cases[] = {
		{ NFT_ITEM_MASQ, "10.88.0.2/24", NULL, "masq-10.88.0.0-24", "masq-10.88.0.0-24",
		  "\x0a\x58\x00\x02", "", 4, 0 },
		{ NFT_ITEM_MASQ, "fd88::2/64", NULL, "masq-fd88---64", "masq-fd88---64",
		  "\xfd\x88\0\0\0\0\0\0\0\0\0\0\0\0\0\x02", "", 16, 0 },
		{ NFT_ITEM_POD, "10.88.0.2/24", NULL, "pod4", "", "veth0\0\0\0\0\0\0\0\0\0\0\0",
		  "\x0a\x58\x00\x02", 16, 4 },
		{ NFT_ITEM_HOSTPORT, "10.88.0.2/24", NULL, "hostport4-0123456789abcdef", "",
		  "\x11\0\0\0\x1f\x90\0\0", "\x0a\x58\x00\x02\x00\x50\0\0", 8, 8 },
		{ NFT_ITEM_HOSTPORT, "10.88.0.2/24", "192.0.2.1", "hostip4-0123456789abcdef", "",
		  "\xc0\x00\x02\x01\x11\0\0\0\x1f\x90\0\0", "\x0a\x58\x00\x02\x00\x50\0\0", 12, 8 },
		{ NFT_ITEM_SNAT, "10.88.0.2/24", NULL, "snat-10.88.0.0-24", "snat-10.88.0.0-24",
		  "\x0a\x58\x00\x02\x11\0\0\0\x1f\x90\0\0", "", 12, 0 },
		{ NFT_ITEM_FORWARD, "10.88.0.2/24", NULL, "forward4-12", "mark-12",
		  "\x0a\x58\x00\x02", "", 4, 0 },
		{ NFT_ITEM_FORWARD, "fd88::2/64", NULL, "forward6-12", "mark-12",
		  "\xfd\x88\0\0\0\0\0\0\0\0\0\0\0\0\0\x02", "", 16, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct nft_item item = { .kind = cases[i].kind,
					 .pod = net(cases[i].pod),
					 .veth = "veth0",
					 .protocol = 17,
					 .mark_bit = 12,
					 .host_port = 8080,
					 .pod_port = 80,
					 .has_host = cases[i].host != NULL,
					 .conditions = "0123456789abcdef" };
		struct nft_elem e[NFT_ITEM_ELEMS];

		if (cases[i].host != NULL)
			assert_true(ip_parse(cases[i].host, &item.host));
		assert_int_equal(item_elems(&item, e), 1);
		assert_int_equal(e[0].family, NFPROTO_INET);
		assert_string_equal(e[0].set, cases[i].set);
		assert_string_equal(e[0].chain, cases[i].chain);
		assert_int_equal(e[0].key_len, cases[i].key_len);
		assert_memory_equal(e[0].key, cases[i].key, cases[i].key_len);
		assert_int_equal(e[0].data_len, cases[i].data_len);
		assert_memory_equal(e[0].data, cases[i].data, cases[i].data_len);
	}
}

static void spoof_is_two_elements(void **state)
{
	struct nft_item item = { .kind = NFT_ITEM_SPOOF, .veth = "veth0" };
	struct nft_elem e[NFT_ITEM_ELEMS];

	(void)state;
	assert_true(mac_parse("02:00:00:00:00:01", &item.mac));
	assert_int_equal(item_elems(&item, e), 2);
	assert_string_equal(e[0].set, "allowed");
	assert_int_equal(e[0].key_len, 24);
	assert_memory_equal(e[0].key + 16, "\x02\0\0\0\0\x01\0\0", 8);
	assert_string_equal(e[1].set, "checked");
	assert_int_equal(e[1].key_len, 16);
	assert_int_equal(e[1].family, NFPROTO_BRIDGE);
}

/* DEL without a record learns from the elements what conntrack has to forget. */
static void elements_tell_their_host_port(void **state)
{
	static const char *const pods[] = { "10.88.0.2/32", "fd88::2/128" };
	static const char *const hosts[] = { NULL, "192.0.2.1", NULL, "2001:db8::1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		struct nft_item item = { .kind = NFT_ITEM_HOSTPORT,
					 .pod = net(pods[i / 2]),
					 .protocol = 17,
					 .host_port = 53,
					 .pod_port = 5353,
					 .has_host = hosts[i] != NULL };
		struct nft_item back;
		struct nft_elem e[NFT_ITEM_ELEMS];

		if (hosts[i] != NULL)
			assert_true(ip_parse(hosts[i], &item.host));
		(void)item_elems(&item, e);
		assert_true(item_from_elem(&e[0], &back));
		assert_memory_equal(&back, &item, sizeof(item));
		e[0].key_len--;
		assert_false(item_from_elem(&e[0], &back));
	}
	assert_false(item_from_elem(&(struct nft_elem){ .set = "masq-10.1.0.0-16", .key_len = 8 },
				    &(struct nft_item){ 0 }));
}

static void chains_of_subnets(void **state)
{
	static const struct {
		const char *pod, *name;
	} cases[] = {
		{ "10.88.5.7/16", "masq-10.88.0.0-16" },
		{ "10.88.0.2/0", "masq-0.0.0.0-0" },
		{ "fd88::2/64", "masq-fd88---64" },
		{ "::1:2/112", "masq---1-0-112" },
		{ "fd00:1:2:3:4:5:6:7/127", "masq-fd00-1-2-3-4-5-6-6-127" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct ipnet pod = net(cases[i].pod), masked = ipnet_masked(&pod), back;
		char name[NFT_NAME];

		chain_name(name, "masq-", &pod);
		assert_string_equal(name, cases[i].name);
		assert_true(chain_parse(name, "masq-", &back));
		assert_true(ipnet_equal(&back, &masked));
		assert_false(chain_parse(name, "snat-", &back));
	}
}

/* Who is alone in his subnet shares a chain with all others that are, and a pair says who it is. */
static void hosts_share_a_chain(void **state)
{
	static const struct {
		const char *pod, *chain, *self;
		size_t key_len;
	} cases[] = {
		{ "10.88.0.2/32", "snat-hosts4", "self4", 16 },
		{ "fd88::2/128", "snat-hosts6", "self6", 40 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct nft_item item = { .kind = NFT_ITEM_SNAT,
					 .pod = net(cases[i].pod),
					 .protocol = 6,
					 .host_port = 8080 };
		struct nft_elem e[NFT_ITEM_ELEMS];
		size_t addr = cases[i].key_len / 2 - 4;
		struct ipnet back;

		assert_int_equal(item_elems(&item, e), 2);
		assert_string_equal(e[0].set, cases[i].chain);
		assert_string_equal(e[1].set, cases[i].self);
		assert_string_equal(e[1].chain, cases[i].chain);
		assert_int_equal(e[1].key_len, cases[i].key_len);
		assert_memory_equal(e[1].key, e[1].key + addr, addr);
		assert_memory_equal(e[1].key + addr, e[0].key, e[0].key_len);
		assert_true(chain_parse(cases[i].chain, "snat-", &back) && ipnet_is_host(&back));
		item.snat_all = true;
		assert_int_equal(item_elems(&item, e), 1);
		assert_string_equal(e[0].set, i == 0 ? "snat-all4" : "snat-all6");
	}
}

static void chains_that_are_none(void **state)
{
	static const char *const names[] = {
		"snat-all",	     "snat-",		"snat-10.88.0.2-24",	"snat-10.88.0.0",
		"snat-10.88.0.0-33", "snat-fd88--2-64", "snat-10.88.0.0-24-24", "snat-x-24",
		"snat-10.88.0.2-32", "snat-hosts",	"snat-hosts45",		"snat-hosts4-32",
		"hostports"
	};
	struct ipnet back;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (chain_parse(names[i], "snat-", &back))
			fail_msg("%s", names[i]);
	}
}

#define X10 "xxxxxxxxxx"
#define X50 X10 X10 X10 X10 X10

static void owners(void **state)
{
	static const struct owner whole = { "podnet", "0123abcd", "eth0" };
	static const struct owner fits = { X50, X50 X10 X10, "eth0" }; /* 50+1+70+1+4 = 126 */
	static const struct owner longer = { X50, X50 X10 X10 "yz", "eth0" }; /* 128 */
	static const struct owner quoted = { "podnet", "a", "e\"0" };
	static const struct owner *const all[] = { &whole, &fits, &longer, &quoted };
	char text[OWNER_TEXT];
	struct owner back;
	uint64_t hash;

	(void)state;
	owner_text(&whole, text);
	assert_string_equal(text, "podnet 0123abcd eth0");
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		owner_text(all[i], text);
		assert_in_range(strlen(text), 1, 127);
		assert_null(strchr(text, '"'));
		assert_true(owner_text_hash(text, &hash));
		assert_true(hash == owner_hash(all[i]));
		assert_int_equal(owner_text_split(text, &back), i < 2);
		if (i < 2)
			assert_true(owner_equal(&back, all[i]));
	}
}

static void comments_of_others(void **state)
{
	static const char *const texts[] = { "",     "x",    "a b",  "a b c d",
					     " a b", "a  b", "a b ", "a b #0123456789abcdeg" };
	struct owner back;
	uint64_t hash;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char text[OWNER_TEXT] = "";

		memcpy(text, texts[i], strlen(texts[i]));
		if (owner_text_hash(text, &hash) || owner_text_split(text, &back))
			fail_msg("\"%s\"", texts[i]);
	}
}

/* Nobody's elements: one pod's DEL must not take them from another. */
static void policies_are_shared(void **state)
{
	struct nft_item item = { .kind = NFT_ITEM_INGRESS, .veth = "cni0" };
	struct nft_elem e[NFT_ITEM_ELEMS];

	(void)state;
	assert_int_equal(item_elems(&item, e), 2);
	item.isolated = true;
	assert_int_equal(item_elems(&item, e), 3);
	for (size_t i = 0; i < 3; i++) {
		static const char *const sets[] = { "bridges", "own", "isolated" };

		assert_true(e[i].shared);
		assert_string_equal(e[i].set, sets[i]);
		assert_int_equal(e[i].key_len, i == 0 ? 16 : 32);
		assert_memory_equal(e[i].key, "cni0\0", 5);
	}
	assert_memory_equal(e[1].key + 16, "cni0\0", 5);
	item.kind = NFT_ITEM_SOURCE;
	assert_int_equal(item_elems(&item, e), 0);
}

static void chains_of_marks(void **state)
{
	uint8_t bit = 99;

	(void)state;
	assert_true(chain_parse_mark("mark-0", &bit) && bit == 0);
	assert_true(chain_parse_mark("mark-31", &bit) && bit == 31);
	assert_false(chain_parse_mark("mark-32", &bit));
	assert_false(chain_parse_mark("mark-", &bit));
	assert_false(chain_parse_mark("mark-01", &bit));
	assert_false(chain_parse_mark("masq-1", &bit));
}

static void names_of_zones(void **state)
{
	char longest[ZONE_NAME_MAX + 1];

	(void)state;
	assert_true(zone_name_valid("trusted") && zone_name_valid("my-zone_2/a"));
	assert_false(zone_name_valid("") || zone_name_valid("two words") ||
		     zone_name_valid("a\nb") || zone_name_valid("z\"one"));
	memset(longest, 'a', sizeof(longest));
	longest[ZONE_NAME_MAX] = '\0';
	assert_false(zone_name_valid(longest));
	longest[ZONE_NAME_MAX - 1] = '\0';
	assert_true(zone_name_valid(longest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements),
		cmocka_unit_test(policies_are_shared),
		cmocka_unit_test(chains_of_marks),
		cmocka_unit_test(names_of_zones),
		cmocka_unit_test(spoof_is_two_elements),
		cmocka_unit_test(elements_tell_their_host_port),
		cmocka_unit_test(chains_of_subnets),
		cmocka_unit_test(hosts_share_a_chain),
		cmocka_unit_test(chains_that_are_none),
		cmocka_unit_test(owners),
		cmocka_unit_test(comments_of_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
