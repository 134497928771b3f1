/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/text.h"
#include "plugins/flannel/env.h"

#include "fuzz.h"

static void print_family(struct text *t, const char *version, const struct subnet_family *f)
{
	char net[IPNET_TEXT];

	for (size_t i = 0; i < f->n_networks; i++) {
		ipnet_print(&f->networks[i], net);
		text_add(t, i == 0 ? "FLANNEL_%sNETWORK=%s" : "%s,%s", i == 0 ? version : "", net);
	}
	ipnet_print(&f->subnet, net);
	text_add(t, "\n");
	if (f->has_subnet)
		text_add(t, "FLANNEL_%sSUBNET=%s\n", version, net);
}

static void check_family(const struct subnet_family *a, const struct subnet_family *b, bool four)
{
	FUZZ_CHECK(a->n_networks == b->n_networks && a->n_networks <= SUBNET_ENV_NETWORKS);
	FUZZ_CHECK(a->has_subnet == b->has_subnet);
	for (size_t i = 0; i < a->n_networks; i++) {
		const struct ipnet masked = ipnet_masked(&a->networks[i]);

		FUZZ_CHECK(ipnet_equal(&a->networks[i], &b->networks[i]));
		FUZZ_CHECK(ipnet_equal(&a->networks[i], &masked));
		FUZZ_CHECK(ip_is4(&a->networks[i].addr) == four);
		for (size_t j = 0; j < i; j++)
			FUZZ_CHECK(!ipnet_equal(&a->networks[i], &a->networks[j]));
	}
	if (a->has_subnet)
		FUZZ_CHECK(ipnet_equal(&a->subnet, &b->subnet) && ip_is4(&a->subnet.addr) == four);
}

/* What was read, written as the daemon writes it, reads the same; what is wrong has its place. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size), again[2 * SUBNET_ENV_NETWORKS * IPNET_TEXT];
	struct subnet_env env, env2;
	struct cni_error err = { 0 };
	struct text t;

	if (subnet_env_parse(text, size, "FILE", &env, &err) < 0) {
		fuzz_error(&err);
		FUZZ_CHECK(strncmp(err.msg, "FILE ", 5) == 0);
		FUZZ_CHECK(err.code == CNI_DECODE ||
			   (err.code == CNI_TRY_AGAIN && strstr(err.msg, "is missing FLANNEL_")));
		free(text);
		return 0;
	}
	FUZZ_CHECK(env.has_mtu && env.has_masq);
	text_init(&t, again, sizeof(again));
	print_family(&t, "", &env.v4);
	print_family(&t, "IPV6_", &env.v6);
	text_add(&t, "FLANNEL_MTU=%u\nFLANNEL_IPMASQ=%s\n", env.mtu, env.masq ? "true" : "false");
	FUZZ_CHECK(!t.cut);
	FUZZ_CHECK(subnet_env_parse(again, t.len, "FILE", &env2, &err) == 0);
	FUZZ_CHECK(env.mtu == env2.mtu && env.masq == env2.masq);
	check_family(&env.v4, &env2.v4, true);
	check_family(&env.v6, &env2.v6, false);
	free(text);
	return 0;
}
