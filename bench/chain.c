/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/scoped.h"

/*
 * Runs chains of CNI programs as libcni does, and tells what each run took: `chain FOLDER
 * CONFLIST`. Each line on stdin is one request, each line on stdout its answer, both JSON:
 *
 *   {"netns": "p", "first": 0, "count": 100}      make namespaces /run/netns/p0 … p99
 *   {"verb": "ADD", "id": …, "netns": PATH, "args": …, "runtimeConfig": {…}, "prevResult": {…},
 *    "trace": PREFIX}                              with "trace" each program runs under strace
 *   → {"ns": N, "programs": [{"type": …, "ns": N, "rss": KiB}], "result": {…}} or {"error": …}
 *
 * The time of a chain is that from before its first program is started until its last one is gone,
 * what this process does between them (a conf composed, a result read) included, as in a runtime.
 * The peak of a program is that of its own children too, and never below this process's own, since
 * the kernel counts the memory that a child shares until it runs a program: "self" tells it.
 */
#define ANSWER_MAX (8 << 20)
#define IFNAME	   "eth0"

struct driver {
	const char *folder;
	json_t *conflist;
	int host_ns;
	size_t traced;
};

struct call {
	const char *type;
	const char *trace; /* NULL: none */
	json_t *request;
	json_t *conf;
};

struct outcome {
	json_t *result; /* NULL: none printed */
	uint64_t ns;
	long rss;
	int status;
	char text[512]; /* what it printed, the beginning */
};

