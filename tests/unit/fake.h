/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "call.h"

#include "base/scoped.h"
#include "base/text.h"

/* What the fake plugin saw. Verbs have no context argument, so this is the one global of the test;
 * every test begins with begin(). */
static struct seen {
	int calls[CNI_N_VERBS];
	struct cni_args args; /* of the last call */
	char strings[6][512]; /* copies of its container … network */
	bool valid_lo, valid_eth0;
	int (*add)(struct cni_result *result, struct cni_error *err); /* what ADD does */
	int code;						      /* of every other verb */
} seen;

static inline int record(enum cni_verb verb, const struct cni_args *args, struct cni_error *err)
{
	const char *const strings[] = { args->container, args->netns, args->ifname,
					args->cni_args,	 args->path,  args->network };

	seen.calls[verb]++;
	seen.args = *args;
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
		(void)text_format(seen.strings[i], sizeof(seen.strings[i]), "%s", strings[i]);
	seen.valid_lo = cni_attachment_valid(args, "c1", "lo");
	seen.valid_eth0 = cni_attachment_valid(args, "c1", "eth0");
	for (size_t i = 0; i < args->n_valid; i++) /* a lost one is a live pod's network */
		assert_true(
		    cni_attachment_valid(args, args->valid[i].container, NULL) &&
		    cni_attachment_valid(args, args->valid[i].container, args->valid[i].ifname));
	assert_false(cni_attachment_valid(args, "no-such-container", NULL));
	assert_int_equal(args->verb, verb);
	return seen.code != 0 ? cni_fail(err, seen.code, "what the verb said") : 0;
}

static inline int fake_add(const struct cni_args *args, struct cni_result *result,
			   struct cni_error *err)
{
	int r = record(CNI_ADD, args, err);

	return r == 0 && seen.add != NULL ? seen.add(result, err) : r;
}

static inline int fake_del(const struct cni_args *args, struct cni_error *err)
{
	return record(CNI_DEL, args, err);
}

static inline int fake_check(const struct cni_args *args, struct cni_error *err)
{
	return record(CNI_CHECK, args, err);
}

static inline int fake_gc(const struct cni_args *args, struct cni_error *err)
{
	return record(CNI_GC, args, err);
}

static inline int fake_status(const struct cni_args *args, struct cni_error *err)
{
	return record(CNI_STATUS, args, err);
}

static const struct cni_plugin fake = { .name = "fake",
					.netns_optional = true,
					.add = fake_add,
					.del = fake_del,
					.check = fake_check,
					.gc = fake_gc,
					.status = fake_status };

#define CONF(version) "{\"cniVersion\":\"" version "\",\"name\":\"net1\",\"type\":\"fake\"}"
#define GC_CONF                                                                                    \
	"{\"cniVersion\":\"1.1.0\",\"name\":\"net1\","                                             \
	"\"cni.dev/valid-attachments\":[{\"containerID\":\"c1\",\"ifname\":\"eth0\"}]}"

static inline int n_calls(void)
{
	int n = 0;

	for (int i = 0; i < CNI_N_VERBS; i++)
		n += seen.calls[i];
	return n;
}

static const struct env full = {
	"ADD", "c1", "/var/run/netns/gone", "eth0", "A=b", "/opt/x", NULL
};

static inline void begin(void)
{
	memset(&seen, 0, sizeof(seen));
}

/* The handler must not run, and there is one error of this code. */
static inline void refuse(const struct env *env, const char *conf, int code, const char *part)
{
	struct answer a;

	begin();
	run(&fake, env, conf, &a);
	assert_error(&a, code, part);
	assert_int_equal(n_calls(), 0);
	answer_free(&a);
}

static inline void accept(const struct env *env, const char *conf)
{
	struct answer a;

	begin();
	run(&fake, env, conf, &a);
	if (a.exit != 0 || n_calls() != 1)
		fail_msg("exit %d, %d verbs: %s", a.exit, n_calls(), a.out);
	answer_free(&a);
}
