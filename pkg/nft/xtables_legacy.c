/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Legacy xtables: the kernel takes a table only as a whole, from a program that read the whole
 * table before; so it is left to the program that does nothing else. It is run with a limit for its
 * own lock (-w) below ours, and never where the kernel says that the table is not in use and
 * another kind of iptables is installed: asking it would make the table.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "base/scoped.h"
#include "base/text.h"
#include "base/trace.h"
#include "nft/program.h"
#include "nft/session.h"
#include "nft/xtables_parts.h"

#define LOCK_SECONDS "8"
#define RUN_MS	     12000
#define WORDS_MAX    24
#define LISTING_MAX  65536
#define NAMES_MAX    512

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

enum xtables_kind xtables_installed(bool four)
{
	char path[PROGRAM_PATH];
	scoped_free char *real = NULL;

	if (program_find(four ? "iptables" : "ip6tables", path) == NULL)
		return XTABLES_NONE;
	real = realpath(path, NULL);
	return real != NULL && strstr(base_name(real), "nft") != NULL ? XTABLES_NFT
								      : XTABLES_LEGACY;
}

bool xtables_legacy_used(bool four, const char *table)
{
	struct cni_error ignored;
	char names[NAMES_MAX];
	const char *path = four ? "/proc/net/ip_tables_names" : "/proc/net/ip6_tables_names";

	if (fs_read_at(AT_FDCWD, path, names, sizeof(names), NULL, &ignored) < 0)
		return false;
	for (char *line = names, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = '\0';
		if (strcmp(line, table) == 0)
			return true;
	}
	return false;
}

static const char *find(const struct xtables_call *call, char path[PROGRAM_PATH])
{
	const char *program = call->four ? "iptables" : "ip6tables";
	char name[PROGRAM_PATH];

	(void)text_format(name, sizeof(name), "%s-legacy%s", program, call->suffix);
	if (program_find(name, path) != NULL)
		return path;
	if (xtables_installed(call->four) != XTABLES_LEGACY)
		return NULL;
	(void)text_format(name, sizeof(name), "%s%s", program, call->suffix);
	return program_find(name, path);
}

int xtables_legacy_run(const struct xtables_call *call, bool *ret_done, struct cni_error *err)
{
	char path[PROGRAM_PATH], said[PROGRAM_SAID];
	const char *argv[WORDS_MAX + 4] = { path, "-w", LOCK_SECONDS };
	const struct program p = { .path = path,
				   .argv = argv,
				   .ms = RUN_MS,
				   .input = call->input,
				   .output = call->output,
				   .output_cap = call->output_cap };
	int status = 0;

	for (size_t i = 0; call->words[i] != NULL && i < WORDS_MAX; i++)
		argv[3 + i] = call->words[i];
	if (find(call, path) == NULL)
		return cni_fail_sys(err, ENOENT,
				    "the kernel's legacy %s table %s is in use, but no program "
				    "%s-legacy%s is installed that could change its chains",
				    call->four ? "IPv4" : "IPv6", call->table,
				    call->four ? "iptables" : "ip6tables", call->suffix);
	if (program_run(&p, &status, said, err) < 0)
		return -1;
	*ret_done = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (*ret_done || (!call->demand && WIFEXITED(status) && WEXITSTATUS(status) == 1))
		return 0;
	(void)!cni_fail(err,
			WIFEXITED(status) && WEXITSTATUS(status) == 4 ? CNI_TRY_AGAIN : CNI_KERNEL,
			"%s %s: %.200s", path, call->words[0], said);
	cni_details(err, "%s", said);
	return -1;
}

/* Of the table filter. */
static int run(bool four, const char *const *words, char *output, bool *ret_done,
	       struct cni_error *err)
{
	const struct xtables_call call = { .four = four,
					   .table = "filter",
					   .suffix = "",
					   .words = words,
					   .output = output,
					   .output_cap = LISTING_MAX,
					   .demand = words[0][1] == 'I' };

	return xtables_legacy_run(&call, ret_done, err);
}

/* ---- looking */

struct found {
	size_t rules;  /* of FORWARD, seen up to now */
	size_t accept; /* number of the rule that accepts the mark; 0: none */
	size_t jump;   /* of the one that jumps, and stands before it; 0: none */
};

/* Comments are for people: a rule is known by what it does. */
static void drop_comment(char *line)
{
	static const char option[] = " -m comment --comment ";
	char *from = strstr(line, option), *to;

	if (from == NULL)
		return;
	to = from + strlen(option);
	to = *to == '"' ? strchr(to + 1, '"') : strpbrk(to, " ");
	if (to == NULL)
		return;
	to += *to == '"';
	memmove(from, to, strlen(to) + 1);
}

