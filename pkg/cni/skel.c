/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One call of a plugin. The order of the checks is the specification's (cni-spec.md §1.1 to 1.5):
 * environment, stdin, verb, version, namespace, prevResult; then the verb runs. stdout gets one
 * JSON document: the result, as the very last step, or the error.
 */
#include "cni/skel.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/scoped.h"
#include "base/trace.h"
#include "cni/call.h"
#include "cni/codec.h"
#include "conf/jconf.h"

struct owner cni_owner(const struct cni_args *args)
{
	return (struct owner){ .network = args->network,
			       .container = args->container,
			       .ifname = args->ifname };
}

static void call_init(struct cni_call *call, const struct cni_plugin *plugin, char *const *env)
{
	*call = (struct cni_call){
		.plugin = plugin,
		.args = { .container = "",
			  .netns = "",
			  .ifname = "",
			  .cni_args = "",
			  .path = "",
			  .network = "",
			  .stdin_text = "",
			  .env = env,
			  .netns_fd = -1,
			  .own_netns_fd = -1 },
		.command = cni_env_get(env, "CNI_COMMAND"),
		.start_usec = cni_now_usec(),
	};
	for (int v = 0; v < CNI_N_VERBS && !call->known; v++) {
		call->args.verb = (enum cni_verb)v;
		call->known = strcmp(call->command, cni_verb_text((enum cni_verb)v)) == 0;
	}
}

static void call_free(struct cni_call *call)
{
	cni_result_free(&call->args.prev);
	close_fdp(&call->args.netns_fd);
	close_fdp(&call->args.own_netns_fd);
	free(call->index);
	free(call->valid);
	json_decref(call->doc);
	free(call->text);
}

/* What ADD made is taken back: its caller will never learn of it (OUT-07). */
static void take_back(const struct cni_call *call, struct cni_error *err)
{
	struct cni_args args = call->args;
	struct cni_error step;

	args.verb = CNI_DEL;
	cni_clear(&step);
	if (call->plugin->del != NULL && call->plugin->del(&args, &step) < 0)
		cni_keep_first(err, &step);
}

static int print_result(struct cni_call *call, const struct cni_result *result,
			struct cni_error *err)
{
	scoped_free char *text = NULL;

	if (cni_result_encode(result, call->args.version, &text, err) < 0)
		return -1;
	return cni_write(call->out_fd, text, strlen(text), err);
}

static int run_add(struct cni_call *call, struct cni_error *err)
{
	struct cni_result result = { 0 };
	int r;

	if (call->plugin->add == NULL)
		return 0;
	r = call->plugin->add(&call->args, &result, err);
	if (r == 0) {
		r = print_result(call, &result, err);
		if (r < 0)
			take_back(call, err);
	}
	cni_result_free(&result);
	return r;
}

/* VER-07: a verb that the plugin does not have succeeds. */
static int run_other(struct cni_call *call, struct cni_error *err)
{
	int (*verb)(const struct cni_args *, struct cni_error *) = NULL;

	switch (call->args.verb) {
	case CNI_DEL:
		verb = call->plugin->del;
		break;
	case CNI_CHECK:
		verb = call->plugin->check;
		break;
	case CNI_GC:
		verb = call->plugin->gc;
		break;
	case CNI_STATUS:
		verb = call->plugin->status;
		break;
	case CNI_ADD:
	case CNI_VERSION:
	case CNI_N_VERBS:
		break;
	}
	return verb != NULL ? verb(&call->args, err) : 0;
}

static int run_verb(struct cni_call *call, struct cni_error *err)
{
	call->in_verb = true;
	return call->args.verb == CNI_ADD ? run_add(call, err) : run_other(call, err);
}

static int prepare_attachment(struct cni_call *call, struct cni_error *err)
{
	if (cni_call_open_netns(call, err) < 0 || cni_call_prev(call, err) < 0)
		return -1;
	return cni_call_require_netns(call, err);
}

