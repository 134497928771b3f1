/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GC's list of attachments that are alive. Deleting what is alive is the worst a GC can do, so
 * the list is believed only as a whole: a key that is missing or an element that is damaged fails
 * the call before anything is removed.
 */
#include <stdlib.h>
#include <string.h>

#include "base/scoped.h"
#include "base/text.h"
#include "cni/call.h"
#include "conf/jconf.h"

struct cni_gc_index {
	size_t mask;	  /* slots - 1, slots a power of two */
	uint32_t slots[]; /* position in args.valid + 1, 0 empty; linear probing */
};

static size_t hash(const char *container, const char *ifname)
{
	const char *const key[] = { container, ifname };

	return (size_t)text_hash(key, ARRAY_SIZE(key));
}

static bool same(const struct cni_attachment *a, const char *container, const char *ifname)
{
	return strcmp(a->container, container) == 0 &&
	       (ifname == NULL || strcmp(a->ifname, ifname) == 0);
}

/* Where the search for these names ends: at the attachment, or at the empty slot behind. */
static size_t find_slot(const struct cni_gc_index *index, const struct cni_attachment *valid,
			const char *container, const char *ifname)
{
	size_t at = hash(container, ifname != NULL ? ifname : "") & index->mask;

	while (index->slots[at] != 0 && !same(&valid[index->slots[at] - 1], container, ifname))
		at = (at + 1) & index->mask;
	return at;
}

bool cni_attachment_valid(const void *call_args, const char *container, const char *ifname)
{
	const struct cni_args *args = call_args;
	const struct cni_gc_index *index = args->valid_index;

	if (index == NULL) {
		for (size_t i = 0; i < args->n_valid; i++) {
			if (same(&args->valid[i], container, ifname))
				return true;
		}
		return false;
	}
	return index->slots[find_slot(index, args->valid, container, ifname)] != 0;
}

/* What is there already, under either of its names, stays: it may be found by that place alone. */
static void enter(struct cni_gc_index *index, const struct cni_attachment *valid,
		  const char *ifname, size_t position)
{
	size_t at = find_slot(index, valid, valid[position].container, ifname);

	if (index->slots[at] == 0)
		index->slots[at] = (uint32_t)position + 1;
}

/* Each attachment is found by its names, and by its container's alone. */
static struct cni_gc_index *build_index(const struct cni_attachment *valid, size_t n)
{
	struct cni_gc_index *index;
	size_t slots = 2;

	while (slots < n * 4)
		slots *= 2;
	index = calloc(1, sizeof(*index) + slots * sizeof(index->slots[0]));
	if (index == NULL)
		return NULL;
	index->mask = slots - 1;
	for (size_t i = 0; i < n; i++) {
		enter(index, valid, valid[i].ifname, i);
		enter(index, valid, NULL, i);
	}
	return index;
}

static const struct jfield attachment_fields[] = {
	{ "containerID", J_STR, .required = true,
	  .offset = offsetof(struct cni_attachment, container) },
	{ "ifname", J_STR, .required = true, .offset = offsetof(struct cni_attachment, ifname) },
};

static int read_attachment(const json_t *value, const struct jpath *at, struct cni_attachment *ret,
			   struct cni_error *err)
{
	const char *problem;

	if (jconf_fill(value, at, attachment_fields, ARRAY_SIZE(attachment_fields), ret, err) < 0)
		return -1;
	if (!cni_name_valid(ret->container))
		return jconf_fail(err, CNI_INVALID_CONFIG, at,
				  "containerID \"%s\" has invalid characters", ret->container);
	problem = ifname_problem(ret->ifname);
	if (problem != NULL)
		return jconf_fail(err, CNI_INVALID_CONFIG, at, "ifname \"%s\": %s", ret->ifname,
				  problem);
	return 0;
}

/*
 * The list under `key`; *ret_present when the key is there, be it null. jconf_get() takes null for
 * absent, which is the very difference that matters here (GC-03, GC-04).
 */
static const json_t *find_list(const json_t *doc, const char *key, bool *ret_present)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)doc, name, value) {
		if (text_equal_nocase(name, key))
			*ret_present = true;
	}
	return jconf_get(doc, key);
}

static int missing_list(struct cni_error *err)
{
	int r = cni_fail(err, CNI_INVALID_CONFIG,
			 "GC without \"cni.dev/valid-attachments\": nothing was removed");

	cni_details(err,
		    "a missing list could mean that no attachment is valid, and then every "
		    "running pod would lose its network; pass the list of attachments that are "
		    "alive, or [] or null when there is none");
	return r;
}

int cni_call_valid(struct cni_call *call, struct cni_error *err)
{
	static const struct jpath keys[] = { { .key = "cni.dev/valid-attachments" },
					     { .key = "cni.dev/attachments" } }; /* GC-02 */
	const struct jpath *at = &keys[0];
	const json_t *list;
	bool present = false;
	size_t n = 0;

	list = find_list(call->doc, at->key, &present);
	if (list == NULL) {
		at = &keys[1];
		list = find_list(call->doc, at->key, &present);
	}
	if (!present)
		return missing_list(err);
	if (list != NULL && jconf_array(list, at, CNI_GC_MAX, &n, err) < 0)
		return -1;
	call->valid = calloc(n + 1, sizeof(*call->valid));
	if (call->valid == NULL)
		return cni_fail(err, CNI_INTERNAL, "no memory for GC's list");
	for (size_t i = 0; i < n; i++) {
		const struct jpath here = { .up = at, .idx = i };

		if (read_attachment(json_array_get(list, i), &here, &call->valid[i], err) < 0)
			return -1;
	}
	call->index = build_index(call->valid, n);
	if (call->index == NULL)
		return cni_fail(err, CNI_INTERNAL, "no memory for GC's list");
	call->args.valid = call->valid;
	call->args.n_valid = n;
	call->args.valid_index = call->index;
	return 0;
}
