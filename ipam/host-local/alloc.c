/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "alloc.h"

#include "base/error.h"
#include "store/names.h"
#include "store/record.h"

#define SET_TEXT 400 /* leaves room in the message */
#define PROBES	 8   /* addresses tried blindly before the folder's names are read */

static int take_requested(struct store *s, const struct owner *o, struct alloc *a,
			  struct cni_error *err)
{
	char ip[IP_TEXT], set[SET_TEXT];
	bool got;

	ip_print(a->requested, ip);
	range_set_print(a->set, set, sizeof(set));
	a->range = range_set_find(a->set, a->requested);
	if (a->range == NULL)
		return cni_fail(err, CNI_INVALID_CONFIG, "%s not in range set %s", ip, set);
	if (ip_equal(a->requested, &a->range->gateway))
		return cni_fail(err, CNI_INVALID_CONFIG, "requested ip %s is subnet's gateway", ip);
	if (store_claim(s, o, a->requested, &got, err) < 0)
		return -1;
	if (!got)
		return cni_fail(err, CNI_CONFLICT,
				"requested IP address %s is not available in range set %s", ip,
				set);
	a->ip = *a->requested;
	return 0;
}

static int check_duplicate(const struct owner *o, const struct owned *owned,
			   const struct range_set *set, struct cni_error *err)
{
	char ip[IP_TEXT];

	for (size_t i = 0; i < owned->n; i++) {
		if (range_set_find(set, &owned->ip[i]) == NULL)
			continue;
		ip_print(&owned->ip[i], ip);
		return cni_fail(err, CNI_CONFLICT,
				"%s has been allocated to %s, duplicate allocation is not allowed",
				ip, o->container);
	}
	return 0;
}

/*
 * Round robin rarely meets a taken address. Where it does again and again (a nearly full pool, a
 * lost last_reserved_ip) the names in the folder are read once, and only free ones are tried.
 */
static int take_next(struct store *s, const struct owner *o, struct alloc *a, bool *ret_got,
		     struct cni_error *err)
{
	scoped_names struct names names = { 0 };
	struct range_iter it;
	unsigned probes = 0;
	struct ip last;

	*ret_got = false;
	range_iter_init(&it, a->set, store_last(s->dir, a->index, &last) ? &last : NULL);
	while (!*ret_got && range_iter_next(&it, &a->ip, &a->range)) {
		if (names_have(&names, &a->ip))
			continue;
		if (store_claim(s, o, &a->ip, ret_got, err) < 0)
			return -1;
		if (!*ret_got && ++probes == PROBES && names_read(s->dir, &names, err) < 0)
			return cni_wrap(err, "%s", s->path);
	}
	return 0;
}

/* Everything has a name: some may be empty files, left by a crash, which store_claim() takes over.
 */
static int take_empty(struct store *s, const struct owner *o, struct alloc *a, bool *ret_got,
		      struct cni_error *err)
{
	struct range_iter it;

	range_iter_init(&it, a->set, NULL);
	while (!*ret_got && range_iter_next(&it, &a->ip, &a->range)) {
		if (record_is_empty(s->dir, &a->ip) && store_claim(s, o, &a->ip, ret_got, err) < 0)
			return -1;
	}
	return 0;
}

static int fail_exhausted(const struct store *s, const struct range_set *set, struct cni_error *err)
{
	char text[SET_TEXT];
	int r;

	range_set_print(set, text, sizeof(text));
	r = cni_fail(err, CNI_EXHAUSTED, "no IP addresses available in range set: %s", text);
	cni_details(err,
		    "every address has a file in %s; widen the range, or let the runtime release "
		    "reservations of containers that are gone (GC, or DEL)",
		    s->path);
	return r;
}

static int take(struct store *s, const struct owner *o, const struct owned *owned, struct alloc *a,
		struct cni_error *err)
{
	bool got;

	if (a->requested != NULL)
		return take_requested(s, o, a, err);
	if (check_duplicate(o, owned, a->set, err) < 0 || take_next(s, o, a, &got, err) < 0)
		return -1;
	if (!got && take_empty(s, o, a, &got, err) < 0)
		return -1;
	return got ? 0 : fail_exhausted(s, a->set, err);
}

int alloc_address(struct store *s, const struct owner *o, const struct owned *owned,
		  struct alloc *a, struct cni_error *err)
{
	if (take(s, o, owned, a, err) < 0)
		return cni_wrap(err, "failed to allocate for range %zu", a->index);
	return 0;
}

/* Absent or empty; anything else, what cannot be looked at included, is taken. */
static bool is_free(int dir, const struct ip *ip)
{
	return !record_exists(dir, ip) || record_is_empty(dir, ip);
}

int alloc_has_free(int dir, const struct range_set *set, size_t index, bool *ret,
		   struct cni_error *err)
{
	scoped_names struct names names = { 0 };
	const struct ip_range *range;
	struct range_iter it;
	struct ip ip, last;

	*ret = false;
	range_iter_init(&it, set, store_last(dir, index, &last) ? &last : NULL);
	for (unsigned i = 0; !*ret && i < PROBES && range_iter_next(&it, &ip, &range); i++)
		*ret = is_free(dir, &ip);
	if (*ret)
		return 0;
	if (names_read(dir, &names, err) < 0)
		return -1;
	while (!*ret && range_iter_next(&it, &ip, &range))
		*ret = !names_have(&names, &ip);
	range_iter_init(&it, set, NULL);
	while (!*ret && range_iter_next(&it, &ip, &range))
		*ret = record_is_empty(dir, &ip);
	return 0;
}
