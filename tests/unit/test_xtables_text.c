/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <netinet/in.h>

#include "base/scoped.h"
#include "nft/xtables_text.h"

#define POD	"CNI-DN-02e834d30a04e997624ba"
#define COMMENT "-m comment --comment \"dnat name: \\\"old\\\" id: \\\"a\\\"\" "

static void lines(void **state)
{
	static const struct {
		const char *line, *chain, *jump, *comment, *from, *to;
		uint8_t protocol;
		size_t n_ports;
		uint16_t last;
		bool dnat, other;
	} cases[] = {
		{ "-A CNI-HOSTPORT-DNAT -p tcp " COMMENT "-m multiport --dports 80,81 -j " POD,
		  "CNI-HOSTPORT-DNAT", POD, "dnat name: \"old\" id: \"a\"", NULL, NULL, IPPROTO_TCP,
		  2, 81, false, false },
		{ "-A " POD " -d 192.0.2.1/32 -p udp -m udp --dport 80 -j DNAT "
		  "--to-destination 10.88.0.2:80",
		  POD, "DNAT", "", NULL, "192.0.2.1", IPPROTO_UDP, 1, 80, true, true },
		{ "-A POSTROUTING -s 10.88.0.2/32 -j CNI-0", "POSTROUTING", "CNI-0", "",
		  "10.88.0.2", NULL, 0, 0, 0, false, false },
		{ "-A X ! -d 224.0.0.0/4 -j MASQUERADE", "X", "MASQUERADE", "", NULL, NULL, 0, 0, 0,
		  false, true },
		{ "-A X -s 10.88.0.0/24 -j ACCEPT", "X", "ACCEPT", "", NULL, NULL, 0, 0, 0, false,
		  true },
		{ "-A X -p sctp -m multiport --dports 80:90,91 -j Y", "X", "Y", "", NULL, NULL,
		  IPPROTO_SCTP, 0, 0, false, false },
		{ "-A X", "X", "", "", NULL, NULL, 0, 0, 0, false, false },
	};
	struct xtables_rule r;
	struct ip ip;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_true(xtables_line_read(cases[i].line, true, &r));
		assert_string_equal(r.chain, cases[i].chain);
		assert_string_equal(r.jump, cases[i].jump);
		assert_string_equal(r.comment, cases[i].comment);
		assert_int_equal(r.has_from, cases[i].from != NULL);
		assert_true(!r.has_from ||
			    (ip_parse(cases[i].from, &ip) && ip_equal(&ip, &r.from)));
		assert_int_equal(r.has_to, cases[i].to != NULL);
		assert_true(!r.has_to || (ip_parse(cases[i].to, &ip) && ip_equal(&ip, &r.to)));
		assert_int_equal(r.protocol, cases[i].protocol);
		assert_int_equal(r.n_ports, cases[i].n_ports);
		assert_true(r.n_ports == 0 || r.ports[r.n_ports - 1] == cases[i].last);
		assert_int_equal(r.dnat, cases[i].dnat);
		assert_int_equal(r.other, cases[i].other);
	}
}

static void not_a_rule(void **state)
{
	static const char *const cases[] = {
		"",	"-P FORWARD ACCEPT",
		"-N X", "-A ",
		"-A",	"-A 0123456789012345678901234567890 -j X",
	};
	struct xtables_rule r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_false(xtables_line_read(cases[i], true, &r));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(lines), cmocka_unit_test(not_a_rule) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
