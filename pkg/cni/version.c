/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cni/version.h"

#include <string.h>

#include "base/scoped.h"

static const char *const version_texts[] = {
	[CNI_V010] = "0.1.0", [CNI_V020] = "0.2.0", [CNI_V030] = "0.3.0", [CNI_V031] = "0.3.1",
	[CNI_V040] = "0.4.0", [CNI_V100] = "1.0.0", [CNI_V110] = "1.1.0",
};
_Static_assert(ARRAY_SIZE(version_texts) == CNI_N_VERSIONS, "a version has no text");

const char *cni_version_text(enum cni_version v)
{
	return version_texts[v];
}

bool cni_version_exact(const char *s, enum cni_version *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(version_texts); i++) {
		if (strcmp(s, version_texts[i]) == 0) {
			*ret = (enum cni_version)i;
			return true;
		}
	}
	return false;
}

/* One decimal part; *s is left behind it. */
static bool parse_part(const char **s, unsigned *ret)
{
	unsigned v = 0;

	if (**s < '0' || **s > '9')
		return false;
	for (; **s >= '0' && **s <= '9'; (*s)++) {
		if (v > 999999)
			return false;
		v = v * 10 + (unsigned)(**s - '0');
	}
	*ret = v;
	return true;
}

bool cni_version_parse(const char *s, struct version_num *ret)
{
	struct version_num num = { { 0 } };

	if (s[0] == '\0')
		s = version_texts[CNI_V010];
	for (size_t i = 0; i < ARRAY_SIZE(num.part); i++) {
		if (!parse_part(&s, &num.part[i]))
			return false;
		if (*s == '\0') {
			*ret = num;
			return true;
		}
		if (*s++ != '.')
			return false;
	}
	return false; /* a fourth part */
}

int cni_version_cmp(const struct version_num *a, const struct version_num *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(a->part); i++) {
		if (a->part[i] != b->part[i])
			return a->part[i] < b->part[i] ? -1 : 1;
	}
	return 0;
}

static int family(enum cni_version v)
{
	if (v <= CNI_V020)
		return 0;
	return v <= CNI_V040 ? 1 : 2;
}

bool cni_version_same_family(enum cni_version a, enum cni_version b)
{
	return family(a) == family(b);
}
