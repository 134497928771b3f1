/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/scoped.h"
#include "conf/jconf.h"
#include "plugins/bandwidth/attach.h"

static int parse(const char *text, struct bandwidth_conf *ret, struct cni_error *err)
{
	scoped_json json_t *doc = NULL;
	struct cni_args args = { .network = "net" };

	if (jconf_load(text, strlen(text), "test", &doc, err) < 0)
		fail_msg("%s: %s", text, err->msg);
	args.conf = doc;
	return bandwidth_conf_parse(&args, ret, err);
}

static void good(void **state)
{
	static const struct {
		const char *text;
		uint64_t ingress, egress; /* bytes per second */
		bool fq_codel;
	} cases[] = {
		{ "{}", 0, 0, false },
		{ "{\"ingressRate\":8,\"ingressBurst\":8}", 1, 0, false },
		{ "{\"EgressRate\":16,\"egressburst\":34359738352,\"queue\":\"fq_codel\"}", 0, 2,
		  true },
		{ "{\"egressRate\":23,\"egressBurst\":34359738359}", 0, 2, false },
		{ "{\"queue\":\"fifo\",\"RuntimeConfig\":{\"bandWidth\":{\"ingressRate\":"
		  "10000000000000000,\"ingressBurst\":34359738352}}}",
		  1250000000000000, 0, false },
		/* Any of the four, be it 0, and the runtime's count no more, wrong or not. */
		{ "{\"ingressBurst\":0,\"runtimeConfig\":{\"bandwidth\":{\"egressRate\":5}}}", 0, 0,
		  false },
		{ "{\"ingressBurst\":null,\"runtimeConfig\":{\"bandwidth\":{\"egressRate\":80,"
		  "\"egressBurst\":8}}}",
		  0, 10, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bandwidth_conf conf;
		struct cni_error err;

		if (parse(cases[i].text, &conf, &err) < 0)
			fail_msg("%s: %s", cases[i].text, err.msg);
		assert_int_equal(conf.ingress.rate, cases[i].ingress);
		assert_int_equal(conf.egress.rate, cases[i].egress);
		assert_int_equal(conf.fq_codel, cases[i].fq_codel);
		assert_int_equal(bandwidth_conf_shapes(&conf),
				 cases[i].ingress != 0 || cases[i].egress != 0);
	}
}

static void bad(void **state)
{
	static const struct {
		const char *text, *msg;
	} cases[] = {
		{ "{\"ingressRate\":8}", "ingressRate: if rate is set, burst must also be set" },
		{ "{\"egressBurst\":8}", "egressBurst: if burst is set, rate must also be set" },
		{ "{\"egressRate\":8,\"egressBurst\":34359738360}",
		  "egressBurst: burst cannot be more than 4GB (34359738360 bits, at most "
		  "34359738359)" },
		{ "{\"runtimeConfig\":{\"bandwidth\":{\"ingressRate\":7,\"ingressBurst\":8}}}",
		  "runtimeConfig.bandwidth.ingressRate: 7 is less than the kernel can hold to, a "
		  "byte per second: the least is 8" },
		{ "{\"ingressRate\":10000000000000001,\"ingressBurst\":8}",
		  "ingressRate: 10000000000000001 is out of range, allowed is 0 to "
		  "10000000000000000" },
		{ "{\"ingressRate\":8,\"ingressBurst\":1}",
		  "ingressBurst: 1 is less than the kernel can hold to, one byte: the least is "
		  "8" },
		{ "{\"runtimeConfig\":{\"bandwidth\":{\"egressRate\":10000000000,\"egressBurst\":"
		  "1000}}}",
		  "runtimeConfig.bandwidth.egressBurst: 1000 bits are too few for a rate of "
		  "10000000000 bit/s, the kernel would let nothing pass: 20016 will do" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bandwidth_conf conf;
		struct cni_error err;

		assert_int_equal(parse(cases[i].text, &conf, &err), -1);
		assert_int_equal(err.code, CNI_INVALID_CONFIG);
		assert_string_equal(err.msg, cases[i].msg);
	}
}

static int parse_pair(uint64_t rate, uint64_t burst, struct bandwidth_conf *ret,
		      struct cni_error *err)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "{\"ingressRate\":%llu,\"ingressBurst\":%llu}",
		       (unsigned long long)rate, (unsigned long long)burst);
	return parse(text, ret, err);
}

static void numbers(void **state)
{
	static const struct {
		uint64_t rate, burst;
		struct tbf tbf;
	} cases[] = {
		/* The reference's tests: rate 1 and limit 1, 2 and 1, 1000 and 35. */
		{ 8, 8, { 1, 15625000, 1 } },
		{ 16, 8, { 2, 7812500, 1 } },
		{ 8000, 80, { 1000, 156250, 35 } },
		{ 15, 15, { 1, 15625000, 1 } },
		{ 20000000, 200000, { 2500000, 156250, 87500 } },
		{ UINT64_C(8) << 32,
		  UINT64_C(1) << 33,
		  { UINT64_C(1) << 32, 3906250, 107374182 + (UINT32_C(1) << 30) } },
		/* 32 bits hold neither these ticks nor these bytes. */
		{ 8, 8000, { 1, UINT32_MAX, 1000 } },
		{ 8, (UINT64_C(8) << 32) - 16, { 1, UINT32_MAX, UINT32_MAX - 1 } },
		{ UINT64_C(8) << 32,
		  (UINT64_C(8) << 32) - 16,
		  { UINT64_C(1) << 32, 15624984, UINT32_MAX } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct tbf *want = &cases[i].tbf;
		struct bandwidth_conf conf;
		struct cni_error err;

		assert_int_equal(parse_pair(cases[i].rate, cases[i].burst, &conf, &err), 0);
		assert_int_equal(conf.ingress.rate, want->rate);
		assert_int_equal(conf.ingress.buffer, want->buffer);
		assert_int_equal(conf.ingress.limit, want->limit);
	}
}

static void the_burst_that_is_named_will_do(void **state)
{
	(void)state;
	for (uint64_t rate = 8; rate < UINT64_C(10000000000000000); rate += rate / 3 + 1) {
		struct bandwidth_conf conf;
		struct cni_error err;
		unsigned long long least;
		const char *at;

		if (parse_pair(rate, 8, &conf, &err) == 0)
			continue;
		at = strstr(err.msg, "nothing pass: ");
		assert_non_null(at);
		assert_int_equal(sscanf(at, "nothing pass: %llu will do", &least), 1);
		assert_int_equal(parse_pair(rate, least, &conf, &err), 0);
	}
}

static void names(void **state)
{
	const struct owner owner = { "cni-plugin-bandwidth-test", "dummy", "eth0" };
	struct shaper_id found;

	(void)state;
	bandwidth_id(&owner, &found);
	assert_string_equal(found.names[0], "bwpa8eda89404b7");
	assert_string_equal(found.names[1], "bwp6bd65842516c");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),	   cmocka_unit_test(bad),
		cmocka_unit_test(numbers), cmocka_unit_test(the_burst_that_is_named_will_do),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
