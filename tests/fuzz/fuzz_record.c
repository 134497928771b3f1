/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fuzz.h"
#include "store/record.h"

/* What is read as an owner is written in one way, and read from that as the same owner. */
static void round_trip(const struct record *r)
{
	const struct owner owner = { "net", r->container, r->ifname };
	struct record again = { .kind = RECORD_ABSENT };
	struct cni_error err = { 0 };
	size_t len;

	if (record_format(&owner, again.text, &len, &err) < 0) {
		fuzz_error(&err);
		return;
	}
	FUZZ_CHECK(len == strlen(again.text));
	record_parse(&again, len);
	FUZZ_CHECK(again.kind == RECORD_FULL && record_is(&again, &owner));
}

/* Bytes that are not white space at either end, as the reference trims; NUL is trimmed as well. */
static size_t trimmed(const uint8_t *data, size_t size)
{
	static const char blank[] = " \t\r\n\v\f"; /* and its NUL */

	while (size > 0 && memchr(blank, data[size - 1], sizeof(blank)) != NULL)
		size--;
	while (size > 0 && memchr(blank, *data, sizeof(blank)) != NULL) {
		data++;
		size--;
	}
	return size;
}

/* The bytes of an address file: nobody else's bytes are ever taken for an owner. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record r = { .kind = RECORD_ABSENT };

	if (size > RECORD_MAX)
		return 0;
	memcpy(r.text, data, size);
	r.text[size] = '\0';
	record_parse(&r, size);
	FUZZ_CHECK(r.kind != RECORD_ABSENT && r.container != NULL && r.ifname != NULL);
	FUZZ_CHECK((r.kind >= RECORD_OLD && r.kind <= RECORD_FULL) == (r.container[0] != '\0'));
	FUZZ_CHECK((r.kind == RECORD_FULL) == (r.ifname[0] != '\0'));
	FUZZ_CHECK(strpbrk(r.container, " /\t\r\n") == NULL &&
		   strpbrk(r.ifname, " /\t\r\n") == NULL);
	if (r.kind == RECORD_OLD)
		FUZZ_CHECK(strlen(r.container) == trimmed(data, size));
	if (r.kind == RECORD_FULL)
		round_trip(&r);
	return 0;
}
