/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/scoped.h"
#include "fuzz.h"
#include "net/range.h"

#define RANGES 4
#define STEPS  150

/* "SUBNET START END GATEWAY", "-" for what is not said. */
static bool read_range(char *line, struct ip_range *ret)
{
	char *rest = NULL;
	const char *subnet = strtok_r(line, " ", &rest);
	const char *start = strtok_r(NULL, " ", &rest);
	const char *end = strtok_r(NULL, " ", &rest);
	const char *gateway = strtok_r(NULL, " ", &rest);
	struct range_text text = { .has_start = false };
	struct cni_error err = { 0 };

	if (subnet == NULL || !ipnet_parse(subnet, &text.subnet))
		return false;
	text.has_start = start != NULL && ip_parse(start, &text.start);
	text.has_end = end != NULL && ip_parse(end, &text.end);
	text.has_gateway = gateway != NULL && ip_parse(gateway, &text.gateway);
	if (range_complete(&text, ret, &err) < 0) {
		fuzz_error(&err);
		FUZZ_CHECK(err.code == CNI_INVALID_CONFIG);
		return false;
	}
	FUZZ_CHECK(ip_cmp(&ret->start, &ret->end) <= 0);
	FUZZ_CHECK(range_contains(ret, &ret->start) && range_contains(ret, &ret->end));
	FUZZ_CHECK(ipnet_contains(&ret->subnet, &ret->end) && range_overlaps(ret, ret));
	return true;
}

/* Each address once, within its range, never a gateway; and, in a small set, all there are. */
static void walk(const struct range_set *set, const struct ip *last)
{
	struct ip seen[STEPS];
	const struct ip_range *range;
	struct range_iter it;
	size_t n = 0, expected = 0;

	for (size_t i = 0; i < set->n; i++) {
		struct ip ip = set->r[i].start;

		for (; expected < STEPS; ip = ip_next(&ip)) {
			expected += !ip_equal(&ip, &set->r[i].gateway);
			if (ip_equal(&ip, &set->r[i].end))
				break;
		}
	}
	range_iter_init(&it, set, last);
	while (n < STEPS && range_iter_next(&it, &seen[n], &range)) {
		FUZZ_CHECK(range_contains(range, &seen[n]));
		FUZZ_CHECK(!ip_equal(&seen[n], &range->gateway));
		FUZZ_CHECK(range_set_find(set, &seen[n]) == range);
		for (size_t i = 0; i < n; i++)
			FUZZ_CHECK(!ip_equal(&seen[i], &seen[n]));
		n++;
	}
	FUZZ_CHECK(n == expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_free char *text = fuzz_text(data, size);
	struct ip_range ranges[RANGES];
	struct range_set set = { .r = ranges };
	struct cni_error err = { 0 };
	char *rest = NULL, printed[64];
	const char *line = strtok_r(text, "\n", &rest);
	struct ip last;
	bool has_last = line != NULL && ip_parse(line, &last);

	for (char *one; set.n < RANGES && (one = strtok_r(NULL, "\n", &rest)) != NULL;)
		set.n += read_range(one, &ranges[set.n]);
	range_set_print(&set, printed, sizeof(printed));
	if (range_set_check(&set, &err) < 0) {
		fuzz_error(&err);
		return 0;
	}
	walk(&set, has_last ? &last : NULL);
	return 0;
}
