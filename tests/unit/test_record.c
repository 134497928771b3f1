/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attachment records: outside input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "nft/record.h"

#define HEAD "podwire attachment 1\nnetwork n\ncontainer c\nifname eth0\n"

static const char full[] = HEAD "link veth0\n"
				"link veth1 17\n"
				"masq 10.88.0.2/24\n"
				"pod veth0 fd88::2/64\n"
				"spoof veth0 02:00:00:00:00:01\n"
				"hostport tcp 8080 10.88.0.2/24 80 192.0.2.1 -\n"
				"hostport sctp 65535 fd88::2/64 1 - 0123456789abcdef\n"
				"snat udp 53 10.88.0.2/24 subnet\n"
				"snat udp 53 fd88::2/64 all\n"
				"end\n";

static char *copy(const char *text)
{
	char *s = strdup(text);

	assert_non_null(s);
	return s;
}

static void print_gives_back_what_was_read(void **state)
{
	scoped_record struct nft_record r = { 0 };
	scoped_free char *again = NULL;
	struct cni_error err;

	(void)state;
	assert_int_equal(record_parse(copy(full), &r, &err), 0);
	assert_string_equal(r.owner.network, "n");
	assert_int_equal(r.n_links, 2);
	assert_int_equal(r.indexes[0], 0); /* as records without indexes were written */
	assert_int_equal(r.indexes[1], 17);
	assert_int_equal(r.n, 7);
	assert_int_equal(r.items[3].host_port, 8080);
	assert_true(r.items[3].has_host);
	assert_string_equal(r.items[4].conditions, "0123456789abcdef");
	assert_true(r.items[6].snat_all);
	assert_int_equal(record_print(&r, &again, &err), 0);
	assert_string_equal(again, full);
}

static void damaged_ones_are_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "", "without \"end\"" },
		{ "end\n", "line 1" },
		{ "podwire attachment 2\nend\n", "line 1" },
		{ HEAD, "without \"end\"" },
		{ HEAD "end", "without \"end\"" },
		{ HEAD "end\nend\n", "line 5" },
		{ HEAD "masq 10.88.0.2/24", "without \"end\"" },
		{ "podwire attachment 1\nnetwork n\ncontainer c\nend\n", "without \"end\"" },
		{ HEAD "network m\nend\n", "line 5" },
		{ "podwire attachment 1\nmasq 10.88.0.2/24\n" HEAD "end\n", "line 2" },
		{ "podwire attachment 1\nnetwork \n", "line 2" },
		{ HEAD "link way-too-long-a-name\nend\n", "line 5" },
		{ HEAD "link ../x\nend\n", "line 5" },
		{ HEAD "link\nend\n", "line 5" },
		{ HEAD "link x 0\nend\n", "line 5" },
		{ HEAD "link x 2147483648\nend\n", "line 5" },
		{ HEAD "link x 1 2\nend\n", "line 5" },
		{ HEAD "link x \nend\n", "line 5" },
		{ HEAD "masq 10.88.0.2\nend\n", "line 5" },
		{ HEAD "masq 10.88.0.2/33\nend\n", "line 5" },
		{ HEAD "masq 10.88.0.2/24 \nend\n", "line 5" },
		{ HEAD "pod veth0\nend\n", "line 5" },
		{ HEAD "spoof veth0 02:00\nend\n", "line 5" },
		{ HEAD "hostport tcp 0 10.88.0.2/24 80 - -\nend\n", "line 5" },
		{ HEAD "hostport tcp 080 10.88.0.2/24 80 - -\nend\n", "line 5" },
		{ HEAD "hostport tcp 80 10.88.0.2/24 65536 - -\nend\n", "line 5" },
		{ HEAD "hostport icmp 80 10.88.0.2/24 80 - -\nend\n", "line 5" },
		{ HEAD "hostport tcp 80 10.88.0.2/24 80 fd88::1 -\nend\n", "line 5" },
		{ HEAD "hostport tcp 80 10.88.0.2/24 80 - 0123456789abcde\nend\n", "line 5" },
		{ HEAD "hostport tcp 80 10.88.0.2/24 80 - 0123456789abcdef0\nend\n", "line 5" },
		{ HEAD "hostport tcp 80 10.88.0.2/24 80 - 0123456789ABCDEF\nend\n", "line 5" },
		{ HEAD "hostport tcp 80 10.88.0.2/24 80 -\nend\n", "line 5" },
		{ HEAD "hostport tcp 80 10.88.0.2/24 80 - - -\nend\n", "line 5" },
		{ HEAD "hostport tcp 80 10.88.0.2/24 80 - - - -\nend\n", "line 5" },
		{ HEAD "snat udp 53 10.88.0.2/24 none\nend\n", "line 5" },
		{ HEAD "magic\nend\n", "line 5" },
		{ HEAD "\nend\n", "line 5" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct nft_record r = { 0 };
		scoped_free char *text = copy(cases[i].text);
		struct cni_error err = { 0 };

		if (record_parse(text, &r, &err) == 0)
			fail_msg("accepted: %s", cases[i].text);
		assert_int_equal(err.code, CNI_DECODE);
		if (strstr(err.msg, cases[i].why) == NULL)
			fail_msg("\"%s\" for\n%s", err.msg, cases[i].text);
		assert_null(r.text);
	}
}

