/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/scoped.h"
#include "base/text.h"
#include "cni/skel.h"

/* One call of a plugin inside the test's process: stdin, stdout and stderr are memory. */
struct answer {
	int exit;
	char out[8192], err[4096];
	json_t *json; /* of out, or NULL */
};

static inline int memory_file(const char *content, size_t len)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, len), len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static inline void read_back(int fd, char *buf, size_t cap)
{
	ssize_t n = pread(fd, buf, cap - 1, 0);

	assert_true(n >= 0);
	buf[n] = '\0';
	(void)close(fd);
}

/* `env` ends with NULL. */
static inline void call_plugin(const struct cni_plugin *plugin, const char *const *env,
			       const char *conf, struct answer *a)
{
	int in = memory_file(conf, strlen(conf)), out = memory_file("", 0);
	int note = memory_file("", 0), real_stderr = dup(STDERR_FILENO);

	assert_true(real_stderr >= 0);
	assert_true(dup2(note, STDERR_FILENO) >= 0);
	a->exit = cni_run(plugin, (char *const *)(uintptr_t)env, in, out);
	assert_true(dup2(real_stderr, STDERR_FILENO) >= 0);
	(void)close(real_stderr);
	(void)close(in);
	read_back(out, a->out, sizeof(a->out));
	read_back(note, a->err, sizeof(a->err));
	a->json = json_loads(a->out, 0, NULL);
}

/* A whole environment of which single variables can be replaced or, with NULL, left out. */
struct env {
	const char *command, *container, *netns, *ifname, *args, *path, *extra;
};

static inline void run(const struct cni_plugin *plugin, const struct env *env, const char *conf,
		       struct answer *a)
{
	static const char *const names[] = { "CNI_COMMAND", "CNI_CONTAINERID", "CNI_NETNS",
					     "CNI_IFNAME",  "CNI_ARGS",	       "CNI_PATH" };
	const char *const values[] = { env->command, env->container, env->netns,
				       env->ifname,  env->args,	     env->path };
	char lines[6][1024];
	const char *list[8] = { NULL };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (values[i] == NULL)
			continue;
		assert_true(text_format(lines[i], sizeof(lines[i]), "%s=%s", names[i], values[i]));
		list[n++] = lines[i];
	}
	list[n] = env->extra;
	call_plugin(plugin, list, conf, a);
}

static inline void answer_free(struct answer *a)
{
	json_decref(a->json);
	a->json = NULL;
}

/* Exactly one JSON document on stdout, an error object of this code; exit status 1. */
static inline void assert_error(const struct answer *a, int code, const char *part)
{
	const char *msg = json_string_value(json_object_get(a->json, "msg"));
	const char *details = json_string_value(json_object_get(a->json, "details"));

	if (a->json == NULL)
		fail_msg("no single JSON document on stdout: %s", a->out);
	assert_int_equal(a->exit, 1);
	if (json_integer_value(json_object_get(a->json, "code")) != code)
		fail_msg("code %d expected: %s", code, a->out);
	assert_non_null(msg);
	assert_null(strchr(msg, '\n'));
	assert_non_null(json_string_value(json_object_get(a->json, "cniVersion")));
	if (part != NULL && strstr(msg, part) == NULL &&
	    (details == NULL || strstr(details, part) == NULL))
		fail_msg("\"%s\" is missing in: %s", part, a->out);
}
