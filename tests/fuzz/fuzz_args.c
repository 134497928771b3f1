/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/scoped.h"
#include "cni/skel.h"
#include "fuzz.h"

static const char *const keys[] = { "IP", "MAC", "K8S_POD_NAME" };

/* CNI_ARGS: every value that comes out stands in the text as KEY=VALUE; errors are code 4. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_free char *text = fuzz_text(data, size);
	char *values[ARRAY_SIZE(keys)] = { NULL };
	struct cni_error err = { 0 };

	if (cni_args_parse(text, keys, values, ARRAY_SIZE(keys), &err) < 0) {
		fuzz_error(&err);
		FUZZ_CHECK(err.code == CNI_BAD_ENV);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *at = values[i] != NULL ? strstr(text, keys[i]) : NULL;

		FUZZ_CHECK(values[i] == NULL || (at != NULL && strstr(at, values[i]) != NULL));
		FUZZ_CHECK(values[i] == NULL || strchr(values[i], ';') == NULL);
		free(values[i]);
	}
	return 0;
}
