/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/jpath.h"
#include "base/scoped.h"
#include "cni/codec.h"
#include "cni/result.h"
#include "conf/jconf.h"
#include "fuzz.h"

static char *encode(const struct cni_result *r, enum cni_version v)
{
	struct cni_error err = { 0 };
	char *text = NULL;

	if (cni_result_check_version(r, v, &err) < 0) {
		fuzz_error(&err);
		return NULL;
	}
	if (cni_result_encode(r, v, &text, &err) < 0) {
		fuzz_error(&err);
		return NULL;
	}
	FUZZ_CHECK(text != NULL);
	return text;
}

static int decode(const char *text, size_t len, enum cni_version v, struct cni_result *out)
{
	struct cni_error err = { 0 };
	json_t *doc = NULL;
	int r = jconf_load(text, len, "the result", &doc, &err);

	if (r == 0)
		r = cni_result_decode(doc, NULL, v, out, &err);
	if (r < 0)
		fuzz_error(&err);
	json_decref(doc);
	return r;
}

/* What was read once and printed in any version is read again, and printed the same. */
static void round_trip(const struct cni_result *r, enum cni_version v)
{
	struct cni_result again = { 0 };
	char *first = encode(r, v), *second;

	if (first == NULL)
		return;
	FUZZ_CHECK(decode(first, strlen(first), v, &again) == 0);
	second = encode(&again, v);
	FUZZ_CHECK(second != NULL && strcmp(first, second) == 0);
	cni_result_free(&again);
	free(first);
	free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int from = 0; from < CNI_N_VERSIONS; from++) {
		struct cni_result r = { 0 };

		if (decode((const char *)data, size, (enum cni_version)from, &r) < 0) {
			FUZZ_CHECK(r.ips == NULL && r.interfaces == NULL && r.routes == NULL);
			continue;
		}
		for (int to = 0; to < CNI_N_VERSIONS; to++)
			round_trip(&r, (enum cni_version)to);
		cni_result_free(&r);
	}
	return 0;
}
