/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "store/record.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/text.h"

/* White space as the reference trims it, and NUL: some file systems leave a block of them where
 * the power failed before the data arrived. */
static bool is_blank(char c)
{
	return c == '\0' || strchr(" \t\r\n\v\f", c) != NULL;
}

/* The specification's pattern for container IDs (cni-spec.md ENV-05). */
static bool is_container(const char *s)
{
	for (size_t i = 0; s[i] != '\0'; i++) {
		char c = s[i];
		bool alnum =
		    (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (!alnum && (i == 0 || strchr("_.-", c) == NULL))
			return false;
	}
	return s[0] != '\0';
}

int record_format(const struct owner *o, char buf[RECORD_MAX], size_t *ret_len,
		  struct cni_error *err)
{
	struct text t;

	text_init(&t, buf, RECORD_MAX);
	text_add(&t, "%s\r\n%s", o->container, o->ifname);
	if (t.cut)
		return cni_fail(err, CNI_BAD_ENV,
				"CNI_CONTAINERID has %zu bytes, too many to be stored (%d at most)",
				strlen(o->container), RECORD_MAX - IFNAME_MAX - 2);
	*ret_len = t.len;
	return 0;
}

void record_parse(struct record *r, size_t len)
{
	char *text = r->text;
	char *eol;

	r->container = r->ifname = "";
	while (len > 0 && is_blank(text[len - 1]))
		len--;
	text[len] = '\0';
	while (len > 0 && is_blank(*text)) {
		text++;
		len--;
	}
	r->kind = RECORD_EMPTY;
	if (len == 0)
		return;
	r->kind = RECORD_FOREIGN;
	if (strlen(text) != len)
		return; /* a NUL inside */
	eol = strstr(text, "\r\n");
	if (eol != NULL)
		*eol = '\0';
	if (!is_container(text) || (eol != NULL && ifname_problem(eol + 2) != NULL))
		return;
	r->container = text;
	r->kind = RECORD_OLD;
	if (eol == NULL)
		return;
	r->ifname = eol + 2;
	r->kind = RECORD_FULL;
}

/* Nothing was read: an empty file is debris, but a FIFO or a device of that name is not ours. */
static bool is_regular(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

int record_read(int dir, const struct ip *ip, struct record *ret, struct cni_error *err)
{
	char name[IP_TEXT];
	size_t len;

	ip_print(ip, name);
	ret->container = ret->ifname = "";
	if (fs_read_at(dir, name, ret->text, sizeof(ret->text), &len, err) == 0) {
		record_parse(ret, len);
		if (ret->kind == RECORD_EMPTY && !is_regular(dir, name))
			ret->kind = RECORD_FOREIGN;
		return 0;
	}
	if (err->sys != ENOENT && err->sys != EFBIG && err->sys != EISDIR && err->sys != ENXIO &&
	    err->sys != ELOOP)
		return -1;
	ret->kind = err->sys == ENOENT ? RECORD_ABSENT : RECORD_FOREIGN;
	cni_clear(err);
	return 0;
}

bool record_exists(int dir, const struct ip *ip)
{
	char name[IP_TEXT];
	struct stat st;

	ip_print(ip, name);
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

bool record_is_empty(int dir, const struct ip *ip)
{
	char name[IP_TEXT];
	struct stat st;

	ip_print(ip, name);
	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       st.st_size == 0;
}

bool record_is(const struct record *r, const struct owner *o)
{
	if (r->kind == RECORD_FULL)
		return strcmp(r->container, o->container) == 0 && strcmp(r->ifname, o->ifname) == 0;
	return r->kind == RECORD_OLD && strcmp(r->container, o->container) == 0;
}
