/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cni/delegate.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/scoped.h"
#include "base/text.h"
#include "base/trace.h"
#include "cni/call.h"
#include "cni/codec.h"
#include "cni/spawn.h"
#include "conf/jconf.h"

/* ---- which program ---- */

static int no_plugin(const char *path, const char *type, struct cni_error *err)
{
	char folders[256];
	struct text t;
	int r;

	text_init(&t, folders, sizeof(folders));
	text_add(&t, "%s", path);
	for (char *c = folders; *c != '\0'; c++) {
		if (*c == ':')
			*c = ' ';
	}
	r = cni_fail(err, CNI_DELEGATE, "failed to find plugin \"%s\" in path [%s]", type, folders);
	cni_details(err, "install it in one of these folders or name its folder in CNI_PATH "
			 "(relative and empty elements are not searched)");
	return r;
}

/* DLG-01, DLG-02: the first regular file of that name in the absolute folders of CNI_PATH. */
static int find_plugin(const char *path, const char *type, char file[PATH_MAX],
		       struct cni_error *err)
{
	if (type[0] == '\0')
		return cni_fail(err, CNI_INVALID_CONFIG, "no plugin name provided");
	if (strchr(type, '/') != NULL)
		return cni_fail(err, CNI_INVALID_CONFIG, "invalid plugin name: %s", type);
	for (const char *dir = path;;) {
		size_t len = strcspn(dir, ":");
		struct stat st;

		if (dir[0] == '/' && text_format(file, PATH_MAX, "%.*s/%s", (int)len, dir, type) &&
		    stat(file, &st) == 0 && S_ISREG(st.st_mode))
			return 0;
		if (dir[len] == '\0')
			return no_plugin(path, type, err);
		dir += len + 1;
	}
}

/* ---- its environment ---- */

static bool same_name(const char *a, const char *b)
{
	size_t len = strcspn(a, "=");

	return strncmp(a, b, len) == 0 && b[len] == '=';
}

static bool set_again(char *const *env, size_t i)
{
	for (size_t j = i + 1; env[j] != NULL; j++) {
		if (same_name(env[i], env[j]))
			return true;
	}
	return false;
}

/* DLG-03: ours, each variable once, the last value of a repeated one, another CNI_COMMAND. */
static char **child_env(char *const *env, char *command)
{
	size_t n = 0, kept = 0;
	char **copy;

	while (env != NULL && env[n] != NULL)
		n++;
	copy = calloc(n + 2, sizeof(*copy));
	if (copy == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (!set_again(env, i) && !same_name(env[i], command))
			copy[kept++] = env[i];
	}
	copy[kept] = command;
	return copy;
}

/* ---- what came back ---- */

struct delegate {
	const struct cni_args *args;
	const char *type;
	enum cni_verb verb;
	unsigned seconds;
	char file[PATH_MAX];
};

/* Its words as they came; false if it printed no error object (ERR-03). */
static bool take_error(const char *out, size_t len, struct cni_error *err)
{
	scoped_json json_t *doc = NULL;
	const json_t *code, *msg, *details;

	if (jconf_load(out, len, "output", &doc, err) < 0)
		return false;
	code = jconf_get(doc, "code");
	msg = jconf_get(doc, "msg");
	details = jconf_get(doc, "details");
	if (!json_is_string(msg) || (code != NULL && !json_is_integer(code)) ||
	    json_integer_value(code) < 0 || json_integer_value(code) > INT_MAX)
		return false;
	cni_clear(err);
	err->passed = true;
	err->code = json_integer_value(code) != 0 ? (int)json_integer_value(code) : CNI_DELEGATE;
	(void)text_format(err->msg, sizeof(err->msg), "%s", json_string_value(msg));
	(void)text_format(err->details, sizeof(err->details), "%s",
			  json_is_string(details) ? json_string_value(details) : "");
	return true;
}

static int failed(const struct delegate *d, int status, const char *out, size_t len,
		  struct cni_error *err)
{
	const char *verb = cni_verb_text(d->verb);
	int r;

