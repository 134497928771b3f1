/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plugins/tuning/conf_backup.h"

#include "fuzz.h"

/* What can be read says the same when it is written and read again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tuning_backup b = { .n_sysctls = 0 }, again = { .n_sysctls = 0 };
	char *text = NULL, *text2 = NULL;
	struct cni_error err = { 0 };

	if (tuning_backup_decode((const char *)data, size, &b, &err) < 0) {
		fuzz_error(&err);
		FUZZ_CHECK(err.code == CNI_DECODE || err.code == CNI_INVALID_CONFIG);
		return 0;
	}
	for (size_t i = 0; i < b.n_sysctls; i++)
		FUZZ_CHECK(tuning_path_valid(b.sysctls[i].path));
	FUZZ_CHECK(tuning_backup_encode(&b, &text, &err) == 0);
	FUZZ_CHECK(tuning_backup_decode(text, strlen(text), &again, &err) == 0);
	FUZZ_CHECK(tuning_backup_encode(&again, &text2, &err) == 0);
	FUZZ_CHECK(strcmp(text, text2) == 0);
	free(text);
	free(text2);
	tuning_backup_free(&b);
	tuning_backup_free(&again);
	return 0;
}
