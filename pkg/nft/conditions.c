/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Theory of operation.
 *
 * Each distinct list of conditions gets maps and a chain of its own, named by the hash of the list:
 * "hostports-<hash>" with "hostport4-<hash>" and so on. What differs from the common chain is the
 * way in: a rule in prerouting and one in output for each family that says `fib daddr type local`
 * (first: what is not for us is none of their business), then the conditions, then `jump` (not
 * goto: a connection that none of this network's ports takes must still find the others'). These
 * rules stand before the common one, so that the narrower promise wins.
 *
 * The words are nft's language, so nft compiles them, once per list and node: maps and chain are
 * ours in one transaction, the four rules nft's in another. Whether the second happened is seen by
 * the chain's use count, so a crash between them is finished by the next ADD. The list is kept as a
 * file, conditions/<hash> in the scratch folder, since after a flush the rules must
 * come back without anybody's configuration. A list goes by GC: conditions_gc.c.
 */
#include "nft/conditions.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <linux/netfilter.h>

#include "base/fs.h"
#include "base/trace.h"
#include "nft/conditions_run.h"
#include "nft/conditions_text.h"
#include "nft/nft_program.h"
#include "nft/session.h"

#define FOLDER CONDITIONS_FOLDER

/* Both families' conditions in nft's language. */
struct ways {
	char four[CONDITIONS_TEXT], six[CONDITIONS_TEXT];
};

static int ways_text(const struct nft_conditions *c, struct ways *ways, struct cni_error *err)
{
	struct text four, six;

	text_init(&four, ways->four, sizeof(ways->four));
	text_init(&six, ways->six, sizeof(ways->six));
	if (conditions_text("conditionsV4", c->tokens4, c->n_tokens4, &four, err) < 0)
		return -1;
	return conditions_text("conditionsV6", c->tokens6, c->n_tokens6, &six, err);
}

int nft_conditions_hash(const struct nft_conditions *c, char hash[17], struct cni_error *err)
{
	struct ways ways;
	const char *const parts[] = { ways.four, ways.six };

	hash[0] = '\0';
	if (c->n_tokens4 == 0 && c->n_tokens6 == 0)
		return 0;
	if (ways_text(c, &ways, err) < 0)
		return -1;
	if (ways.four[0] != '\0' || ways.six[0] != '\0')
		(void)text_format(hash, 17, "%016" PRIx64, text_hash(parts, ARRAY_SIZE(parts)));
	return 0;
}

/* ---- the way in */

static void add_way(struct text *t, const char *hook, const char *family, const char *conditions,
		    const char *hash)
{
	text_add(t,
		 "insert rule inet " NFT_TABLE " %s meta nfproto %s fib daddr type local %s"
		 "jump " CONDITIONS_CHAIN "%s\n",
		 hook, family, conditions, hash);
}

static int open_ways(const struct ways *ways, const char *hash, int64_t ms, struct cni_error *err)
{
	size_t cap = 4 * (CONDITIONS_TEXT + 256UL);
	scoped_free char *script = malloc(cap);
	struct text t;

	if (script == NULL)
		return cni_fail_sys_code(err, CNI_INTERNAL, ENOMEM, "write a script for nft");
	text_init(&t, script, cap);
	add_way(&t, "prerouting", "ipv4", ways->four, hash);
	add_way(&t, "prerouting", "ipv6", ways->six, hash);
	add_way(&t, "output", "ipv4", ways->four, hash);
	add_way(&t, "output", "ipv6", ways->six, hash);
	if (nft_program_run(script, ms, err) < 0)
		return cni_wrap(err, "conditionsV4 and conditionsV6");
	return 0;
}

/* 0 if the chain is missing. */
static int chain_use(struct nft_session *s, const char hash[17], uint32_t *ret,
		     struct cni_error *err)
{
	scoped_free struct chain_found *chains = NULL;
	char name[NFT_NAME];
	size_t n = 0;

	if (skeleton_chains(&s->tx, NFPROTO_INET, &chains, &n, err) < 0)
		return -1;
	(void)text_format(name, sizeof(name), CONDITIONS_CHAIN "%s", hash);
	*ret = 0;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(chains[i].name, name) == 0)
			*ret = chains[i].use;
	}
	return 0;
}

/* ---- the file */