	if (WIFSIGNALED(status))
		return cni_fail(err, CNI_DELEGATE, "plugin %s (%s): %s ended by signal %d (%s)",
				d->type, d->file, verb, WTERMSIG(status),
				strsignal(WTERMSIG(status)));
	if (len > 0 && take_error(out, len, err))
		return -1;
	if (len == 0)
		return cni_fail(err, CNI_DELEGATE,
				"plugin %s (%s): %s failed with exit status %d and printed no "
				"error; what it wrote to stderr is in the runtime's log",
				d->type, d->file, verb, WEXITSTATUS(status));
	r = cni_fail(err, CNI_DELEGATE,
		     "plugin %s (%s): %s failed with exit status %d and printed something that "
		     "is no CNI error",
		     d->type, d->file, verb, WEXITSTATUS(status));
	cni_details(err, "%.1024s", out);
	return r;
}

static int run(const struct delegate *d, char **ret_out, size_t *ret_len, struct cni_error *err)
{
	char command[32];
	scoped_free char **env = NULL;
	scoped_free char *out = NULL;
	size_t len;
	int status;

	(void)text_format(command, sizeof(command), "CNI_COMMAND=%s", cni_verb_text(d->verb));
	env = child_env(d->args->env, command);
	if (env == NULL)
		return cni_fail(err, CNI_INTERNAL, "no memory for the environment");

	const struct cni_child child = { .path = d->file,
					 .env = env,
					 .input = d->args->stdin_text,
					 .input_len = d->args->stdin_len,
					 .max_output = CNI_DELEGATE_MAX,
					 .seconds = d->seconds };

	trace("run %s: %s", d->file, command);
	if (cni_spawn(&child, &out, &len, &status, err) < 0)
		return cni_wrap(err, "plugin %s (%s): %s", d->type, d->file,
				cni_verb_text(d->verb));
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return failed(d, status, out, len, err);
	*ret_out = take_ptr(&out);
	*ret_len = len;
	return 0;
}

/* ---- verbs ---- */

/* DLG-09: the version it says, or the configuration's if it says none. */
static enum cni_version result_version(const json_t *doc, enum cni_version config)
{
	const char *text = json_string_value(jconf_get(doc, "cniVersion"));
	enum cni_version said = config;

	if (text != NULL)
		(void)cni_version_exact(text, &said); /* a strange one fails in the decoder */
	return said;
}

static int decode_result(const struct delegate *d, const char *out, size_t len,
			 struct cni_result *result, struct cni_error *err)
{
	scoped_json json_t *doc = NULL;

	if (jconf_load(out, len, "its output", &doc, err) == 0 &&
	    cni_result_decode(doc, NULL, result_version(doc, d->args->version), result, err) == 0)
		return 0;
	err->code = CNI_DELEGATE;
	return cni_wrap(err, "plugin %s (%s) printed no valid result", d->type, d->file);
}

static int run_add(const struct delegate *d, struct cni_result *result, struct cni_error *err)
{
	scoped_free char *out = NULL;
	size_t len;

	if (run(d, &out, &len, err) < 0)
		return -1;
	return decode_result(d, out, len, result, err);
}

int cni_delegate_add(const struct cni_args *args, const char *type, struct cni_result *result,
		     struct cni_error *err)
{
	struct delegate d = {
		.args = args, .type = type, .verb = CNI_ADD, .seconds = CNI_DELEGATE_SECONDS
	};

	if (find_plugin(args->path, type, d.file, err) < 0)
		return -1;
	return run_add(&d, result, err);
}

int cni_delegate(const struct cni_args *args, const char *type, enum cni_verb verb,
		 struct cni_error *err)
{
	struct delegate d = {
		.args = args, .type = type, .verb = verb, .seconds = CNI_DELEGATE_SECONDS
	};
	scoped_free char *out = NULL;
	size_t len;

	if (find_plugin(args->path, type, d.file, err) < 0)
		return -1;
	return run(&d, &out, &len, err);
}

/* ---- taking back an ADD ---- */

unsigned cni_rollback_seconds(int64_t spent_usec)
{
	int64_t left = CNI_DELEGATE_SECONDS - spent_usec / 1000000;

	return left > CNI_ROLLBACK_SECONDS ? (unsigned)left : CNI_ROLLBACK_SECONDS;
}

