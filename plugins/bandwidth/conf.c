/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf.h"

#include "conf/jconf.h"

#define RUNTIME "runtimeConfig.bandwidth"

/* For more, no burst would be large enough. */
#define RATE_MAX  UINT64_C(10000000000000000)
#define BURST_END (UINT64_C(8) * UINT32_MAX) /* the first that the kernel's bytes cannot hold */

/* The four keys, where they stand. */
struct rates {
	bool given;
	struct bandwidth_rate ingress, egress;
};

static const struct jfield rate_fields[] = {
	{ "ingressRate", J_UINT64, .offset = offsetof(struct rates, ingress.rate), .has = true,
	  .has_offset = offsetof(struct rates, given), .max = RATE_MAX,
	  .doc = "to the pod, bits per second" },
	{ "ingressBurst", J_UINT64, .offset = offsetof(struct rates, ingress.burst), .has = true,
	  .has_offset = offsetof(struct rates, given), .doc = "to the pod at once, bits" },
	{ "egressRate", J_UINT64, .offset = offsetof(struct rates, egress.rate), .has = true,
	  .has_offset = offsetof(struct rates, given), .max = RATE_MAX,
	  .doc = "from the pod, bits per second" },
	{ "egressBurst", J_UINT64, .offset = offsetof(struct rates, egress.burst), .has = true,
	  .has_offset = offsetof(struct rates, given), .doc = "from the pod at once, bits" },
};

static int parse_rates(const json_t *value, const struct jpath *at, void *member,
		       struct cni_error *err)
{
	return jconf_fill(value, at, rate_fields, ARRAY_SIZE(rate_fields), member, err);
}

static const struct jfield runtime_fields[] = {
	{ "bandwidth", J_CUSTOM, .custom = parse_rates },
};

static int parse_runtime(const json_t *value, const struct jpath *at, void *member,
			 struct cni_error *err)
{
	return jconf_fill(value, at, runtime_fields, ARRAY_SIZE(runtime_fields), member, err);
}

static int parse_queue(const json_t *value, const struct jpath *at, void *member,
		       struct cni_error *err)
{
	static const char *const names[] = { "fifo", "fq_codel" };
	static const struct jchoice queues = { "unknown queue", names, ARRAY_SIZE(names) };
	size_t chosen;

	if (jconf_choice(value, at, &queues, &chosen, err) < 0)
		return -1;
	*(bool *)member = chosen == 1;
	return 0;
}

struct document {
	struct rates runtime;
	bool fq_codel;
};

static const struct jfield fields[] = {
	{ "runtimeConfig", J_CUSTOM, .offset = offsetof(struct document, runtime),
	  .custom = parse_runtime },
	{ "queue", J_CUSTOM, .offset = offsetof(struct document, fq_codel), .custom = parse_queue,
	  .doc = "fifo or fq_codel: where packets wait; default fifo" },
};

static int check_pair(const struct bandwidth_rate *r, const struct jpath *rate,
		      const struct jpath *burst, struct cni_error *err)
{
	if (r->rate != 0 && r->burst == 0)
		return jconf_fail(err, CNI_INVALID_CONFIG, rate,
				  "if rate is set, burst must also be set");
	if (r->rate == 0 && r->burst != 0)
		return jconf_fail(err, CNI_INVALID_CONFIG, burst,
				  "if burst is set, rate must also be set");
	if (r->burst / 8 >= BURST_END / 8)
		return jconf_fail(err, CNI_INVALID_CONFIG, burst,
				  "burst cannot be more than 4GB (%llu bits, at most %llu)",
				  (unsigned long long)r->burst, (unsigned long long)BURST_END - 1);
	if (r->rate != 0 && r->rate < 8)
		return jconf_fail(err, CNI_INVALID_CONFIG, rate,
				  "%u is less than the kernel can hold to, a byte per second: the "
				  "least is 8",
				  (unsigned)r->rate);
	if (r->burst != 0 && r->burst < 8)
		return jconf_fail(err, CNI_INVALID_CONFIG, burst,
				  "%u is less than the kernel can hold to, one byte: the least is "
				  "8",
				  (unsigned)r->burst);
	return 0;
}

static int check(const struct bandwidth_conf *conf, const struct jpath *at, struct cni_error *err)
{
	const struct jpath ingress_rate = { .up = at, .key = "ingressRate" };
	const struct jpath ingress_burst = { .up = at, .key = "ingressBurst" };
	const struct jpath egress_rate = { .up = at, .key = "egressRate" };
	const struct jpath egress_burst = { .up = at, .key = "egressBurst" };

	if (check_pair(&conf->ingress, &ingress_rate, &ingress_burst, err) < 0)
		return -1;
	return check_pair(&conf->egress, &egress_rate, &egress_burst, err);
}

int bandwidth_conf_parse(const struct cni_args *args, struct bandwidth_conf *ret,
			 struct cni_error *err)
{
	static const struct jpath runtime = { .key = RUNTIME };
	struct document doc = { .fq_codel = false };
	struct rates top = { .given = false };
	const struct rates *rates = &top;
	struct bandwidth_conf conf;

	if (jconf_fill(args->conf, NULL, rate_fields, ARRAY_SIZE(rate_fields), &top, err) < 0 ||
	    jconf_fill(args->conf, NULL, fields, ARRAY_SIZE(fields), &doc, err) < 0)
		return -1;
	if (!top.given)
		rates = &doc.runtime;
	conf = (struct bandwidth_conf){ .ingress = rates->ingress,
					.egress = rates->egress,
					.at = top.given ? "" : RUNTIME ".",
					.fq_codel = doc.fq_codel };
	if (check(&conf, top.given ? NULL : &runtime, err) < 0)
		return -1;
	*ret = conf;
	return 0;
}

bool bandwidth_conf_shapes(const struct bandwidth_conf *conf)
{
	return conf->ingress.rate != 0 || conf->egress.rate != 0;
}