/* Cut anywhere, flipped anywhere: an error, never a crash, never another owner. */
static void every_cut_is_seen(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof(full) - 1; len++) {
		struct nft_record r = { 0 };
		scoped_free char *text = copy(full);
		struct cni_error err;

		text[len] = '\0';
		assert_int_equal(record_parse(text, &r, &err), -1);
	}
}

static void very_many_lines(void **state)
{
	static const char line[] = "masq 10.88.0.2/24\n";
	size_t n = NFT_ITEMS_MAX + 1, len = strlen(HEAD);
	scoped_free char *text = malloc(len + n * strlen(line) + sizeof("end\n"));
	struct nft_record r = { 0 };
	struct cni_error err;

	(void)state;
	assert_non_null(text);
	memcpy(text, HEAD, len);
	for (size_t i = 0; i < n; i++, len += strlen(line))
		memcpy(text + len, line, strlen(line));
	memcpy(text + len, "end\n", sizeof("end\n"));
	assert_int_equal(record_parse(text, &r, &err), -1);
	assert_non_null(strstr(err.msg, "line 16389"));
}

static int count(const struct nft_record *r, void *arg, struct cni_error *err)
{
	int *counts = arg;

	(void)err;
	counts[r == NULL]++;
	return 0;
}

static bool yes(void *arg)
{
	(void)arg;
	return true;
}

static bool no(void *arg)
{
	(void)arg;
	return false;
}

static void files(void **state)
{
	char folder[] = "/tmp/record-XXXXXX";
	scoped_record struct nft_record r = { 0 }, back = { 0 };
	struct cni_error err;
	int counts[2] = { 0 };
	scoped_fd int run = -1;
	uint64_t hash;

	(void)state;
	assert_non_null(mkdtemp(folder));
	run = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(run >= 0);
	assert_int_equal(record_parse(copy(full), &r, &err), 0);
	hash = owner_hash(&r.owner);
	assert_true(record_missing(run));
	assert_int_equal(record_read(run, NFT_MASQ, hash, &back, &err), -1);
	assert_int_equal(err.sys, ENOENT);
	assert_int_equal(record_folder_make(run, no, NULL, &err), 0);
	assert_false(record_missing(run));
	assert_int_equal(record_write(run, NFT_MASQ, &r, &err), 0);
	assert_int_equal(record_write(run, NFT_PORTMAP, &r, &err), 0);
	assert_int_equal(record_read(run, NFT_MASQ, hash, &back, &err), 0);
	assert_int_equal(back.n, r.n);
	{
		scoped_fd int bad = openat(run, RECORD_FOLDER "/masq-0000000000000000",
					   O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		assert_int_equal(write(bad, "rubbish\n", 8), 8);
	}
	assert_int_equal(record_each(run, NFT_MASQ, count, counts, &err), 0);
	assert_int_equal(counts[0], 1);
	assert_int_equal(counts[1], 1);
	assert_int_equal(record_remove(run, NFT_MASQ, hash, &err), 0);
	assert_int_equal(record_remove(run, NFT_MASQ, hash, &err), 0);
	assert_int_equal(record_remove(run, NFT_MASQ, 0, &err), 0);
	assert_int_equal(record_remove(run, NFT_PORTMAP, hash, &err), 0);
	/* Lost, while there are tables: remembered. */
	assert_int_equal(unlinkat(run, RECORD_FOLDER, AT_REMOVEDIR), 0);
	assert_int_equal(record_folder_make(run, yes, NULL, &err), 0);
	assert_true(record_missing(run));
	assert_int_equal(record_folder_make(run, no, NULL, &err), 0);
	assert_true(record_missing(run));
	assert_int_equal(unlinkat(run, RECORD_FOLDER "/incomplete", 0), 0);
	assert_int_equal(unlinkat(run, RECORD_FOLDER, AT_REMOVEDIR), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void life(void **state)
{
	char lo[][IFNAME_MAX] = { "gone0", "lo" };
	uint32_t renamed[] = { 0, 0 };
	struct nft_record r = { .owner = { "n", "c", "eth0" }, .links = lo };
	uint64_t hash = owner_hash(&r.owner);

	(void)state;
	assert_true(record_alive(&r, hash)); /* no links: nothing can prove it dead */
	r.n_links = 1;
	assert_false(record_alive(&r, hash));
	r.indexes = renamed;
	assert_false(record_alive(&r, hash));
	renamed[0] = 1; /* lo's */
	assert_true(record_alive(&r, hash));
	r.indexes = NULL;
	r.n_links = 2;
	assert_true(record_alive(&r, hash));
	assert_false(record_alive(NULL, hash));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(print_gives_back_what_was_read),
		cmocka_unit_test(damaged_ones_are_refused),
		cmocka_unit_test(every_cut_is_seen),
		cmocka_unit_test(very_many_lines),
		cmocka_unit_test(files),
		cmocka_unit_test(life),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
