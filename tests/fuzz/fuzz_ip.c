/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>

#include "base/scoped.h"
#include "fuzz.h"
#include "net/ip.h"
#include "net/ipnet.h"

/* What is printed is read back as the same, and the C library agrees on what an address is. */
static void address(const char *text)
{
	struct ip ip, again, libc = { .b = { [10] = 0xff, [11] = 0xff } };
	char printed[IP_TEXT], theirs[INET6_ADDRSTRLEN];
	bool v4 = inet_pton(AF_INET, text, libc.b + 12) == 1;
	bool known = v4 || inet_pton(AF_INET6, text, libc.b) == 1;

	FUZZ_CHECK(ip_parse(text, &ip) == known);
	if (!known)
		return;
	FUZZ_CHECK(ip_equal(&ip, &libc));
	ip_print(&ip, printed);
	FUZZ_CHECK(ip_parse(printed, &again) && ip_equal(&ip, &again));
	again = ip_next(&ip);
	again = ip_prev(&again);
	FUZZ_CHECK(ip_equal(&ip, &again));
	if (ip_is4(&ip))
		FUZZ_CHECK(inet_ntop(AF_INET, ip.b + 12, theirs, sizeof(theirs)) != NULL);
	else
		FUZZ_CHECK(inet_ntop(AF_INET6, ip.b, theirs, sizeof(theirs)) != NULL);
	FUZZ_CHECK(strchr(theirs, '.') != NULL || strcmp(printed, theirs) == 0);
}

/* A prefix holds its own ends, and clearing host bits twice is clearing them once. */
static void prefix(const char *text)
{
	struct ipnet net, again;
	struct ip first, last;
	char printed[IPNET_TEXT];

	if (!ipnet_parse(text, &net))
		return;
	ipnet_print(&net, printed);
	FUZZ_CHECK(ipnet_parse(printed, &again) && ipnet_equal(&net, &again));
	first = ipnet_network(&net);
	last = ipnet_last(&net);
	FUZZ_CHECK(ip_cmp(&first, &last) <= 0);
	/* Within ::/0 to ::/95 lie the addresses that are IPv4's. */
	FUZZ_CHECK(ipnet_contains(&net, &first) || ip_is4(&first) != ip_is4(&net.addr));
	FUZZ_CHECK(ipnet_contains(&net, &last) || ip_is4(&last) != ip_is4(&net.addr));
	FUZZ_CHECK(ipnet_contains(&net, &net.addr) && ipnet_overlaps(&net, &net));
	net = ipnet_masked(&net);
	again = ipnet_masked(&net);
	FUZZ_CHECK(ipnet_equal(&net, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped_free char *text = fuzz_text(data, size);

	address(text);
	prefix(text);
	return 0;
}
