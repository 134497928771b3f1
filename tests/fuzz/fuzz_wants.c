/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fuzz.h"
#include "nft/xtables_parts.h"

#include "../../pkg/nft/xtables_wants.c" /* its reader of lines is nobody else's */

/* A line of the file `forward` of any bytes: refused, or what it says can be printed as that line.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = fuzz_text(data, size), *copy = fuzz_text(data, size);
	struct xtables_want want;
	char again[256];

	if (parse(copy, &want)) {
		FUZZ_CHECK(want.mark_bit < 32 && ipt_chain_valid(want.admin));
		FUZZ_CHECK(text_format(again, sizeof(again), "%c %u %s %s", want.four ? '4' : '6',
				       want.mark_bit, want.own_only ? "own" : "any", want.admin));
		FUZZ_CHECK(strcmp(again, line) == 0);
	}
	free(line);
	free(copy);
	return 0;
}
