/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fuzz.h"
#include "nft/elem.h"

#include "../../pkg/nft/elem.c" /* its reader of elements is nobody else's */

struct input {
	const uint8_t *at;
	size_t left;
};

/* The next bytes, as many as the one before them says and there are. */
static const uint8_t *take(struct input *in, uint32_t *ret_len)
{
	const uint8_t *at = in->at + 1;

	*ret_len = 0;
	if (in->left == 0)
		return in->at;
	*ret_len = in->at[0] < in->left ? in->at[0] : (uint32_t)in->left - 1;
	in->at += 1 + *ret_len;
	in->left -= 1 + *ret_len;
	return at;
}

static void set_bytes(struct nftnl_set_elem *se, uint16_t attr, struct input *in, uint32_t max)
{
	uint32_t len;
	const uint8_t *at = take(in, &len);

	FUZZ_CHECK(nftnl_set_elem_set(se, attr, at, len < max ? len : max) == 0);
}

static void sound(const struct elem_found *found)
{
	const struct nft_elem *e = &found->elem;
	char copy[OWNER_TEXT];
	struct owner owner;

	FUZZ_CHECK(e->key_len <= sizeof(e->key) && e->data_len <= sizeof(e->data));
	FUZZ_CHECK(strnlen(e->chain, NFT_NAME) < NFT_NAME);
	FUZZ_CHECK(strnlen(found->owner, OWNER_TEXT) < OWNER_TEXT);
	memcpy(copy, found->owner, sizeof(copy));
	if (owner_text_split(copy, &owner))
		FUZZ_CHECK(owner.network[0] != '\0' && owner.container[0] != '\0');
}

/* An element with any key, value and user data: they are within their fields, and the comment ends.
 * Made by libnftnl, not read by it from any bytes: it ends the program for what no kernel sends. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .at = data, .left = size };
	struct nftnl_set_elem *se = nftnl_set_elem_alloc();
	struct elem_found found = { .elem.family = 1 }, again = { .elem.family = 1 };

	FUZZ_CHECK(se != NULL);
	set_bytes(se, NFTNL_SET_ELEM_KEY, &in, 64);
	if (size % 3 != 0)
		set_bytes(se, NFTNL_SET_ELEM_DATA, &in, 64);
	set_bytes(se, NFTNL_SET_ELEM_USERDATA, &in, 255);
	if (read_elem(se, &found)) {
		sound(&found);
		FUZZ_CHECK(read_elem(se, &again));
		FUZZ_CHECK(elem_same_place(&found.elem, &again.elem));
		FUZZ_CHECK(elem_same_value(&found.elem, &again.elem));
		FUZZ_CHECK(strcmp(found.owner, again.owner) == 0);
	}
	nftnl_set_elem_free(se);
	return 0;
}