static void judge_line(char *line, const char *accept, const char *jump, struct found *found)
{
	if (strncmp(line, "-A FORWARD ", strlen("-A FORWARD ")) != 0)
		return;
	drop_comment(line);
	found->rules++;
	if (found->accept == 0 && strcmp(line, accept) == 0)
		found->accept = found->rules;
	if (found->accept == 0 && strcmp(line, jump) == 0)
		found->jump = found->rules;
}

static int look(const struct xtables_want *want, struct found *ret, struct cni_error *err)
{
	const char *const list[] = { "-S", "FORWARD", NULL };
	const unsigned bit = 1U << want->mark_bit;
	scoped_free char *output = malloc(LISTING_MAX);
	char accept[64], jump[64];
	bool done;

	if (output == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	if (run(want->four, list, output, &done, err) < 0)
		return -1;
	(void)text_format(accept, sizeof(accept), "-A FORWARD -m mark --mark 0x%x/0x%x -j ACCEPT",
			  bit, bit);
	(void)text_format(jump, sizeof(jump), "-A FORWARD -j %s", want->admin);
	*ret = (struct found){ .rules = 0 };
	for (char *line = output, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = '\0';
		judge_line(line, accept, jump, ret);
	}
	return 0;
}

/* ---- putting */

static int insert_accept(const struct xtables_want *want, size_t number, struct cni_error *err)
{
	char mark[32], position[24];
	const char *const words[] = { "-I",
				      "FORWARD",
				      position,
				      "-m",
				      "mark",
				      "--mark",
				      mark,
				      "-m",
				      "comment",
				      "--comment",
				      XTABLES_MARK_COMMENT,
				      "-j",
				      "ACCEPT",
				      NULL };
	bool done;

	(void)text_format(mark, sizeof(mark), "0x%x/0x%x", 1U << want->mark_bit,
			  1U << want->mark_bit);
	(void)text_format(position, sizeof(position), "%zu", number);
	return run(want->four, words, NULL, &done, err);
}

static int insert_jump(const struct xtables_want *want, struct cni_error *err)
{
	const char *const make[] = { "-N", want->admin, NULL };
	const char *const words[] = {
		"-I", "FORWARD",   "1", "-m", "comment", "--comment", XTABLES_ADMIN_COMMENT,
		"-j", want->admin, NULL
	};
	bool done;

	if (run(want->four, make, NULL, &done, err) < 0) /* there or not: it is by now */
		return -1;
	return run(want->four, words, NULL, &done, err);
}

static int put_locked(const struct xtables_want *want, struct cni_error *err)
{
	scoped_fd int folder = -1, lock = -1;
	struct found found = { .rules = 0 };

	if (fs_run_dir(true, &folder, err) < 0 || session_lock(folder, &lock, err) < 0 ||
	    look(want, &found, err) < 0)
		return -1;
	if (found.jump == 0) {
		if (insert_jump(want, err) < 0)
			return -1;
		found.jump = 1;
	}
	return found.accept == 0 ? insert_accept(want, found.jump + 1, err) : 0;
}

int xtables_legacy_ensure(const struct xtables_want *want, struct cni_error *err)
{
	struct found found = { .rules = 0 };
	int r = look(want, &found, err);

	if (r == 0 && (found.accept == 0 || found.jump == 0))
		r = put_locked(want, err);
	if (r == 0 || err->sys != ENOENT)
		return r;
	trace("%s", err->msg); /* CHECK says it; whether anything drops there is not known */
	return 0;
}

int xtables_legacy_check(const struct xtables_want *want, struct cni_error *err)
{
	struct found found = { .rules = 0 };

	if (look(want, &found, err) < 0) {
		err->code = CNI_CHECK_FAILED;
		return -1;
	}
	if (found.accept != 0 && found.jump != 0)
		return 0;
	return cni_fail(err, CNI_CHECK_FAILED,
			"expected rule not found: %s-legacy's chain FORWARD %s; the next ADD of a "
			"pod with the firewall plugin brings it back",
			want->four ? "iptables" : "ip6tables",
			found.accept == 0 ? "does not accept the pods' mark"
					  : "does not jump to the administrator's chain first");
}

/* Without the program, whoever made the rules with it took it away: nothing that DEL could mend. */
int xtables_legacy_release(const struct ipnet *pod, struct cni_error *err)
{
	struct ipnet host = ipnet_host(&pod->addr);
	char text[IPNET_TEXT];
	const char *const answers[] = { "-D", XTABLES_GO_CHAIN, "-d",	     text,
					"-m", "conntrack",	"--ctstate", "RELATED,ESTABLISHED",
					"-j", "ACCEPT",		NULL };
	const char *const from[] = { "-D", XTABLES_GO_CHAIN, "-s", text, "-j", "ACCEPT", NULL };
	bool four = ip_is4(&pod->addr), unused;

	ipnet_print(&host, text);
	if (run(four, answers, NULL, &unused, err) == 0 && run(four, from, NULL, &unused, err) == 0)
		return 0;
	if (err->sys != ENOENT)
		return -1;
	trace("%s", err->msg);
	return 0;
}
