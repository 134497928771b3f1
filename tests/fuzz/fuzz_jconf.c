/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/jpath.h"
#include "base/scoped.h"
#include "conf/jconf.h"
#include "fuzz.h"
#include "net/ip.h"
#include "net/ipnet.h"

struct filled {
	bool flag;
	uint32_t small;
	int64_t number;
	uint64_t big;
	const char *text;
	struct ip ip;
	struct ipnet net;
	struct mac mac;
};

static const struct jfield fields[] = {
	{ "flag", J_BOOL, .offset = offsetof(struct filled, flag) },
	{ "small", J_UINT, .offset = offsetof(struct filled, small), .min = 3, .max = 9 },
	{ "number", J_INT64, .offset = offsetof(struct filled, number), .imin = -5, .max = 5 },
	{ "big", J_UINT64, .offset = offsetof(struct filled, big) },
	{ "text", J_STR, .offset = offsetof(struct filled, text), .max = 8 },
	{ "ip", J_IP, .offset = offsetof(struct filled, ip) },
	{ "net", J_IPNET, .offset = offsetof(struct filled, net) },
	{ "mac", J_MAC, .offset = offsetof(struct filled, mac) },
};

static void fill(const json_t *doc)
{
	struct filled out = { .small = 3 };
	struct cni_error err = { 0 };

	if (jconf_fill(doc, NULL, fields, ARRAY_SIZE(fields), &out, &err) < 0) {
		fuzz_error(&err);
		FUZZ_CHECK(err.code == CNI_DECODE || err.code == CNI_INVALID_CONFIG);
		return;
	}
	FUZZ_CHECK(out.small >= 3 && out.small <= 9);
	FUZZ_CHECK(out.number >= -5 && out.number <= 5);
	FUZZ_CHECK(!mac_is_multicast(&out.mac));
	FUZZ_CHECK(out.text == NULL || strlen(out.text) <= 8);
}

/* A document that is read is an object, and what is printed of it is read back as the same; what
 * the table lets through lies within its bounds. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cni_error err = { 0 };
	json_t *doc = NULL, *again = NULL;
	char *text;

	if (jconf_load((const char *)data, size, "the input", &doc, &err) < 0) {
		fuzz_error(&err);
		FUZZ_CHECK(err.code == CNI_DECODE && doc == NULL);
		return 0;
	}
	FUZZ_CHECK(json_is_object(doc));
	text = json_dumps(doc, JSON_COMPACT);
	FUZZ_CHECK(text != NULL);
	FUZZ_CHECK(jconf_load(text, strlen(text), "the copy", &again, &err) == 0);
	fill(doc);
	free(text);
	json_decref(doc);
	json_decref(again);
	return 0;
}
