/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static int compare(const void *a, const void *b)
{
	return ip_cmp(a, b);
}

static bool canonical(const char *name, struct ip *ret)
{
	char text[IP_TEXT];

	if (!ip_parse(name, ret))
		return false;
	ip_print(ret, text);
	return strcmp(text, name) == 0;
}

static int push(struct names *out, size_t *cap, const struct ip *ip, struct cni_error *err)
{
	if (out->n == *cap) {
		size_t want = *cap == 0 ? 256 : *cap * 2;
		struct ip *bigger = realloc(out->ip, want * sizeof(*bigger));

		if (bigger == NULL)
			return cni_fail(err, CNI_INTERNAL, "no memory for %zu addresses", want);
		out->ip = bigger;
		*cap = want;
	}
	out->ip[out->n++] = *ip;
	return 0;
}

int names_read(int dir, struct names *out, struct cni_error *err)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	scoped_dir DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	size_t cap = 0;
	int sys;

	if (d == NULL) {
		sys = errno;
		close_fdp(&fd);
		return cni_fail_sys_code(err, CNI_IO, sys, "read the folder of reservations");
	}
	for (;;) {
		const struct dirent *e;
		struct ip ip;

		errno = 0;
		e = readdir(d);
		if (e == NULL)
			break;
		if (canonical(e->d_name, &ip) && push(out, &cap, &ip, err) < 0) {
			names_free(out);
			return -1;
		}
	}
	if (errno != 0) {
		sys = errno;
		names_free(out);
		return cni_fail_sys_code(err, CNI_IO, sys, "read the folder of reservations");
	}
	if (out->n > 0)
		qsort(out->ip, out->n, sizeof(out->ip[0]), compare);
	return 0;
}

void names_free(struct names *names)
{
	free(names->ip);
	*names = (struct names){ 0 };
}

bool names_have(const struct names *names, const struct ip *ip)
{
	return names->n > 0 &&
	       bsearch(ip, names->ip, names->n, sizeof(names->ip[0]), compare) != NULL;
}
