/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation: what we would send is the description of what should be there. The kernel
 * answers with the same attributes, but in its own order, with defaults spelled out and without
 * zeros, and does not mark all that are nested as such: so our message leads, and where it says
 * "nested" both are taken apart. How deep that goes is up to our message alone.
 */
#include "nft/same.h"

#include <string.h>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

struct nest {
	const void *at;
	size_t len;
};

static struct nest message_nest(const struct nlmsghdr *nlh)
{
	const size_t head = MNL_ALIGN(sizeof(struct nfgenmsg));
	size_t len = mnl_nlmsg_get_payload_len(nlh);

	return (struct nest){ mnl_nlmsg_get_payload_offset(nlh, head),
			      len < head ? 0 : len - head };
}

static struct nest attr_nest(const struct nlattr *attr)
{
	return (struct nest){ mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr) };
}

#define each_attr(attr, in) mnl_attr_for_each_payload((in).at, (in).len)

/* The n-th of its type, or NULL. */
static const struct nlattr *find(struct nest in, uint16_t type, unsigned n)
{
	const struct nlattr *attr;

	each_attr(attr, in) {
		if (mnl_attr_get_type(attr) == type && n-- == 0)
			return attr;
	}
	return NULL;
}

/* The one that corresponds to `of` in `from`: like ones are told by their order. */
static const struct nlattr *twin(const struct nlattr *of, struct nest from, struct nest in)
{
	const uint16_t type = mnl_attr_get_type(of);
	const struct nlattr *attr;
	unsigned before = 0;

	each_attr(attr, from) {
		if (attr == of)
			break;
		before += mnl_attr_get_type(attr) == type;
	}
	return find(in, type, before);
}

static bool is_zero(const struct nlattr *attr)
{
	const uint8_t *at = mnl_attr_get_payload(attr);

	for (size_t i = 0; i < mnl_attr_get_payload_len(attr); i++) {
		if (at[i] != 0)
			return false;
	}
	return true;
}

static bool is_counter(struct nest expr)
{
	static const char counter[] = "counter";
	const struct nlattr *name = find(expr, NFTA_EXPR_NAME, 0);

	return name != NULL && mnl_attr_get_payload_len(name) == sizeof(counter) &&
	       memcmp(mnl_attr_get_payload(name), counter, sizeof(counter)) == 0;
}

static bool same_bytes(const struct nlattr *a, const struct nlattr *b)
{
	const uint16_t len = mnl_attr_get_payload_len(a);

	return len == mnl_attr_get_payload_len(b) &&
	       memcmp(mnl_attr_get_payload(a), mnl_attr_get_payload(b), len) == 0;
}

static bool is_nest(const struct nlattr *attr)
{
	return (attr->nla_type & NLA_F_NESTED) != 0;
}

static bool same_nest(struct nest wanted, struct nest found)
{
	const struct nlattr *attr;

	if (is_counter(wanted) && is_counter(found))
		return true;
	each_attr(attr, wanted) {
		const struct nlattr *other = twin(attr, wanted, found);
		bool same = other == NULL   ? is_zero(attr)
			    : is_nest(attr) ? same_nest(attr_nest(attr), attr_nest(other))
					    : same_bytes(attr, other);

		if (!same)
			return false;
	}
	each_attr(attr, found) {
		if (!is_zero(attr) && twin(attr, found, wanted) == NULL)
			return false;
	}
	return true;
}

/* The attribute of this type alone. */
static struct nest only(const struct nlmsghdr *nlh, uint16_t type)
{
	struct nest all = message_nest(nlh);
	const struct nlattr *attr = find(all, type, 0);

	all.at = attr == NULL ? all.at : attr;
	all.len = attr == NULL ? 0 : attr->nla_len;
	return all;
}

bool message_same(const struct nlmsghdr *wanted, const struct nlmsghdr *found,
		  const uint16_t *types, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!same_nest(only(wanted, types[i]), only(found, types[i])))
			return false;
	}
	return true;
}