static int open_folder(int run, struct cni_error *err)
{
	int fd;

	if (mkdirat(run, FOLDER, 0700) < 0 && errno != EEXIST)
		return cni_fail_sys_code(err, CNI_IO, errno, "create the folder " FOLDER);
	fd = openat(run, FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return cni_fail_sys_code(err, CNI_IO, errno, "open the folder " FOLDER);
	return fd;
}

/* Two lines: the IPv4 and the IPv6 conditions, translated; no word holds a line's end. */
static int write_file(int run, const char hash[17], const struct ways *ways, struct cni_error *err)
{
	scoped_fd int folder = open_folder(run, err);
	scoped_free char *text = malloc(2UL * CONDITIONS_TEXT + 2);
	struct text t;

	if (folder < 0)
		return -1;
	if (text == NULL)
		return cni_fail_sys_code(err, CNI_INTERNAL, ENOMEM, "write down conditions");
	text_init(&t, text, 2UL * CONDITIONS_TEXT + 2);
	text_add(&t, "%s\n%s\n", ways->four, ways->six);
	return fs_write_at(folder, hash, text, t.len, 0600, err);
}

/* The name must be the hash of what it says: a file that was changed is no way into our rules. */
static bool read_file(int folder, const char *name, struct ways *ways)
{
	scoped_free char *text = malloc(2UL * CONDITIONS_TEXT + 3);
	const char *const parts[] = { ways->four, ways->six };
	char *six, *end, hash[17];
	struct cni_error err;

	if (text == NULL ||
	    fs_read_at(folder, name, text, 2UL * CONDITIONS_TEXT + 3, NULL, &err) < 0)
		return false;
	six = strchr(text, '\n');
	end = six == NULL ? NULL : strchr(six + 1, '\n');
	if (end == NULL || end[1] != '\0')
		return false;
	*six = '\0';
	*end = '\0';
	if (!text_format(ways->four, sizeof(ways->four), "%s", text) ||
	    !text_format(ways->six, sizeof(ways->six), "%s", six + 1))
		return false;
	(void)text_format(hash, sizeof(hash), "%016" PRIx64, text_hash(parts, 2));
	return strcmp(hash, name) == 0;
}

/* ---- entry points */

static int put_maps(struct nft_session *s, const char hash[17], struct cni_error *err)
{
	nft_tx_begin(&s->tx);
	skeleton_put_conditions(&s->tx, hash);
	return nft_tx_commit(&s->tx, false, err);
}

static int ensure(struct nft_session *s, const struct ways *ways, const char hash[17],
		  struct cni_error *err)
{
	struct cni_error ignored;
	uint32_t use = 0;
	int r;

	do {
		r = session_build(s, NFT_PORTMAP, 0, NULL, 0, err);
		if (r == 0)
			r = chain_use(s, hash, &use, err);
		if (r == 0 && use >= CONDITIONS_USE)
			return 0;
		if (r == 0)
			r = put_maps(s, hash, err);
	} while (r < 0 && err->sys == ERESTART && !nft_tx_expired(&s->tx));
	if (r < 0)
		return -1;
	if (write_file(s->run, hash, ways, err) == 0 &&
	    open_ways(ways, hash, NFT_PROGRAM_SECONDS * INT64_C(1000), err) == 0)
		return 0;
	if (conditions_drop_unused(s, hash, &ignored) < 0) /* a list that nft refuses */
		trace("%s", ignored.msg);
	return -1;
}

int nft_conditions_ensure(const struct nft_conditions *c, const char hash[17],
			  struct cni_error *err)
{
	scoped_session struct nft_session s = { .run = -1, .lock = -1 };
	struct ways ways;

	if (ways_text(c, &ways, err) < 0 || session_open(&s, err) < 0)
		return -1;
	return ensure(&s, &ways, hash, err);
}

static void restore_one(struct nft_session *s, int folder, const char *hash, int64_t ms)
{
	struct ways ways;
	struct cni_error err;
	uint32_t use = 0;

	if (chain_use(s, hash, &use, &err) < 0 || use == 0 || use >= CONDITIONS_USE)
		return;
	if (!read_file(folder, hash, &ways))
		trace("conditions/%s is damaged", hash);
	else if (ms <= 0)
		trace("conditions/%s: no time is left", hash);
	else if (open_ways(&ways, hash, ms, &err) < 0)
		trace("%s", err.msg);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void conditions_restore(struct nft_session *s)
{
	scoped_fd int folder = openat(s->run, FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	scoped_dir DIR *dir = folder < 0 ? NULL : fdopendir(folder);
	int64_t deadline = now_ms() + CONDITIONS_RESTORE_MS;
	const struct dirent *d;

	if (dir == NULL)
		return;
	(void)take_fd(&folder); /* closed with dir */
	while ((d = readdir(dir)) != NULL) {
		if (conditions_is_hash(d->d_name))
			restore_one(s, dirfd(dir), d->d_name, deadline - now_ms());
	}
}
