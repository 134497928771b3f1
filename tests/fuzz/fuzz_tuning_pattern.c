/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plugins/tuning/allowlist.h"

#include <regex.h>

#include "fuzz.h"

/* A line is refused with a reason, or becomes an expression that regcomp(3) takes, but for
 * a range that runs downwards. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char out[ALLOWLIST_TRANSLATED];
	const char *problem = NULL;
	char *text;
	regex_t re;
	int r;

	if (size > ALLOWLIST_PATTERN)
		return 0;
	text = fuzz_text(data, size);
	if (!allowlist_translate(text, out, &problem)) {
		FUZZ_CHECK(problem != NULL && problem[0] != '\0');
		free(text);
		return 0;
	}
	r = regcomp(&re, out, REG_EXTENDED | REG_NOSUB);
	FUZZ_CHECK(r == 0 || r == REG_ERANGE); /* [z-a] */
	if (r != 0) {
		free(text);
		return 0;
	}
	(void)regexec(&re, "net.ipv4.conf.eth0.log_martians", 0, NULL, 0);
	FUZZ_CHECK(re.re_nsub == 0 || strchr(text, '(') != NULL);
	regfree(&re);
	free(text);
	return 0;
}
