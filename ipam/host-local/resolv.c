/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "resolv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/scoped.h"

#define BLANKS " \t\r\v\f"

static bool append(char ***list, size_t *n, const char *s)
{
	char **bigger = realloc(*list, (*n + 1) * sizeof(*bigger));

	if (bigger == NULL)
		return false;
	*list = bigger;
	bigger[*n] = strdup(s);
	if (bigger[*n] == NULL)
		return false;
	(*n)++;
	return true;
}

static bool append_rest(char ***list, size_t *n, const char *first, char **rest)
{
	for (const char *s = first; s != NULL; s = strtok_r(NULL, BLANKS, rest)) {
		if (!append(list, n, s))
			return false;
	}
	return true;
}

/* False only without memory. */
static bool parse_line(char *line, struct cni_dns *dns)
{
	char *rest = NULL;
	const char *key = strtok_r(line, BLANKS, &rest);
	const char *value = strtok_r(NULL, BLANKS, &rest);

	if (key == NULL || value == NULL || key[0] == '#' || key[0] == ';')
		return true;
	dns->present = true;
	if (strcmp(key, "nameserver") == 0)
		return append(&dns->nameservers, &dns->n_nameservers, value);
	if (strcmp(key, "search") == 0)
		return append_rest(&dns->search, &dns->n_search, value, &rest);
	if (strcmp(key, "options") == 0)
		return append_rest(&dns->options, &dns->n_options, value, &rest);
	if (strcmp(key, "domain") == 0) {
		free(dns->domain);
		dns->domain = strdup(value);
		return dns->domain != NULL;
	}
	return true;
}

int resolv_read(const char *path, struct cni_dns *dns, struct cni_error *err)
{
	scoped_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	scoped_free char *text = NULL;
	char *rest;
	size_t len;

	if (fd < 0)
		return cni_fail_sys_code(err, CNI_IO, errno, "ipam.resolvConf: open %s", path);
	if (fs_read_all(fd, RESOLV_CONF_MAX, path, &text, &len, err) < 0)
		return cni_wrap(err, "ipam.resolvConf");
	rest = text;
	while (rest != NULL) {
		if (!parse_line(strsep(&rest, "\n"), dns)) {
			cni_dns_free(dns);
			return cni_fail(err, CNI_INTERNAL, "no memory for %s", path);
		}
	}
	return 0;
}
