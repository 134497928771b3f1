/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "call.h"

/* A folder with a delegate that is a small shell script, and a call that would run it. */
struct world {
	char dir[64]; /* CNI_PATH is DIR/none:DIR/bin */
	char path[160];
	const char *env[8];
	char env_path[256];
	struct cni_args args;
	struct cni_error err;
	struct cni_result result;
};

static inline void in_dir(const struct world *w, const char *name, char *buf, size_t cap)
{
	assert_true(text_format(buf, cap, "%s/%s", w->dir, name));
}

static inline void write_file(const struct world *w, const char *name, const char *text,
			      mode_t mode)
{
	char path[128];
	FILE *f;

	in_dir(w, name, path, sizeof(path));
	f = fopen(path, "we");
	assert_true(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0 && chmod(path, mode) == 0);
}

/* The delegate "ipam": `body` is shell; $D is the folder of this test. */
static inline void script(struct world *w, const char *body)
{
	char text[4096];

	assert_true(text_format(text, sizeof(text), "#!/bin/sh\nD=%s\n%s\n", w->dir, body));
	write_file(w, "bin/ipam", text, 0755);
}

static inline const char *file_text(const struct world *w, const char *name, char *buf, size_t cap)
{
	char path[128];
	FILE *f;

	in_dir(w, name, path, sizeof(path));
	f = fopen(path, "re");
	if (f == NULL)
		return NULL;
	buf[fread(buf, 1, cap - 1, f)] = '\0';
	(void)fclose(f);
	return buf;
}

static const char conf[] = "{ \"cniVersion\": \"1.0.0\",  \"name\": \"n\" }";

static inline int setup(void **state)
{
	static const char *const env[] = { "CNI_COMMAND=CHECK",	 "",
					   "CNI_IFNAME=eth0",	 "TWICE=1",
					   "PATH=/usr/bin:/bin", "TWICE=2" };
	struct world *w = calloc(1, sizeof(*w));
	char path[128];

	assert_non_null(w);
	(void)text_format(w->dir, sizeof(w->dir), "/tmp/podwire-test-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	in_dir(w, "bin", path, sizeof(path));
	assert_int_equal(mkdir(path, 0755), 0);
	(void)text_format(w->path, sizeof(w->path), "%s/none:%s/bin", w->dir, w->dir);
	(void)text_format(w->env_path, sizeof(w->env_path), "CNI_PATH=%s", w->path);
	memcpy(w->env, env, sizeof(env));
	w->env[1] = w->env_path;
	/* Names of the attachment are left out: a delegate reads them from the environment. */
	w->args = (struct cni_args){ .path = w->path,
				     .env = (char *const *)(uintptr_t)w->env,
				     .version = CNI_V100,
				     .stdin_text = conf,
				     .stdin_len = sizeof(conf) - 1,
				     .ipam_type = "ipam" };
	*state = w;
	return 0;
}

static inline int teardown(void **state)
{
	static const char *const names[] = { "bin/ipam", "none/ipam", "log", "env",
					     "stdin",	 "pid",	      "bin", "none" };
	struct world *w = *state;
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		in_dir(w, names[i], path, sizeof(path));
		(void)remove(path);
	}
	assert_int_equal(rmdir(w->dir), 0);
	cni_result_free(&w->result);
	free(w);
	return 0;
}

static inline void expect(const struct world *w, int code, const char *part)
{
	if (w->err.code != code || strstr(w->err.msg, part) == NULL)
		fail_msg("code %d, \"%s\" expected: %d, %s", code, part, w->err.code, w->err.msg);
}

/* As cni_run() has it when a verb runs. */
static inline int ignore_sigpipe(void **state)
{
	(void)state;
	return signal(SIGPIPE, SIG_IGN) == SIG_ERR;
}

#define world_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
