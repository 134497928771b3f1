/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a unit starts at boot and when files change, and what people look with. */
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"

struct source {
	char path[PATH_MAX];
	struct overlay_conf conf;
};

static void source_free(struct source *s)
{
	overlay_conf_free(&s->conf);
}

static int load(const char *file, struct source *s, struct cni_error *err)
{
	scoped_free char *text = NULL;
	scoped_fd int fd = -1;
	size_t len;

	if (realpath(file, s->path) == NULL)
		return cni_fail_sys_code(err, CNI_IO, errno, "find the file %.256s", file);
	if (fs_open_file(AT_FDCWD, s->path, 0, &fd, err) < 0 ||
	    fs_read_all(fd, CNI_STDIN_MAX, s->path, &text, &len, err) < 0)
		return -1;
	return overlay_conf_read(text, len, s->path, &s->conf, err);
}

/* ---- the three */

static int finish(struct cni_error *err)
{
	return fflush(stdout) == 0 ? 0 : cni_fail_sys_code(err, CNI_IO, errno, "write to stdout");
}

static int apply(const struct source *s, struct cni_error *err)
{
	scoped_overlay_standing struct overlay_standing side = { .nl = { .sk = NULL } };
	const struct overlay_report *r = &side.report;

	if (overlay_standing_apply(&s->conf, &side, err) < 0)
		return -1;
	(void)printf("overlay %s: node %s, %zu nodes; %zu objects added, %zu changed, %zu removed; "
		     "rules %s\n",
		     s->conf.network, side.overlay.nodes[side.overlay.self].name, side.overlay.n,
		     r->added, r->changed, r->removed,
		     side.rules_changed ? "written" : "as they were");
	if (r->unreachable > 0)
		(void)printf("overlay %s: %zu nodes are behind a gateway, where host-gw cannot "
			     "reach them; \"show\" lists them\n",
			     s->conf.network, r->unreachable);
	return finish(err);
}

static int take_away(const struct source *s, struct cni_error *err)
{
	if (overlay_standing_remove(&s->conf, err) < 0)
		return -1;
	(void)printf("overlay %s: removed\n", s->conf.network);
	return finish(err);
}

static int show(const struct source *s, bool json, struct cni_error *err)
{
	scoped_overlay_standing struct overlay_standing side = { .nl = { .sk = NULL } };
	const struct overlay_shown shown = {
		.file = s->path, .conf = &s->conf, .side = &side, .json = json
	};

	if (overlay_standing_load(&s->conf, &side, err) < 0 || overlay_tool_show(&shown, err) < 0)
		return -1;
	return finish(err);
}

static int usage(struct cni_error *err)
{
	return cni_fail(err, CNI_BAD_ENV,
			"usage: overlay apply FILE | remove FILE | show [--json] FILE, where FILE "
			"is a .conflist with an entry of type overlay");
}

int overlay_tool(int argc, char *const *argv, struct cni_error *err)
{
	SCOPED(source_free) struct source s = { .path = "" };
	const bool json = argc > 2 && strcmp(argv[2], "--json") == 0;
	const char *what = argv[1];

	if (argc != (json ? 4 : 3) || (json && strcmp(what, "show") != 0) ||
	    (strcmp(what, "apply") != 0 && strcmp(what, "remove") != 0 &&
	     strcmp(what, "show") != 0))
		return usage(err);
	if (load(argv[argc - 1], &s, err) < 0)
		return -1;
	if (what[0] == 's')
		return show(&s, json, err);
	return what[0] == 'a' ? apply(&s, err) : take_away(&s, err);
}
