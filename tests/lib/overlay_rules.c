/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pkg/nft/overlay.h as a program, for tests:
 *
 *	overlay_rules apply|remove|probe|differ|status [KEY=VALUE ...]
 *
 * Keys: network, net and own (of either family), masq, random, mark, nonmasq (often), port, drop,
 * sender (often), many (so many senders from 10.0.0.1 on), fail (the send that fails). It prints
 *what came out; a failure is its code and message on stderr, and exit code 1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "nft/overlay_parts.h"

#define MANY 20000

struct input {
	struct nft_overlay o;
	struct ipnet non_masq[16];
	struct ip senders[MANY];
	int fail; /* -1: none */
};

static void die(const char *what)
{
	fprintf(stderr, "what is \"%s\"?\n", what);
	exit(2);
}

static unsigned number(const char *text)
{
	uint64_t v = 0;

	if (!num_parse(text, UINT16_MAX, &v))
		die(text);
	return (unsigned)v;
}

static struct ipnet net(const char *text)
{
	struct ipnet n;

	if (!ipnet_parse(text, &n))
		die(text);
	return n;
}

static struct ip address(const char *text)
{
	struct ip ip;

	if (!ip_parse(text, &ip))
		die(text);
	return ip;
}

static void set_net(struct nft_overlay *o, bool own, struct ipnet n)
{
	bool four = ip_is4(&n.addr);

	*(four ? &o->has4 : &o->has6) = true;
	*(own ? (four ? &o->own4 : &o->own6) : (four ? &o->net4 : &o->net6)) = n;
}

static void add_sender(struct input *in, struct ip ip)
{
	if (in->o.n_senders == MANY)
		die("so many senders");
	in->senders[in->o.n_senders++] = ip;
}

static void add_many(struct input *in, unsigned n)
{
	struct ip ip = address("10.0.0.1");

	for (unsigned i = 0; i < n; i++) {
		add_sender(in, ip);
		ip = ip_next(&ip);
	}
}

static bool is(const char *arg, const char *key, const char **ret_value)
{
	size_t len = strlen(key);

	if (strncmp(arg, key, len) != 0 || arg[len] != '=')
		return false;
	*ret_value = arg + len + 1;
	return true;
}

static void read_list(struct input *in, const char *arg)
{
	const char *v;

	if (is(arg, "net", &v) || is(arg, "own", &v))
		set_net(&in->o, arg[0] == 'o', net(v));
	else if (is(arg, "nonmasq", &v) && in->o.n_non_masq < 16)
		in->non_masq[in->o.n_non_masq++] = net(v);
	else if (is(arg, "sender", &v))
		add_sender(in, address(v));
	else if (is(arg, "many", &v))
		add_many(in, number(v));
	else
		die(arg);
}

static void read_arg(struct input *in, const char *arg)
{
	const char *v;

	if (is(arg, "network", &v))
		in->o.network = v;
	else if (is(arg, "masq", &v))
		in->o.masquerade = number(v) != 0;
	else if (is(arg, "random", &v))
		in->o.random_fully = number(v) != 0;
	else if (is(arg, "mark", &v))
		in->o.forward_mark = number(v) != 0 ? UINT32_C(1) << number(v) : 0;
	else if (is(arg, "port", &v))
		in->o.vxlan_port = (uint16_t)number(v);
	else if (is(arg, "drop", &v))
		in->o.drop_strangers = number(v) != 0;
	else if (is(arg, "fail", &v))
		in->fail = (int)number(v);
	else
		read_list(in, arg);
}

/* In a session of its own, so that one of its sends can fail. */
static int apply_failing(struct input *in, bool *ret_changed, struct cni_error *err)
{
	scoped_session struct nft_session s;

	if (session_open(&s, err) < 0)
		return -1;
	s.tx.fail_after = &in->fail;
	return overlay_apply_in(&s, &in->o, ret_changed, err);
}

static void print(void *arg, const char *text)
{
	(void)arg;
	puts(text);
}

static int run(const char *verb, struct input *in, struct cni_error *err)
{
	struct nft_overlay_strangers strangers;
	bool yes = false;
	int r;

	if (strcmp(verb, "remove") == 0)
		return nft_overlay_remove(in->o.network, err);
	if (strcmp(verb, "status") == 0)
		return nft_overlay_status(&in->o, err);
	if (strcmp(verb, "apply") == 0) {
		r = in->fail < 0 ? nft_overlay_apply(&in->o, &yes, err)
				 : apply_failing(in, &yes, err);
		if (r == 0)
			puts(yes ? "changed" : "same");
	} else if (strcmp(verb, "probe") == 0) {
		r = nft_overlay_probe(&in->o, &yes, err);
		if (r == 0)
			puts(yes ? "stands" : "fell");
	} else {
		r = nft_overlay_differ(&in->o, print, NULL, &strangers, err);
		if (r == 0)
			printf("strangers %llu %llu\n", (unsigned long long)strangers.packets,
			       (unsigned long long)strangers.bytes);
	}
	return r;
}

int main(int argc, char **argv)
{
	static struct input in = { .o.network = "podnet", .fail = -1 };
	struct cni_error err = { 0 };

	in.o.non_masq = in.non_masq;
	in.o.senders = in.senders;
	if (argc < 2)
		die("nothing");
	for (int i = 2; i < argc; i++)
		read_arg(&in, argv[i]);
	if (run(argv[1], &in, &err) == 0)
		return 0;
	fprintf(stderr, "%d %s\n", err.code, err.msg);
	return 1;
}
