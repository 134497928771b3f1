/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fuzz_message.h"
#include "nft/overlay_parts.h"

#include "../../pkg/nft/overlay_elems.c" /* its readers of messages are nobody else's */

static void read_one(const uint8_t *data, size_t size, uint8_t filler, struct overlay_elems *ret)
{
	struct nlmsghdr *nlh = fuzz_message(data, size, 0, filler);

	FUZZ_CHECK(read_answer(nlh, NULL, ret) == 0);
	sort(ret);
	free(nlh);
}

static void in_order(const struct overlay_elems *list)
{
	for (size_t i = 1; i < list->n; i++)
		FUZZ_CHECK(compare(&list->e[i - 1], &list->e[i]) < 0);
}

/* An answer of any bytes is a list in order, be it of nothing, and has no difference to itself. */
static void any_answer(const uint8_t *data, size_t size)
{
	struct overlay_elems a = { 0 }, b = { 0 }, none = { 0 };
	struct cni_error err;

	read_one(data, size, 0, &a);
	read_one(data, size, 0xff, &b);
	FUZZ_CHECK(a.n == b.n && a.strange == b.strange && a.n <= size / 8);
	in_order(&a);
	FUZZ_CHECK(overlay_elems_minus(&a, &b, &none, &err) == 0 && none.n == 0);
	FUZZ_CHECK(overlay_elems_minus(&a, &none, &b, &err) == 0);
	overlay_elems_free(&a);
	overlay_elems_free(&b);
}

/* Is the address in an interval of the list? */
static bool covers(const struct overlay_elems *list, bool four, const struct ip *ip)
{
	struct overlay_elem e = { .end = false };
	bool in = false;

	memcpy(e.key, four ? ip->b + 12 : ip->b, four ? 4 : 16);
	for (size_t i = 0; i < list->n && memcmp(list->e[i].key, e.key, sizeof(e.key)) <= 0; i++)
		in = !list->e[i].end;
	return in;
}

static bool in_any(const struct nft_overlay *o, bool four, const struct ip *ip)
{
	for (size_t i = 0; i < o->n_non_masq; i++) {
		if (ip_is4(&o->non_masq[i].addr) == four && ipnet_contains(&o->non_masq[i], ip))
			return true;
	}
	return false;
}

/* The ends of each prefix and their neighbours are in an interval where they are in a prefix;
 * starts and ends take turns. */
static void any_prefixes(const struct nft_overlay *o, enum overlay_set set)
{
	bool four = overlay_set_is4(set);
	struct overlay_elems list = { 0 };
	struct cni_error err;

	FUZZ_CHECK(overlay_elems_wanted(o, set, &list, &err) == 0);
	in_order(&list);
	for (size_t i = 0; i < list.n; i++)
		FUZZ_CHECK(list.e[i].end == (i % 2 == 1));
	for (size_t i = 0; i < o->n_non_masq; i++) {
		struct ip first = ipnet_network(&o->non_masq[i]),
			  last = ipnet_last(&o->non_masq[i]);
		const struct ip ips[] = { first, last, ip_prev(&first), ip_next(&last) };

		if (ip_is4(&o->non_masq[i].addr) != four)
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(ips); k++)
			FUZZ_CHECK(ip_is4(&ips[k]) != four ||
				   covers(&list, four, &ips[k]) == in_any(o, four, &ips[k]));
	}
	overlay_elems_free(&list);
}

/* Five bytes make a prefix: they vary the first and the last bytes of the address. */
static size_t prefixes(const uint8_t *data, size_t size, struct ipnet *ret, size_t max)
{
	size_t n = 0;

	for (; n < max && size >= 5; data += 5, size -= 5) {
		bool four = data[0] % 2 == 0;
		uint8_t bytes[16] = { data[1], data[2], [14] = data[3], [15] = data[3] };
		struct ip ip;

		if (four)
			memcpy(bytes + 2, bytes + 14, 2);
		ip = ip_from_bytes(bytes, four ? 4 : 16);
		ret[n++] = ipnet_make(&ip, data[4] % (ip_is4(&ip) ? 33 : 129));
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t head = sizeof(struct nlmsghdr) + sizeof(struct nfgenmsg);
	struct ipnet nets[64];
	const struct nft_overlay o = { .network = "podnet",
				       .has4 = true,
				       .has6 = true,
				       .masquerade = true,
				       .non_masq = nets,
				       .n_non_masq = prefixes(data, size, nets, 64) };

	any_prefixes(&o, NON_MASQ4);
	any_prefixes(&o, NON_MASQ6);
	if (size >= head)
		any_answer(data, size - size % NLMSG_ALIGNTO);
	return 0;
}
