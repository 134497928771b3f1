/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table nat of legacy xtables. Whether something of the reference is in it the kernel itself
 * tells: it hands out the whole table as bytes, in which names of chains and comments are readable.
 * So the program iptables is run only where there is something for it to do.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netfilter.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter_ipv4/ip_tables.h>

#include "base/trace.h"
#include "nft/reference_parts.h"
#include "nft/xtables_parts.h"

#define LISTING_MAX (8u << 20)
#define TRIES	    10 /* the table's size may have changed since it was asked for */

/* The structures and numbers of IPv6 are the same. */
static void *read_table(int fd, int level, size_t *ret_len)
{
	struct ipt_getinfo info = { .name = REF_NAT };
	socklen_t len = sizeof(info);
	struct ipt_get_entries *e;

	if (getsockopt(fd, level, IPT_SO_GET_INFO, &info, &len) < 0)
		return NULL;
	*ret_len = len = (socklen_t)(sizeof(*e) + info.size);
	e = malloc(len);
	if (e == NULL)
		return NULL;
	*e = (struct ipt_get_entries){ .name = REF_NAT, .size = info.size };
	if (getsockopt(fd, level, IPT_SO_GET_ENTRIES, e, &len) == 0)
		return e;
	free(e);
	return NULL;
}

bool ref_legacy_has(bool four, const char *text)
{
	scoped_fd int fd = -1;
	scoped_free void *table = NULL;
	size_t len = 0;

	if (!xtables_legacy_used(four, REF_NAT)) /* else asking would make the table */
		return false;
	fd = socket(four ? AF_INET : AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	for (int i = 0; fd >= 0 && table == NULL && i < TRIES; i++)
		table = read_table(fd, four ? IPPROTO_IP : IPPROTO_IPV6, &len);
	if (table == NULL)
		trace("the legacy table nat of IPv%d cannot be read: %s", four ? 4 : 6,
		      strerror(errno));
	return table != NULL && memmem(table, len, text, strlen(text)) != NULL;
}

int ref_legacy_list(struct ref_table *t, struct cni_error *err)
{
	static const char *const words[] = { "-t", REF_NAT, "-S", NULL };
	struct xtables_call call = { .four = t->family == NFPROTO_IPV4,
				     .table = REF_NAT,
				     .suffix = "",
				     .words = words,
				     .output_cap = LISTING_MAX,
				     .demand = true };
	bool done;

	free(t->listing);
	t->listing = call.output = malloc(LISTING_MAX);
	if (t->listing == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	if (xtables_legacy_run(&call, &done, err) < 0)
		return -1;
	if (strlen(t->listing) >= LISTING_MAX - 2)
		return cni_fail(err, CNI_KERNEL,
				"the legacy table nat has more than %u bytes of rules",
				LISTING_MAX);
	t->listing[strlen(t->listing) + 1] = '\0';
	for (char *p = t->listing; (p = strchr(p, '\n')) != NULL; p++)
		*p = '\0';
	return 0;
}

/* A rule that went meanwhile, or a chain in use: EBUSY in err->sys. */
int ref_legacy_restore(const struct ref_table *t, const char *batch, struct cni_error *err)
{
	static const char *const words[] = { "--noflush", NULL };
	const struct xtables_call call = { .four = t->family == NFPROTO_IPV4,
					   .table = REF_NAT,
					   .suffix = "-restore",
					   .words = words,
					   .input = batch,
					   .demand = true };
	bool done;

	if (xtables_legacy_run(&call, &done, err) == 0)
		return 0;
	if (err->sys == 0)
		err->sys = EBUSY;
	return -1;
}
