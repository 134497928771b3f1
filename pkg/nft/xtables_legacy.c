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
#include "nft/program.h"
#include "nft/xtables_parts.h"

#define LOCK_SECONDS "8"
#define RUN_MS	     12000
#define WORDS_MAX    24

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

bool xtables_legacy_used(bool four)
{
	struct cni_error ignored;
	char names[512];
	const char *path = four ? "/proc/net/ip_tables_names" : "/proc/net/ip6_tables_names";

	if (fs_read_at(AT_FDCWD, path, names, sizeof(names), NULL, &ignored) < 0)
		return false;
	for (char *line = names, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		*end = '\0';
		if (strcmp(line, "filter") == 0)
			return true;
	}
	return false;
}

static const char *find(bool four, char path[PROGRAM_PATH])
{
	if (program_find(four ? "iptables-legacy" : "ip6tables-legacy", path) != NULL)
		return path;
	if (xtables_installed(four) != XTABLES_LEGACY)
		return NULL;
	return program_find(four ? "iptables" : "ip6tables", path);
}

/* Exit statuses of iptables: 1 is "no such rule or chain" or "exists"; 2 is a word that it does not
 * know, as the name of a chain that does not exist is to -C. */
static bool is_no(int status)
{
	return WIFEXITED(status) && (WEXITSTATUS(status) == 1 || WEXITSTATUS(status) == 2);
}

/* Run it with these words; *ret_done is false if it said no. */
static int run(bool four, const char *const *words, bool *ret_done, struct cni_error *err)
{
	char path[PROGRAM_PATH], said[PROGRAM_SAID];
	const char *argv[WORDS_MAX + 4] = { path, "-w", LOCK_SECONDS };
	const struct program p = { .path = path, .argv = argv, .ms = RUN_MS };
	int status = 0;

	for (size_t i = 0; words[i] != NULL && i < WORDS_MAX; i++)
		argv[3 + i] = words[i];
	if (find(four, path) == NULL)
		return cni_fail(err, CNI_KERNEL,
				"the kernel's legacy %s table filter is in use, but no program "
				"%s-legacy is installed to add a rule to its chain FORWARD",
				four ? "IPv4" : "IPv6", four ? "iptables" : "ip6tables");
	if (program_run(&p, &status, said, err) < 0)
		return -1;
	*ret_done = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (*ret_done || is_no(status))
		return 0;
	(void)!cni_fail(err,
			WIFEXITED(status) && WEXITSTATUS(status) == 4 ? CNI_TRY_AGAIN : CNI_KERNEL,
			"%s %s %s: %.200s", path, words[0], words[1], said);
	cni_details(err, "%s", said);
	return -1;
}

/* `op` and the rule that accepts the mark, or jumps to the administrator's chain. */
static int rule(const struct xtables_forward *want, bool four, const char *op, bool jump,
		bool *ret_done, struct cni_error *err)
{
	char mark[32];
	const char *const admin[] = { op,	 "FORWARD",   "-m",
				      "comment", "--comment", XTABLES_ADMIN_COMMENT,
				      "-j",	 want->admin, NULL };
	const char *const accept[] = {
		op,   "FORWARD", "-m",	    "mark",	 "--mark",
		mark, "-m",	 "comment", "--comment", XTABLES_MARK_COMMENT,
		"-j", "ACCEPT",	 NULL
	};

	(void)text_format(mark, sizeof(mark), "0x%x/0x%x", 1U << want->mark_bit,
			  1U << want->mark_bit);
	return run(four, jump ? admin : accept, ret_done, err);
}

static int insert(const struct xtables_forward *want, bool four, bool jump, struct cni_error *err)
{
	bool done;

	if (rule(want, four, "-I", jump, &done, err) < 0)
		return -1;
	if (!done)
		return cni_fail(err, CNI_KERNEL,
				"%s-legacy refuses the rule that accepts pods' packets in FORWARD",
				four ? "iptables" : "ip6tables");
	return 0;
}

int xtables_legacy_ensure(const struct xtables_forward *want, bool four, struct cni_error *err)
{
	const char *const make[] = { "-N", want->admin, NULL };
	bool there;

	if (rule(want, four, "-C", false, &there, err) < 0 ||
	    (!there && insert(want, four, false, err) < 0))
		return -1;
	if (rule(want, four, "-C", true, &there, err) < 0)
		return -1;
	if (there)
		return 0;
	if (run(four, make, &there, err) < 0) /* there or not: it is by now */
		return -1;
	return insert(want, four, true, err);
}

int xtables_legacy_check(const struct xtables_forward *want, bool four, struct cni_error *err)
{
	bool accepts, jumps;

	if (rule(want, four, "-C", false, &accepts, err) < 0 ||
	    rule(want, four, "-C", true, &jumps, err) < 0)
		return -1;
	if (!accepts || !jumps)
		return cni_fail(err, CNI_CHECK_FAILED,
				"%s-legacy's chain FORWARD lacks the rule %s; the next ADD of a "
				"pod with the firewall plugin brings it back",
				four ? "iptables" : "ip6tables",
				accepts ? "that jumps to the administrator's chain"
					: "that accepts pods' packets");
	return 0;
}

int xtables_legacy_release(const struct ipnet *pod, struct cni_error *err)
{
	struct ipnet host = ipnet_host(&pod->addr);
	char text[IPNET_TEXT];
	const char *const answers[] = { "-D", "CNI-FORWARD", "-d",	  text,
					"-m", "conntrack",   "--ctstate", "RELATED,ESTABLISHED",
					"-j", "ACCEPT",	     NULL };
	const char *const from[] = { "-D", "CNI-FORWARD", "-s", text, "-j", "ACCEPT", NULL };
	bool four = ip_is4(&pod->addr), unused;

	ipnet_print(&host, text);
	if (run(four, answers, &unused, err) < 0 || run(four, from, &unused, err) < 0)
		return -1;
	return 0;
}
