/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "nft/xtables_text.h"

/* A line of `iptables -S`, whatever it says: texts that end, and no more ports than there is room
 * for; and an address is of the family that was asked for. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = fuzz_text(data, size);
	struct xtables_rule r;
	bool four = size % 2 == 0;

	if (xtables_line_read(line, four, &r)) {
		FUZZ_CHECK(strncmp(line, "-A ", 3) == 0);
		FUZZ_CHECK(memchr(r.chain, '\0', sizeof(r.chain)) != NULL);
		FUZZ_CHECK(memchr(r.jump, '\0', sizeof(r.jump)) != NULL);
		FUZZ_CHECK(memchr(r.comment, '\0', sizeof(r.comment)) != NULL);
		FUZZ_CHECK(r.n_ports <= XTABLES_PORTS);
		FUZZ_CHECK(!r.has_from || ip_is4(&r.from) == four);
		FUZZ_CHECK(!r.has_to || ip_is4(&r.to) == four);
	}
	free(line);
	return 0;
}
