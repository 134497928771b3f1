/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/scoped.h"
#include "fuzz.h"
#include "nft/item.h"
#include "nft/record.h"

static char *print(const struct nft_record *r)
{
	struct cni_error err = { 0 };
	char *text = NULL;

	FUZZ_CHECK(record_print(r, &text, &err) == 0 && text != NULL);
	return text;
}

static void check_items(const struct nft_record *r)
{
	struct nft_elem elems[NFT_ITEM_ELEMS];
	char text[ITEM_TEXT];

	FUZZ_CHECK(r->n_links <= RECORD_LINKS_MAX && r->n <= NFT_ITEMS_MAX);
	for (size_t i = 0; i < r->n; i++) {
		size_t n = item_elems(&r->items[i], elems);

		FUZZ_CHECK(n <= NFT_ITEM_ELEMS);
		FUZZ_CHECK((n == 0) == (r->items[i].kind == NFT_ITEM_SOURCE));
		FUZZ_CHECK(n == 0 ||
			   (elems[0].key_len > 0 && elems[0].key_len <= sizeof(elems[0].key)));
		item_text(&r->items[i], text);
		FUZZ_CHECK(text[0] != '\0');
	}
}

/* The bytes of an attachment's record: refused with a reason, or printed and read again the same;
 * each of its items becomes elements. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct nft_record r = { 0 }, again = { 0 };
	char *text = fuzz_text(data, size), *first, *second;
	struct cni_error err = { 0 };

	if (record_parse(text, &r, &err) < 0) {
		fuzz_error(&err);
		FUZZ_CHECK(r.items == NULL && r.links == NULL);
		free(text);
		return 0;
	}
	check_items(&r);
	first = print(&r);
	second = fuzz_text((const uint8_t *)first, strlen(first));
	FUZZ_CHECK(record_parse(second, &again, &err) == 0);
	second = print(&again);
	FUZZ_CHECK(strcmp(first, second) == 0 && owner_equal(&r.owner, &again.owner));
	free(first);
	free(second);
	record_free(&r);
	record_free(&again);
	return 0;
}
