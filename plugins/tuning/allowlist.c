/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "allowlist.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/scoped.h"
#include "base/text.h"

struct list {
	char bytes[ALLOWLIST_BYTES];
	const char *lines[ALLOWLIST_LINES]; /* trimmed, into bytes */
	regex_t compiled[ALLOWLIST_LINES];
	size_t n;
};

static void free_list(struct list **listp)
{
	struct list *list = *listp;

	for (size_t i = 0; list != NULL && i < list->n; i++)
		regfree(&list->compiled[i]);
	free(list);
}

static int malformed(size_t number, const char *problem, struct cni_error *err)
{
	return cni_fail(err, CNI_INVALID_CONFIG,
			"%s, line %zu: not honoured exactly, and so not at all: %s (take a simpler "
			"regular expression)",
			TUNING_ALLOWLIST, number, problem);
}

static int compile(struct list *list, const char *line, size_t number, struct cni_error *err)
{
	char translated[ALLOWLIST_TRANSLATED], words[128];
	const char *problem;
	int r;

	if (strlen(line) > ALLOWLIST_PATTERN || list->n == ALLOWLIST_LINES)
		return malformed(number, "too long a line, or one too many", err);
	if (!allowlist_translate(line, translated, &problem))
		return malformed(number, problem, err);
	r = regcomp(&list->compiled[list->n], translated, REG_EXTENDED | REG_NOSUB);
	if (r != 0) {
		(void)regerror(r, NULL, words, sizeof(words));
		return malformed(number, words, err);
	}
	list->lines[list->n++] = line;
	return 0;
}

static char *trim(char *line)
{
	size_t n;

	line += strspn(line, " \t\r\f\v");
	for (n = strlen(line); n > 0 && strchr(" \t\r\f\v", line[n - 1]) != NULL; n--)
		line[n - 1] = '\0';
	return line;
}

static int compile_all(struct list *list, struct cni_error *err)
{
	size_t number = 1;

	for (char *at = list->bytes, *next; at != NULL; at = next, number++) {
		next = strchr(at, '\n');
		if (next != NULL)
			*next++ = '\0';
		at = trim(at);
		if (at[0] != '\0' && compile(list, at, number, err) < 0)
			return -1;
	}
	return 0;
}

/* *ret stays NULL where there is no file. */
static int load(struct list **ret, struct cni_error *err)
{
	SCOPED(free_list) struct list *list = calloc(1, sizeof(*list));
	size_t len;

	if (list == NULL)
		return cni_fail(err, CNI_INTERNAL, "out of memory");
	if (fs_read_at(AT_FDCWD, TUNING_ALLOWLIST, list->bytes, sizeof(list->bytes), &len, err) < 0)
		return err->sys == ENOENT || err->sys == ENOTDIR ? 0 : -1;
	if (strlen(list->bytes) != len)
		return cni_fail(err, CNI_INVALID_CONFIG, "%s holds a NUL", TUNING_ALLOWLIST);
	if (compile_all(list, err) < 0)
		return -1;
	*ret = take_ptr(&list);
	return 0;
}

static bool allowed(const struct list *list, const char *key)
{
	for (size_t i = 0; i < list->n; i++) {
		if (regexec(&list->compiled[i], key, 0, NULL, 0) == 0)
			return true;
	}
	return false;
}

static int not_allowed(const struct list *list, const char *key, struct cni_error *err)
{
	char lines[1024];
	struct text t;

	text_init(&t, lines, sizeof(lines));
	for (size_t i = 0; i < list->n; i++)
		text_add(&t, "%s%s", i == 0 ? "" : " ", list->lines[i]);
	return cni_fail(err, CNI_INVALID_CONFIG,
			"Sysctl %s is not allowed. Only the following sysctls are allowed: [%s]",
			key, lines);
}

int allowlist_check(const struct tuning_conf *conf, struct cni_error *err)
{
	SCOPED(free_list) struct list *list = NULL;

	if (load(&list, err) < 0)
		return -1;
	for (size_t i = 0; list != NULL && i < conf->n_sysctls; i++) {
		if (!allowed(list, conf->sysctls[i].key))
			return not_allowed(list, conf->sysctls[i].key, err);
	}
	return 0;
}
