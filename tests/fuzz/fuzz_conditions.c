/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/scoped.h"
#include "fuzz.h"
#include "nft/conditions_text.h"

#define WORDS 32

/* Read as nft reads it: nothing outside of quotes ends the rule or the block that it stands in. */
static void check_rule(const char *s)
{
	bool quoted = false;
	int depth = 0;

	for (; *s != '\0'; s++) {
		FUZZ_CHECK((unsigned char)*s >= ' ' && *s != 0x7f);
		if (*s == '"')
			quoted = !quoted;
		else if (!quoted)
			depth += (*s == '{') - (*s == '}');
		FUZZ_CHECK(depth >= 0 && (quoted || (*s != ';' && *s != '#')));
	}
	FUZZ_CHECK(depth == 0 && !quoted);
}

/* Lines as words: an error that names the list, or a piece of one rule and nothing but that. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_free char *text = fuzz_text(data, size), *out = malloc(CONDITIONS_TEXT);
	const char *key = size % 2 == 0 ? "conditionsV4" : "conditionsV6";
	const char *words[WORDS];
	struct cni_error err = { 0 };
	char *rest = text;
	struct text t;
	size_t n = 0;

	FUZZ_CHECK(out != NULL);
	while (n < WORDS && rest != NULL)
		words[n++] = strsep(&rest, "\n");
	text_init(&t, out, CONDITIONS_TEXT);
	if (conditions_text(key, words, n, &t, &err) < 0) {
		fuzz_error(&err);
		FUZZ_CHECK(err.code == CNI_INVALID_CONFIG && strncmp(err.msg, key, 12) == 0);
		return 0;
	}
	check_rule(out);
	return 0;
}
