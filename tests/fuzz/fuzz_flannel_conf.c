/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plugins/flannel/conf.h"
#include "plugins/flannel/conf_delegate.h"

#include "fuzz.h"

static const char env_text[] = "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\n"
			       "FLANNEL_IPV6_NETWORK=fd00:10::/48\nFLANNEL_IPV6_SUBNET=fd00::1/64\n"
			       "FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n";

/* A state file: what can be read goes to the delegate as it is, and runs a program with a name. */
static void check_state(const uint8_t *data, size_t size)
{
	struct delegate_conf d = { .len = 0 };
	struct cni_error err = { 0 };

	if (delegate_conf_decode((const char *)data, size, &d, &err) < 0) {
		fuzz_conf_error(&err);
		FUZZ_CHECK(d.doc == NULL && d.text == NULL);
		return;
	}
	FUZZ_CHECK(d.len == size && memcmp(d.text, data, size) == 0 && d.text[size] == '\0');
	FUZZ_CHECK(strlen(d.type) == json_string_length(jconf_get(d.doc, "type")));
	FUZZ_CHECK(flannel_delegate_compare(&d, &d, &err) == 0);
	delegate_conf_free(&d);
}

static void build(const struct cni_args *args, struct delegate_conf *ret, struct cni_error *err)
{
	char text[sizeof(env_text)];
	struct subnet_env env;

	memcpy(text, env_text, sizeof(text));
	FUZZ_CHECK(subnet_env_parse(text, strlen(text), "FILE", &env, err) == 0);
	if (flannel_delegate_build(args, &env, ret, err) < 0)
		fuzz_conf_error(err);
}

/*
 * What is built can be kept and read back as the same, names our network and the node's ranges, and
 * building changes nothing of ours. CHECK then sees no difference.
 */
static void check_built(const struct cni_args *args)
{
	struct delegate_conf d = { .len = 0 }, kept = { .len = 0 }, again = { .len = 0 };
	json_t *before = json_deep_copy(args->conf);
	struct cni_error err = { 0 };

	build(args, &d, &err);
	FUZZ_CHECK(json_equal(before, args->conf));
	if (d.doc != NULL) {
		FUZZ_CHECK(delegate_conf_decode(d.text, d.len, &kept, &err) == 0);
		FUZZ_CHECK(json_equal(kept.doc, d.doc));
		FUZZ_CHECK(strcmp(kept.type, d.type) == 0 && strcmp(kept.network, "net") == 0);
		FUZZ_CHECK(flannel_delegate_compare(&kept, &d, &err) == 0);
		FUZZ_CHECK(json_array_size(
			       json_object_get(json_object_get(d.doc, "ipam"), "ranges")) == 2);
		build(args, &again, &err);
		FUZZ_CHECK(strcmp(d.text, again.text) == 0);
	}
	json_decref(before);
	delegate_conf_free(&d);
	delegate_conf_free(&kept);
	delegate_conf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct flannel_conf conf;
	struct cni_args args;
	struct cni_error err = { 0 };
	json_t *doc = NULL;

	check_state(data, size);
	if (!fuzz_load(data, size, &doc, &args))
		return 0;
	if (flannel_conf_parse(&args, &conf, &err) < 0) {
		fuzz_conf_error(&err);
	} else {
		FUZZ_CHECK(conf.subnet_file[0] == '/' && conf.data_dir[0] == '/');
		check_built(&args);
	}
	json_decref(doc);
	return 0;
}