static uint64_t now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static const char *member(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static int stdin_of(json_t *conf)
{
	scoped_free char *text = json_dumps(conf, JSON_COMPACT);
	int fd = memfd_create("stdin", MFD_CLOEXEC);

	if (!text || fd < 0)
		return -1;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text) || lseek(fd, 0, SEEK_SET) != 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* Everything that the program prints, until nobody holds its stdout. */
static char *read_answer(int fd)
{
	size_t len = 0, cap = 4096;
	char *text = malloc(cap);
	ssize_t n;

	while (text && (n = read(fd, text + len, cap - len - 1)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || cap > ANSWER_MAX)
			break;
		len += (size_t)n;
		if (len + 1 < cap)
			continue;
		cap *= 2;
		char *bigger = realloc(text, cap);
		if (!bigger)
			break;
		text = bigger;
	}
	if (text)
		text[len] = 0;
	return text;
}

/* The program's environment and command line; posix_spawn because a fork's cost grows with ours. */
static pid_t start(struct driver *d, const struct call *call, int in, int out)
{
	char text[6][512], path[512], prefix[512];
	char search[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	/* A sanitizer cannot look for leaks under strace. */
	char leaks[] = "ASAN_OPTIONS=detect_leaks=0";
	char *env[] = { text[0], text[1], text[2], text[3],
			text[4], text[5], search,  call->trace ? leaks : NULL,
			NULL };
	char *plain[] = { path, NULL };
	char *traced[] = { "/usr/bin/strace", "-ff", "-qq", "-yy", "-o", prefix, "--", path, NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid = -1;

	(void)snprintf(text[0], sizeof(text[0]), "CNI_COMMAND=%s", member(call->request, "verb"));
	(void)snprintf(text[1], sizeof(text[1]), "CNI_CONTAINERID=%s", member(call->request, "id"));
	(void)snprintf(text[2], sizeof(text[2]), "CNI_NETNS=%s", member(call->request, "netns"));
	(void)snprintf(text[3], sizeof(text[3]), "CNI_IFNAME=%s", IFNAME);
	(void)snprintf(text[4], sizeof(text[4]), "CNI_ARGS=%s", member(call->request, "args"));
	(void)snprintf(text[5], sizeof(text[5]), "CNI_PATH=%s", d->folder);
	(void)snprintf(path, sizeof(path), "%s/%s", d->folder, call->type);
	if (call->trace)
		(void)snprintf(prefix, sizeof(prefix), "%s.%zu", call->trace, d->traced++);
	if (posix_spawn_file_actions_init(&actions) != 0)
		return -1;
	(void)posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	(void)posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	errno = posix_spawn(&pid, call->trace ? traced[0] : path, &actions, NULL,
			    call->trace ? traced : plain, env);
	(void)posix_spawn_file_actions_destroy(&actions);
	return errno == 0 ? pid : -1;
}

/* Run one program to its end. 0, or -1 when it could not be started or waited for. */
static int run(struct driver *d, const struct call *call, struct outcome *ret)
{
	scoped_fd int in = stdin_of(call->conf);
	int ends[2];
	struct rusage used;
	uint64_t began = now();

	if (in < 0 || pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	scoped_fd int reader = ends[0];
	scoped_fd int writer = ends[1];
	pid_t pid = start(d, call, in, writer);
	if (pid < 0)
		return -1;
	close_fdp(&writer);
	scoped_free char *text = read_answer(reader);
	while (wait4(pid, &ret->status, 0, &used) < 0) {
		if (errno != EINTR)
			return -1;
	}
	ret->ns = now() - began;
	ret->rss = used.ru_maxrss;
	ret->result = text ? json_loads(text, 0, NULL) : NULL;
	(void)snprintf(ret->text, sizeof(ret->text), "%s", text ? text : "");
	return 0;
}

/* The plugin's part of the list, with what a runtime puts in. */
static json_t *conf_of(struct driver *d, json_t *plugin, json_t *request, json_t *result)
{
	json_t *conf = json_copy(plugin);
	json_t *declared = json_object_get(plugin, "capabilities");
	json_t *given = json_object_get(request, "runtimeConfig");
	json_t *config = json_object();
	const char *key;
	json_t *value;

	(void)json_object_set(conf, "name", json_object_get(d->conflist, "name"));
	(void)json_object_set(conf, "cniVersion", json_object_get(d->conflist, "cniVersion"));
	json_object_foreach(given, key, value) {
		if (json_is_true(json_object_get(declared, key)))
			(void)json_object_set(config, key, value);
	}
	if (json_object_size(config) > 0)
		(void)json_object_set(conf, "runtimeConfig", config);
	json_decref(config);
	if (result)
		(void)json_object_set(conf, "prevResult", result);
	return conf;
}

/* One program of the chain; its figures are appended to `programs`, *resultp becomes its result
 * when it is an ADD. 0, or -1 with `error` put into the answer. */
static int step(struct driver *d, json_t *plugin, json_t *request, json_t *answer, json_t **resultp)
{
	const char *type = member(plugin, "type");
	const char *trace = json_string_value(json_object_get(request, "trace"));
	json_t *conf = conf_of(d, plugin, request, *resultp);
	struct call call = { .type = type, .trace = trace, .request = request, .conf = conf };
	struct outcome got = { 0 };
	int rc = run(d, &call, &got);

	json_decref(conf);
	if (rc != 0 || got.status != 0) {
		json_decref(got.result);
		(void)json_object_set_new(
		    answer, "error",
		    json_sprintf("%s %s: status %#x: %s", type, member(request, "verb"),
				 (unsigned)got.status, rc != 0 ? strerror(errno) : got.text));
		return -1;
	}
	(void)json_array_append_new(json_object_get(answer, "programs"),
				    json_pack("{s:s,s:I,s:I}", "type", type, "ns",
					      (json_int_t)got.ns, "rss", (json_int_t)got.rss));
	if (strcmp(member(request, "verb"), "ADD") == 0) {
		json_decref(*resultp);
		*resultp = got.result;
	} else {
		json_decref(got.result);
	}
	return 0;
}

/* The peak of this very program; what getrusage() says is that of whoever started it, too. */
static json_int_t own_peak(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	long long kib = 0;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "VmHWM: %lld", &kib) == 1)
			break;
	}
	if (file)
		(void)fclose(file);
	return kib;
}

static json_t *chain(struct driver *d, json_t *request)
{
	json_t *plugins = json_object_get(d->conflist, "plugins");
	json_t *result = json_incref(json_object_get(request, "prevResult"));
	json_t *answer = json_pack("{s:[]}", "programs");
	bool reverse = strcmp(member(request, "verb"), "DEL") == 0;
	size_t n = json_array_size(plugins);
	uint64_t began = now();
	uint64_t ns;

	for (size_t i = 0; i < n; i++) {
		json_t *plugin = json_array_get(plugins, reverse ? n - 1 - i : i);
		if (step(d, plugin, request, answer, &result) != 0)
			break;
	}
	ns = now() - began;
	(void)json_object_set_new(answer, "ns", json_integer((json_int_t)ns));
	(void)json_object_set_new(answer, "self", json_integer(own_peak()));
	if (result && !reverse)
		(void)json_object_set(answer, "result", result);
	json_decref(result);
	return answer;
}

/* One namespace, kept by a bind mount as `ip netns` does, and back. */
static int make_netns(struct driver *d, const char *path)
{
	scoped_fd int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int rc;

	if (fd < 0 || unshare(CLONE_NEWNET) != 0)
		return -1;
	rc = mount("/proc/thread-self/ns/net", path, "none", MS_BIND, NULL);
	return setns(d->host_ns, CLONE_NEWNET) == 0 ? rc : -1;
}

static json_t *make_namespaces(struct driver *d, json_t *request)
{
	json_int_t first = json_integer_value(json_object_get(request, "first"));
	json_int_t count = json_integer_value(json_object_get(request, "count"));
	char path[256];

	for (json_int_t i = first; i < first + count; i++) {
		(void)snprintf(path, sizeof(path), "/run/netns/%s%lld", member(request, "netns"),
			       (long long)i);
		if (make_netns(d, path) != 0)
			return json_pack("{s:o}", "error",
					 json_sprintf("%s: %s", path, strerror(errno)));
	}
	return json_pack("{s:I}", "made", count);
}

static json_t *serve(struct driver *d, const char *line)
{
	json_t *request = json_loads(line, 0, NULL);
	json_t *answer;

	if (!json_is_object(request))
		answer = json_pack("{s:s}", "error", "not a request");
	else if (json_object_get(request, "netns") && json_object_get(request, "count"))
		answer = make_namespaces(d, request);
	else
		answer = chain(d, request);
	json_decref(request);
	return answer;
}

int main(int argc, char **argv)
{
	struct driver d = { .folder = argc > 1 ? argv[1] : "" };
	scoped_free char *line = NULL;
	size_t cap = 0;

	d.conflist = argc == 3 ? json_load_file(argv[2], 0, NULL) : NULL;
	d.host_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (!json_is_array(json_object_get(d.conflist, "plugins")) || d.host_ns < 0) {
		(void)fprintf(stderr, "usage: chain FOLDER CONFLIST\n");
		return 2;
	}
	while (getline(&line, &cap, stdin) > 0) {
		json_t *answer = serve(&d, line);
		if (json_dumpf(answer, stdout, JSON_COMPACT) != 0 || putchar('\n') == EOF ||
		    fflush(stdout) != 0)
			return 1;
		json_decref(answer);
	}
	json_decref(d.conflist);
	return 0;
}
