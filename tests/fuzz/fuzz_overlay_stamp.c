/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/text.h"
#include "plugins/overlay/conf_stamp.h"

#include "fuzz.h"

/* What is believed has a node of our own, and few others. */
static bool check(const char *text, size_t size)
{
	struct overlay_stamp s = { .file = "" };
	bool believed = overlay_stamp_decode(text, size, &s);

	if (believed) {
		FUZZ_CHECK(s.nodes.n >= 1 && s.nodes.n <= OVERLAY_STAMP_PEERS + 1);
		FUZZ_CHECK(s.overlay.n == s.nodes.n && s.overlay.nodes == s.nodes.nodes);
		FUZZ_CHECK(s.overlay.has4 || s.overlay.has6);
		FUZZ_CHECK(strlen(s.digest) < OVERLAY_DIGEST && strlen(s.file) < OVERLAY_FILE_ID);
	}
	overlay_stamp_free(&s);
	return believed;
}

/* As it is, and with the right sum in front, which the input will hardly have. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *body = fuzz_text(data, size), *text = malloc(size + 64), sum[13];
	const char *strings[] = { body };

	FUZZ_CHECK(text != NULL);
	(void)check(body, size);
	text_base32(text_hash(strings, 1), 12, sum);
	(void)text_format(text, size + 64, "podwire overlay 1 %s\n%s", sum, body);
	(void)check(text, strlen(text));
	if (size > 0 && body[0] != '\0') {
		text[strlen(text) - 1] ^= 1;
		FUZZ_CHECK(!check(text, strlen(text)));
	}
	free(text);
	free(body);
	return 0;
}
