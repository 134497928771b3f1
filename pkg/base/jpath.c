/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/jpath.h"

#include "base/text.h"

static void add_frames(const struct jpath *at, struct text *t)
{
	if (at->up != NULL)
		add_frames(at->up, t);
	if (at->key != NULL)
		text_add(t, "%s%s", t->len != 0 ? "." : "", at->key);
	else if (at->up != NULL)
		text_add(t, "[%zu]", at->idx);
}

void jpath_print(const struct jpath *at, char *buf, size_t cap)
{
	struct text t;

	text_init(&t, buf, cap);
	if (at != NULL)
		add_frames(at, &t);
	if (t.len == 0)
		text_add(&t, "configuration");
}