static bool is_refusal(const struct cni_error *err)
{
	return err->code == CNI_INCOMPATIBLE_VERSION || err->code == CNI_UNSUPPORTED_FIELD ||
	       err->code == CNI_DECODE || err->code == CNI_INVALID_CONFIG;
}

/*
 * Two ADDs of one container at the same time: host-local, the reference's too, refuses the second
 * with these words and has given it nothing. A DEL by the same container and interface would take
 * the first one's addresses, which then are given to another pod while this one uses them.
 */
static bool is_anothers(const struct cni_error *err)
{
	return strstr(err->msg, "duplicate allocation") != NULL;
}

/* The DEL of an ADD that began at `start_usec` and failed; false if something may be left
 * (DLG-07, DLG-08). */
static bool take_back(struct delegate *d, int64_t start_usec, struct cni_result *result,
		      struct cni_error *err)
{
	scoped_free char *out = NULL;
	struct cni_error step;
	size_t len;

	cni_result_free(result);
	if (is_anothers(err))
		return false;
	cni_clear(&step);
	d->verb = CNI_DEL;
	d->seconds = cni_rollback_seconds(cni_now_usec() - start_usec);
	if (run(d, &out, &len, &step) == 0)
		return true;
	/* A configuration that ADD refused is often refused again: once is enough. */
	if (strcmp(step.msg, err->msg) == 0)
		return is_refusal(err);
	cni_keep_first(err, &step);
	return false;
}

/* The same of a main plugin, in our words or the reference's: the interface is there already. */
static bool is_alive(const struct cni_error *err)
{
	return err->code == CNI_CONFLICT || strstr(err->msg, "already exists") != NULL;
}

int cni_delegate_attach(const struct cni_args *args, const char *type, struct cni_result *result,
			bool *ret_clean, struct cni_error *err)
{
	struct delegate d = {
		.args = args, .type = type, .verb = CNI_ADD, .seconds = CNI_DELEGATE_SECONDS
	};
	int64_t start_usec = cni_now_usec();

	if (find_plugin(args->path, type, d.file, err) < 0) {
		*ret_clean = true;
		return -1;
	}
	if (run_add(&d, result, err) == 0)
		return 0;
	if (is_alive(err))
		*ret_clean = false;
	else
		*ret_clean = take_back(&d, start_usec, result, err);
	return -1;
}

/* ---- IPAM ---- */

static void drop_interfaces(struct cni_result *result)
{
	struct cni_result dropped = { .interfaces = result->interfaces,
				      .n_interfaces = result->n_interfaces };

	result->interfaces = NULL;
	result->n_interfaces = 0;
	cni_result_free(&dropped);
}

static int add_addresses(const struct delegate *d, int interface, struct cni_result *result,
			 struct cni_error *err)
{
	if (run_add(d, result, err) < 0)
		return -1;
	if (result->n_ips == 0) /* ADD-12 */
		return cni_fail(err, CNI_DELEGATE,
				"IPAM plugin returned missing IP config: %s (%s) gave no address",
				d->type, d->file);
	/* RES-10: interfaces are the main plugin's to name; its indices start at 0. */
	drop_interfaces(result);
	for (size_t i = 0; i < result->n_ips; i++)
		result->ips[i].interface = interface;
	return 0;
}

int cni_ipam_add(const struct cni_args *args, int interface, struct cni_result *result,
		 struct cni_error *err)
{
	struct delegate d = { .args = args,
			      .type = args->ipam_type,
			      .verb = CNI_ADD,
			      .seconds = CNI_DELEGATE_SECONDS };
	int64_t start_usec = cni_now_usec();

	if (args->ipam_type == NULL)
		return 0;
	if (find_plugin(args->path, d.type, d.file, err) < 0)
		return -1;
	if (add_addresses(&d, interface, result, err) == 0)
		return 0;
	(void)take_back(&d, start_usec, result, err);
	return -1;
}

int cni_ipam(const struct cni_args *args, enum cni_verb verb, struct cni_error *err)
{
	return args->ipam_type != NULL ? cni_delegate(args, args->ipam_type, verb, err) : 0;
}
