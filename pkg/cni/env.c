/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "base/scoped.h"
#include "base/text.h"
#include "cni/call.h"

static const char *const verb_texts[] = {
	[CNI_ADD] = "ADD", [CNI_DEL] = "DEL",	    [CNI_CHECK] = "CHECK",
	[CNI_GC] = "GC",   [CNI_STATUS] = "STATUS", [CNI_VERSION] = "VERSION",
};
_Static_assert(ARRAY_SIZE(verb_texts) == CNI_N_VERBS, "a verb has no text");

const char *cni_verb_text(enum cni_verb verb)
{
	return verb_texts[verb];
}

const char *cni_env_get(char *const *env, const char *name)
{
	size_t len = strlen(name);
	const char *found = "";

	for (; env != NULL && *env != NULL; env++) {
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			found = *env + len + 1;
	}
	return found;
}

bool cni_name_valid(const char *s)
{
	static const char alnum[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

	if (s[0] == '\0' || strchr(alnum, s[0]) == NULL)
		return false;
	for (; *s != '\0'; s++) {
		if (strchr(alnum, *s) == NULL && strchr("_.-", *s) == NULL)
			return false;
	}
	return true;
}

static int bad_container(const char *value, struct cni_error *err)
{
	int r = cni_fail(err, CNI_BAD_ENV, "invalid characters in containerID (CNI_CONTAINERID)");

	cni_details(err,
		    "\"%s\" must be letters, digits, '_', '.' and '-', a letter or digit first",
		    value);
	return r;
}

static int check_container(const char *value, struct cni_error *err)
{
	return cni_name_valid(value) ? 0 : bad_container(value, err);
}

static int check_ifname(const char *value, struct cni_error *err)
{
	const char *problem = ifname_problem(value);

	if (problem == NULL)
		return 0;
	return cni_fail(err, CNI_BAD_ENV, "invalid interface name \"%s\" (CNI_IFNAME): %s", value,
			problem);
}

/* The specification's table of variables (cni-spec.md §1.1), in the order of its messages. */
#define ON(verb) (1u << (verb))

struct env_var {
	const char *name;
	size_t offset;	   /* of the member of cni_args */
	unsigned read;	   /* in these verbs; elsewhere it is not looked at (ENV-11) */
	unsigned required; /* in these verbs */
	int (*check)(const char *value, struct cni_error *err);
};

static const struct env_var env_vars[] = {
	{ "CNI_CONTAINERID", offsetof(struct cni_args, container),
	  ON(CNI_ADD) | ON(CNI_DEL) | ON(CNI_CHECK), ON(CNI_ADD) | ON(CNI_DEL) | ON(CNI_CHECK),
	  check_container },
	{ "CNI_NETNS", offsetof(struct cni_args, netns), ON(CNI_ADD) | ON(CNI_DEL) | ON(CNI_CHECK),
	  ON(CNI_ADD) | ON(CNI_CHECK), NULL },
	{ "CNI_IFNAME", offsetof(struct cni_args, ifname),
	  ON(CNI_ADD) | ON(CNI_DEL) | ON(CNI_CHECK), ON(CNI_ADD) | ON(CNI_DEL) | ON(CNI_CHECK),
	  check_ifname },
	{ "CNI_ARGS", offsetof(struct cni_args, cni_args),
	  ON(CNI_ADD) | ON(CNI_DEL) | ON(CNI_CHECK), 0, NULL },
	{ "CNI_PATH", offsetof(struct cni_args, path),
	  ON(CNI_ADD) | ON(CNI_DEL) | ON(CNI_CHECK) | ON(CNI_GC) | ON(CNI_STATUS),
	  ON(CNI_ADD) | ON(CNI_DEL) | ON(CNI_CHECK) | ON(CNI_GC) | ON(CNI_STATUS), NULL },
};

int cni_call_env(struct cni_call *call, struct cni_error *err)
{
	unsigned verb = call->known ? ON(call->args.verb) : 0;
	char buf[128];
	struct text missing;

	text_init(&missing, buf, sizeof(buf));
	for (size_t i = 0; i < ARRAY_SIZE(env_vars); i++) {
		const struct env_var *var = &env_vars[i];
		const char *value = cni_env_get(call->args.env, var->name);

		if ((var->read & verb) == 0)
			continue;
		if (value[0] == '\0') {
			if ((var->required & verb) != 0)
				text_add(&missing, "%s%s", missing.len != 0 ? "," : "", var->name);
			continue;
		}
		if (var->check != NULL && var->check(value, err) < 0)
			return -1;
		*(const char **)((char *)&call->args + var->offset) = value;
	}
	if (missing.len != 0)
		return cni_fail(err, CNI_BAD_ENV, "required env variables [%s] missing", buf);
	return 0;
}