static int run(struct cni_call *call, int in_fd, struct cni_error *err)
{
	if (cni_call_env(call, err) < 0)
		return -1;
	if (call->known && call->args.verb == CNI_VERSION)
		return cni_answer_version(call, err); /* IN-02: stdin is not touched */
	if (cni_call_read(call, in_fd, err) < 0)
		return -1;
	if (!call->known) /* ENV-17: only now; like the reference, after the name too */
		return cni_fail(err, CNI_BAD_ENV, "unknown CNI_COMMAND: %s", call->command);
	if (cni_call_version(call, err) < 0)
		return -1;
	switch (call->args.verb) {
	case CNI_ADD:
	case CNI_DEL:
	case CNI_CHECK:
		if (prepare_attachment(call, err) < 0)
			return -1;
		break;
	case CNI_GC:
		if (cni_call_valid(call, err) < 0)
			return -1;
		break;
	case CNI_STATUS:
	case CNI_VERSION:
	case CNI_N_VERBS:
		break;
	}
	return run_verb(call, err);
}

/* A plugin's own message gets its name in front: CHECK and STATUS reach the operator with nothing
 * else around them (ERR-05). A delegate's error goes through as it came (ERR-08). */
static int finish_error(const struct cni_call *call, struct cni_error *err)
{
	const char *name = call->plugin->name;

	if (err->code == CNI_OK)
		return cni_fail(err, CNI_INTERNAL, "%s: %s failed without a reason", name,
				call->command);
	return call->in_verb && !err->passed ? cni_wrap(err, "%s", name) : -1;
}

/*
 * A caller may have closed 0, 1 or 2; the next file opened would get that number, and our answer
 * would go into a state file. The stand-ins fail where the closed ones would have failed.
 */
static void hold_stdio(void)
{
	struct pollfd std[] = { { .fd = STDIN_FILENO },
				{ .fd = STDOUT_FILENO },
				{ .fd = STDERR_FILENO } };

	(void)poll(std, ARRAY_SIZE(std), 0);
	for (size_t i = 0; i < ARRAY_SIZE(std); i++) {
		if ((std[i].revents & POLLNVAL) != 0) /* the lowest free number is this one */
			(void)open("/dev/null", i == STDOUT_FILENO ? O_RDONLY : O_WRONLY);
	}
}

int cni_run(const struct cni_plugin *plugin, char *const *env, int in_fd, int out_fd)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN },
			       normal = { .sa_handler = SIG_DFL };
	struct sigaction old_pipe, old_chld;
	struct cni_call call;
	struct cni_error err;
	int r;

	hold_stdio();
	call_init(&call, plugin, env);
	call.out_fd = out_fd;
	if (call.command[0] == '\0') { /* ENV-18 */
		cni_print_banner(plugin);
		return 0;
	}
	trace_setup(plugin->name);
	(void)sigaction(SIGPIPE, &ignore, &old_pipe);
	(void)sigaction(SIGCHLD, &normal, &old_chld); /* ignored, it would lose exit statuses */
	cni_clear(&err);
	r = run(&call, in_fd, &err);
	if (r < 0) {
		r = finish_error(&call, &err);
		cni_report(&call, &err);
	}
	call_free(&call);
	(void)sigaction(SIGPIPE, &old_pipe, NULL);
	(void)sigaction(SIGCHLD, &old_chld, NULL);
	return r < 0 ? 1 : 0;
}

int cni_main(const struct cni_plugin *plugin, int argc, char *const *argv, char *const *env)
{
	struct cni_error err;

	if (argc < 2 || plugin->tool == NULL || cni_env_get(env, "CNI_COMMAND")[0] != '\0')
		return cni_run(plugin, env, STDIN_FILENO, STDOUT_FILENO);
	hold_stdio();
	trace_setup(plugin->name);
	cni_clear(&err);
	if (plugin->tool(argc, argv, &err) == 0)
		return 0;
	cni_note("%s: %s%s%s", plugin->name, err.msg, err.details[0] != '\0' ? "; " : "",
		 err.details);
	return 1;
}
