/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/range.h"

#include "base/error.h"
#include "base/text.h"

#define RANGE_TEXT (2 * IP_TEXT)

static int check_subnet(const struct ipnet *subnet, struct cni_error *err)
{
	const struct ip network = ipnet_network(subnet);
	char text[IPNET_TEXT], addr[IP_TEXT];

	ipnet_print(subnet, text);
	if (subnet->len > 126)
		return cni_fail(err, CNI_INVALID_CONFIG, "Network %s too small to allocate from",
				text);
	if (ip_equal(&network, &subnet->addr))
		return 0;
	ip_print(&network, addr);
	return cni_fail(err, CNI_INVALID_CONFIG,
			"Network has host bits set. For a subnet mask of length %u the network "
			"address is %s",
			ipnet_plen(subnet), addr);
}

/* The reference's text for every wrong bound; `why` says more where that text alone misleads. */
static int fail_bound(const char *bound, const struct ip *ip, const struct ipnet *subnet,
		      const char *why, struct cni_error *err)
{
	char addr[IP_TEXT], text[IPNET_TEXT];

	ip_print(ip, addr);
	ipnet_print(subnet, text);
	return cni_fail(err, CNI_INVALID_CONFIG, "%s %s not in network %s%s", bound, addr, text,
			why);
}

/* What the reference hands out at most: IPv4's broadcast address is left out, IPv6 has none. */
static struct ip last_usable(const struct ipnet *subnet)
{
	const struct ip last = ipnet_last(subnet);

	return ip_is4(&last) ? ip_prev(&last) : last;
}

int range_complete(const struct range_text *in, struct ip_range *ret, struct cni_error *err)
{
	const struct ip first = ip_next(&in->subnet.addr);
	const struct ip_range r = {
		.subnet = in->subnet,
		.start = in->has_start ? in->start : first,
		.end = in->has_end ? in->end : last_usable(&in->subnet),
		.gateway = in->has_gateway ? in->gateway : first,
	};

	if (check_subnet(&r.subnet, err) < 0)
		return -1;
	if (!ipnet_contains(&r.subnet, &r.start))
		return fail_bound("RangeStart", &r.start, &r.subnet, "", err);
	if (!ipnet_contains(&r.subnet, &r.end))
		return fail_bound("RangeEnd", &r.end, &r.subnet, "", err);
	if (ip_cmp(&r.start, &r.end) > 0 && in->has_start)
		return fail_bound("RangeStart", &r.start, &r.subnet,
				  " (it is behind the end of the range)", err);
	if (ip_cmp(&r.start, &r.end) > 0)
		return fail_bound("RangeEnd", &r.end, &r.subnet,
				  " (it is before the start of the range)", err);
	*ret = r;
	return 0;
}

bool range_contains(const struct ip_range *r, const struct ip *ip)
{
	return ipnet_contains(&r->subnet, ip) && ip_cmp(&r->start, ip) <= 0 &&
	       ip_cmp(ip, &r->end) <= 0;
}

bool range_overlaps(const struct ip_range *a, const struct ip_range *b)
{
	return range_contains(a, &b->start) || range_contains(b, &a->start);
}

static void add_range(struct text *t, const struct ip_range *r)
{
	char start[IP_TEXT], end[IP_TEXT];

	ip_print(&r->start, start);
	ip_print(&r->end, end);
	text_add(t, "%s-%s", start, end);
}

void range_print(const struct ip_range *r, char *buf, size_t cap)
{
	struct text t;

	text_init(&t, buf, cap);
	add_range(&t, r);
}

void range_set_print(const struct range_set *set, char *buf, size_t cap)
{
	struct text t;

	text_init(&t, buf, cap);
	for (size_t i = 0; i < set->n && !t.cut; i++) {
		text_add(&t, "%s", i != 0 ? "," : "");
		add_range(&t, &set->r[i]);
	}
}

const struct ip_range *range_set_find(const struct range_set *set, const struct ip *ip)
{
	for (size_t i = 0; i < set->n; i++) {
		if (range_contains(&set->r[i], ip))
			return &set->r[i];
	}
	return NULL;
}

static int fail_overlap(const struct ip_range *a, const struct ip_range *b, struct cni_error *err)
{
	char one[RANGE_TEXT], other[RANGE_TEXT];

	range_print(a, one, sizeof(one));
	range_print(b, other, sizeof(other));
	return cni_fail(err, CNI_INVALID_CONFIG, "subnets %s and %s overlap", one, other);
}

int range_set_check(const struct range_set *set, struct cni_error *err)
{
	if (set->n == 0)
		return cni_fail(err, CNI_INVALID_CONFIG, "empty range set");
	for (size_t i = 1; i < set->n; i++) {
		if (ip_is4(&set->r[i].start) != ip_is4(&set->r[0].start))
			return cni_fail(err, CNI_INVALID_CONFIG, "mixed address families");
	}
	for (size_t i = 0; i < set->n; i++) {
		for (size_t j = i + 1; j < set->n; j++) {
			if (range_overlaps(&set->r[i], &set->r[j]))
				return fail_overlap(&set->r[i], &set->r[j], err);
		}
	}
	return 0;
}

bool range_set_overlaps(const struct range_set *a, const struct range_set *b)
{
	for (size_t i = 0; i < a->n; i++) {
		for (size_t j = 0; j < b->n; j++) {
			if (range_overlaps(&a->r[i], &b->r[j]))
				return true;
		}
	}
	return false;
}

void range_iter_init(struct range_iter *it, const struct range_set *set, const struct ip *last)
{
	*it = (struct range_iter){ .set = set };
	for (size_t i = 0; i < set->n; i++) {
		/* Without a last address: the end of the last range, the very first's predecessor.
		 */
		it->range = i;
		it->cur = set->r[i].end;
		if (last != NULL && range_contains(&set->r[i], last)) {
			it->cur = *last;
			return;
		}
	}
}

bool range_iter_next(struct range_iter *it, struct ip *ret_ip, const struct ip_range **ret_range)
{
	const struct ip_range *r;

	if (it->set->n == 0)
		return false;
	do {
		r = &it->set->r[it->range];
		if (ip_equal(&it->cur, &r->end)) {
			it->range = (it->range + 1) % it->set->n;
			r = &it->set->r[it->range];
			it->cur = r->start;
		} else {
			it->cur = ip_next(&it->cur);
		}
		if (it->begun && ip_equal(&it->cur, &it->first))
			return false;
		if (!it->begun)
			it->first = it->cur;
		it->begun = true;
	} while (ip_equal(&it->cur, &r->gateway));
	*ret_ip = it->cur;
	*ret_range = r;
	return true;
}
