/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "conf.h"

#include "conf/jconf.h"

/* For more, no burst would be large enough. */
#define RATE_MAX  UINT64_C(10000000000000000)
#define BURST_END (UINT64_C(8) * UINT32_MAX) /* the first that the reference refuses */

/* What /proc/net/psched says on every kernel since 2.6.31: a tick is 64 ns (PSCHED_SHIFT 6). */
#define TICKS_PER_US 15.625
#define LATENCY_US   25000.0
#define US	     1000000.0

/* One direction as it is written: bits per second, bits. */
struct rate {
	uint64_t rate, burst;
};

/* The four keys, where they stand. */
struct rates {
	bool given;
	struct rate ingress, egress;
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

static const struct jfield runtime_fields[] = {
	{ "bandwidth", jconf_table(rate_fields) },
};

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
	{ "runtimeConfig", jconf_table(runtime_fields),
	  .offset = offsetof(struct document, runtime) },
	{ "queue", J_CUSTOM, .offset = offsetof(struct document, fq_codel), .custom = parse_queue,
	  .doc = "fifo or fq_codel: where packets wait; default fifo" },
};

static int check_pair(const struct rate *r, const struct jpath *rate, const struct jpath *burst,
		      struct cni_error *err)
{
	if (r->rate != 0 && r->burst == 0)
		return jconf_fail(err, CNI_INVALID_CONFIG, rate,
				  "if rate is set, burst must also be set");
	if (r->rate == 0 && r->burst != 0)
		return jconf_fail(err, CNI_INVALID_CONFIG, burst,
				  "if burst is set, rate must also be set");
	if (r->burst >= BURST_END)
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

static uint32_t saturated(double value)
{
	return value >= (double)UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

/*
 * The reference's numbers, in its order of roundings: whole bytes, a bucket that lasts burst / rate
 * and room for 25 ms of waiting above it. Where its 32 bits would overflow, ours stay at their
 * largest.
 */
static struct tbf compute(const struct rate *want)
{
	const uint64_t rate_bytes = want->rate / 8, burst_bytes = want->burst / 8;
	const double rate = (double)rate_bytes, burst = (double)burst_bytes;
	const double us = (double)saturated(burst * US / rate);
	const double waiting = (double)saturated(rate * LATENCY_US / US);

	return (struct tbf){ .rate = rate_bytes,
			     .buffer = saturated(us * TICKS_PER_US),
			     .limit = saturated(waiting + burst) };
}

static int shape(const struct rate *want, const struct jpath *rate, const struct jpath *burst,
		 struct tbf *ret, struct cni_error *err)
{
	struct tbf tbf;

	if (check_pair(want, rate, burst, err) < 0)
		return -1;
	if (want->rate == 0)
		return 0;
	tbf = compute(want);
	/* The kernel goes back from ticks to bytes, and takes no bucket below one byte. The two
	 * roundings on the way lose less than two microseconds. */
	if (tbf.buffer / TICKS_PER_US * (double)tbf.rate / US < 1)
		return jconf_fail(err, CNI_INVALID_CONFIG, burst,
				  "%llu bits are too few for a rate of %llu bit/s, the kernel "
				  "would let nothing pass: %llu will do",
				  (unsigned long long)want->burst, (unsigned long long)want->rate,
				  8 * ((unsigned long long)(2 * (double)tbf.rate / US) + 2));
	*ret = tbf;
	return 0;
}

int bandwidth_conf_parse(const struct cni_args *args, struct bandwidth_conf *ret,
			 struct cni_error *err)
{
	static const struct jpath runtime = { .key = "runtimeConfig.bandwidth" };
	struct document doc = { .fq_codel = false };
	struct rates top = { .given = false };
	struct bandwidth_conf conf = { .fq_codel = false };
	const struct rates *rates = &top;
	const struct jpath *at = NULL;

	if (jconf_fill(args->conf, NULL, rate_fields, ARRAY_SIZE(rate_fields), &top, err) < 0 ||
	    jconf_fill(args->conf, NULL, fields, ARRAY_SIZE(fields), &doc, err) < 0)
		return -1;
	if (!top.given) {
		rates = &doc.runtime;
		at = &runtime;
	}
	if (shape(&rates->ingress, &(struct jpath){ .up = at, .key = "ingressRate" },
		  &(struct jpath){ .up = at, .key = "ingressBurst" }, &conf.ingress, err) < 0 ||
	    shape(&rates->egress, &(struct jpath){ .up = at, .key = "egressRate" },
		  &(struct jpath){ .up = at, .key = "egressBurst" }, &conf.egress, err) < 0)
		return -1;
	conf.fq_codel = doc.fq_codel;
	*ret = conf;
	return 0;
}

bool bandwidth_conf_shapes(const struct bandwidth_conf *conf)
{
	return conf->ingress.rate != 0 || conf->egress.rate != 0;
}
