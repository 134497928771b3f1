/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/error.h"
#include "cni/skel.h"
#include "conf/jconf.h"

/* What fuzz targets share. Each target states a property, not only "does not crash". */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void fuzz_check(bool holds, const char *file, int line, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	abort();
}

#define FUZZ_CHECK(condition) fuzz_check((condition), __FILE__, __LINE__, #condition)

/* The input as a string; the caller frees it. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	FUZZ_CHECK(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

/* Every error has a code of its own and one line of printable text. */
static inline void fuzz_error(const struct cni_error *err)
{
	FUZZ_CHECK(err->code > 0 && err->code < 200);
	FUZZ_CHECK(err->msg[0] != '\0' && strpbrk(err->msg, "\n\r") == NULL);
	FUZZ_CHECK(memchr(err->msg, '\0', sizeof(err->msg)) != NULL);
	FUZZ_CHECK(memchr(err->details, '\0', sizeof(err->details)) != NULL);
}

/* A call of a program with `doc` as its configuration, as pkg/cni would hand it on. */
static inline struct cni_args fuzz_call(const json_t *doc)
{
	const json_t *ipam = json_object_get(doc, "ipam");
	const char *type = json_string_value(json_object_get(ipam, "type"));

	return (struct cni_args){ .verb = CNI_ADD,
				  .container = "c1",
				  .netns = "/run/netns/pod",
				  .ifname = "eth0",
				  .cni_args = "",
				  .path = "",
				  .network = "net",
				  .version = CNI_V_NEWEST,
				  .stdin_text = "",
				  .conf = doc,
				  .ipam_type = type,
				  .netns_fd = -1,
				  .own_netns_fd = -1 };
}

/* The same for the input, where it is JSON; the caller drops `doc`. */
static inline bool fuzz_load(const uint8_t *data, size_t size, json_t **doc, struct cni_args *args)
{
	struct cni_error err;

	if (jconf_load((const char *)data, size, "the input", doc, &err) < 0)
		return false;
	*args = fuzz_call(*doc);
	args->stdin_text = (const char *)data;
	args->stdin_len = size;
	return true;
}

/* What a configuration may be refused with. */
static inline void fuzz_conf_error(const struct cni_error *err)
{
	fuzz_error(err);
	FUZZ_CHECK(err->code == CNI_DECODE || err->code == CNI_INVALID_CONFIG);
}
