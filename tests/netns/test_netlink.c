/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sandbox.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include "answer.h"
#include "base/jpath.h"
#include "base/text.h"
#include "netlink/addr.h"
#include "netlink/attr.h"
#include "netlink/link.h"
#include "netlink/neigh.h"
#include "netlink/req.h"

static struct nl opened(void)
{
	struct cni_error err;
	struct nl nl;

	assert_ok(nl_open(&nl, &err), &err);
	return nl;
}

static void put_link(struct nl_req *req, const char *name, const char *kind)
{
	nl_msg(req, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &(struct ifinfomsg){ .ifi_index = 0 },
	       sizeof(struct ifinfomsg));
	nl_what(req, "create %s", name);
	nl_put_str(req, IFLA_IFNAME, name);
	nl_nest(req, IFLA_LINKINFO);
	nl_put_str(req, IFLA_INFO_KIND, kind);
	nl_end(req);
}

static void the_failed_message_is_the_one_told(void **state)
{
	scoped_nl struct nl nl = opened();
	struct sandbox *s = *state;
	struct cni_error err;
	struct nl_req req;

	nl_begin(&req);
	put_link(&req, "br1", "bridge");
	put_link(&req, "br2", "nosuchkind");
	put_link(&req, "br1", "bridge");
	put_link(&req, "br3", "bridge");
	assert_int_equal(nl_call(&nl, &req, &err), -1);
	assert_int_equal(req.failed, 1);
	assert_int_equal(err.code, CNI_KERNEL);
	assert_int_equal(err.sys, EOPNOTSUPP);
	assert_string_equal(err.msg, "create br2: Operation not supported");
	assert_string_equal(err.details, "Unknown device type");
	sandbox_host_ok(s, "ip link show br1 && ip link show br3"); /* the others ran */

	nl_begin(&req); /* the socket is in step */
	put_link(&req, "br4", "bridge");
	assert_ok(nl_call(&nl, &req, &err), &err);
	sandbox_host_ok(s, "ip link show br4");
}

static void the_last_message_may_fail(void **state)
{
	scoped_nl struct nl nl = opened();
	struct cni_error err;
	struct nl_req req;

	(void)state;
	nl_begin(&req);
	put_link(&req, "br1", "bridge");
	put_link(&req, "br1", "bridge");
	assert_int_equal(nl_call(&nl, &req, &err), -1);
	assert_int_equal(err.sys, EEXIST);
	assert_int_equal(req.failed, 1);
}

static void the_configuration_is_pointed_at(void **state)
{
	const struct jpath list = { .up = NULL, .key = "bridges" };
	const struct jpath element = { .up = &list, .idx = 1 };
	scoped_nl struct nl nl = opened();
	struct cni_error err;
	struct nl_req req;

	(void)state;
	nl_begin(&req);
	put_link(&req, "br1", "bridge");
	nl_msg(&req, RTM_NEWLINK, NLM_F_CREATE, &(struct ifinfomsg){ .ifi_index = 0 },
	       sizeof(struct ifinfomsg));
	nl_what(&req, "create a bridge");
	nl_from(&req, &element);
	nl_put_str(&req, IFLA_IFNAME, "a-name-that-is-far-too-long");
	assert_int_equal(nl_call(&nl, &req, &err), -1);
	assert_shows(err.msg, "bridges[1]: create a bridge: ");
	assert_shows(err.details, "Attribute failed policy validation");
}

static void a_tolerated_errno_is_no_failure(void **state)
{
	scoped_nl struct nl nl = opened();
	struct cni_error err;
	struct nl_req req;

	(void)state;
	nl_begin(&req);
	put_link(&req, "br1", "bridge");
	put_link(&req, "br1", "bridge");
	nl_tolerate(&req, EEXIST);
	put_link(&req, "br2", "bridge");
	assert_ok(nl_call(&nl, &req, &err), &err);
	nl_begin(&req);
	put_link(&req, "br2", "bridge");
	nl_tolerate(&req, ENOENT);
	nl_tolerate(&req, EEXIST);
	assert_ok(nl_call(&nl, &req, &err), &err);
}

static void an_unknown_kind_names_its_module(void **state)
{
	scoped_nl struct nl nl = opened();
	struct cni_error err;
	struct nl_req req;

	(void)state;
	nl_begin(&req);
	put_link(&req, "x0", "nosuchkind");
	nl_module(&req, "nosuchmodule");
	assert_int_equal(nl_call(&nl, &req, &err), -1);
	assert_int_equal(err.sys, EOPNOTSUPP);
	assert_shows(err.msg, ": this needs the kernel module nosuchmodule: ");
	/* Another answer is not the module's fault. */
	nl_begin(&req);
	put_link(&req, "lo", "bridge");
	nl_module(&req, "bridge");
	assert_int_equal(nl_call(&nl, &req, &err), -1);
	assert_null(strstr(err.msg, "module"));
}

struct answers {
	size_t n, index;
	int link;
};

static int count_answer(const struct nlmsghdr *nlh, size_t index, void *arg, struct cni_error *err)
{
	struct answers *a = arg;

	(void)err;
	a->n++;
	a->index = index;
	a->link = ((const struct ifinfomsg *)attr_header(nlh, sizeof(struct ifinfomsg)))->ifi_index;
	return 0;
}

static int refuse_answer(const struct nlmsghdr *nlh, size_t index, void *arg, struct cni_error *err)
{
	(void)nlh;
	(void)index;
	(void)arg;
	return cni_fail(err, CNI_CONFLICT, "not this one");
}

static void answers_come_with_their_index(void **state)
{
	scoped_nl struct nl nl = opened();
	struct answers a = { .n = 0 };
	struct cni_error err;
	struct nl_req req;

	(void)state;
	nl_begin(&req);
	put_link(&req, "br1", "bridge");
	nl_msg(&req, RTM_GETLINK, 0, &(struct ifinfomsg){ .ifi_index = 1 },
	       sizeof(struct ifinfomsg));
	put_link(&req, "br2", "bridge");
	req.reply = count_answer;
	req.reply_arg = &a;
	assert_ok(nl_call(&nl, &req, &err), &err);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.index, 1);
	assert_int_equal(a.link, 1);

	nl_begin(&req);
	nl_msg(&req, RTM_GETLINK, 0, &(struct ifinfomsg){ .ifi_index = 1 },
	       sizeof(struct ifinfomsg));
	req.reply = refuse_answer;
	assert_int_equal(nl_call(&nl, &req, &err), -1);
	assert_int_equal(err.code, CNI_CONFLICT);
}

struct walk {
	size_t n, stop_at;
};

static int count_link(const struct link *link, void *arg, struct cni_error *err)
{
	struct walk *w = arg;

	assert_string_equal(link->kind, "veth");
	return ++w->n == w->stop_at ? cni_fail(err, CNI_CONFLICT, "enough") : 0;
}

/* More than one buffer of answers, and a listener who leaves early. */
static void long_dumps(void **state)
{
	scoped_nl struct nl nl = opened();
	struct sandbox *s = *state;
	struct walk all = { .n = 0 }, some = { .stop_at = 3 };
	struct cni_error err;
	struct link link;

	sandbox_host_ok(s, "for i in $(seq 150); do echo link add v$i type veth peer name w$i; "
			   "done | ip -batch -; ip link add br0 type bridge");
	assert_ok(link_each(&nl, "veth", count_link, &all, &err), &err);
	assert_int_equal(all.n, 300);
	assert_int_equal(link_each(&nl, "veth", count_link, &some, &err), -1);
	assert_int_equal(err.code, CNI_CONFLICT);
	assert_int_equal(some.n, 3);
	assert_ok(link_get(&nl, "v150", &link, &err), &err);
	all.n = 0;
	assert_ok(link_each(&nl, "veth", count_link, &all, &err), &err);
	assert_int_equal(all.n, 300);
	all.n = 0;
	assert_ok(link_each(&nl, "nosuchkind", count_link, &all, &err), &err);
	assert_int_equal(all.n, 0);
}

/* What a call that timed out left unread is nobody's answer any more. */
static void strays_are_skipped(void **state)
{
	scoped_nl struct nl nl = opened();
	struct sandbox *s = *state;
	struct walk all = { .n = 0 };
	struct cni_error err;
	struct link link;
	struct nl_req req;

	sandbox_host_ok(s, "ip link add v type veth peer name w");
	assert_ok(link_get(&nl, "v", &link, &err), &err);
	for (int i = 0; i < 2; i++) {
		nl_begin(&req);
		nl_msg(&req, RTM_GETLINK, NLM_F_ACK, &(struct ifinfomsg){ .ifi_index = link.index },
		       sizeof(struct ifinfomsg));
		assert_true(mnl_socket_sendto(nl.sk, req.buf, req.len) > 0); /* number 0 */
		if (i == 0) {
			assert_ok(link_get(&nl, "lo", &link, &err), &err);
			assert_string_equal(link.name, "lo");
			assert_ok(link_get(&nl, "v", &link, &err), &err);
		} else {
			assert_ok(link_each(&nl, "veth", count_link, &all, &err), &err);
			assert_int_equal(all.n, 2);
		}
	}
}

static void links_by_name_and_number(void **state)
{
	scoped_nl struct nl nl = opened();
	struct sandbox *s = *state;
	struct link link = { .index = 77 };
	struct cni_error err;

	assert_int_equal(link_get(&nl, "none", &link, &err), -1);
	assert_int_equal(err.sys, ENODEV);
	assert_string_equal(err.msg, "read link none: No such device");
	assert_int_equal(link.index, 77);
	assert_int_equal(link_get_index(&nl, 4711, &link, &err), -1);
	assert_int_equal(err.sys, ENODEV);
	assert_int_equal(link_get_index(&nl, 0, &link, &err), -1);
	assert_int_equal(err.sys, ENODEV);
	assert_ok(link_get(&nl, "lo", &link, &err), &err);
	assert_int_equal(link.index, 1);
	assert_true(link.flags & IFF_LOOPBACK);
	assert_string_equal(link.kind, "");
	sandbox_host_ok(
	    s, "ip link add br0 type bridge && ip link property add dev br0 altname other");
	assert_int_equal(link_get(&nl, "other", &link, &err), -1);
	assert_int_equal(err.sys, ENODEV);
}

static void links_are_changed(void **state)
{
	static const struct bridge_spec spec = { .name = "br0",
						 .mtu = 1400,
						 .mac = { { 2, 0, 0, 0, 0, 9 } } };
	static const struct mac other = { { 2, 0, 0, 0, 0, 10 } };
	scoped_nl struct nl nl = opened();
	struct sandbox *s = *state;
	struct cni_error err;
	struct link link;

	assert_ok(link_add_bridge(&nl, &spec, &err), &err);
	assert_int_equal(link_add_bridge(&nl, &spec, &err), -1);
	assert_int_equal(err.sys, EEXIST);
	assert_ok(link_get(&nl, "br0", &link, &err), &err);
	assert_string_equal(link.kind, "bridge");
	assert_int_equal(link.mtu, 1400);
	assert_true(mac_equal(&link.mac, &spec.mac));
	assert_string_equal(sandbox_host_ok(s, "cat /proc/sys/net/ipv4/conf/br0/route_localnet"),
			    "0\n");
	assert_ok(link_set_inet(&nl, link.index, "br0", IPV4_DEVCONF_ROUTE_LOCALNET, 1, &err),
		  &err);
	assert_string_equal(sandbox_host_ok(s, "cat /proc/sys/net/ipv4/conf/br0/route_localnet"),
			    "1\n");
	assert_ok(link_set_up(&nl, link.index, "br0", &err), &err);
	assert_ok(link_set_flags(&nl, link.index, IFF_PROMISC, IFF_PROMISC, "br0", &err), &err);
	assert_ok(link_set_mac(&nl, link.index, "br0", &other, &err), &err);
	assert_shows(sandbox_host_ok(s, "ip -d link show br0"), "PROMISC,UP");
	assert_shows(s->out, "02:00:00:00:00:0a");
	assert_ok(link_get(&nl, "br0", &link, &err), &err);
	assert_int_equal(link.promiscuity, 1);
	assert_ok(link_set_down(&nl, link.index, "br0", &err), &err);
	assert_null(strstr(sandbox_host_ok(s, "ip link show br0"), "UP"));
	assert_ok(link_delete(&nl, "br0", &err), &err);
	assert_ok(link_delete(&nl, "br0", &err), &err); /* absent is success */
	assert_ok(link_delete_index(&nl, link.index, "br0", &err), &err);
	assert_int_not_equal(sandbox_host(s, "ip link show br0"), 0);
}

static void a_port_joins_and_leaves(void **state)
{
	scoped_nl struct nl nl = opened();
	struct sandbox *s = *state;
	struct link bridge, port;
	struct cni_error err;

	sandbox_host_ok(s, "ip link add br0 type bridge && ip link add v type veth peer name w");
	assert_ok(link_get(&nl, "br0", &bridge, &err), &err);
	assert_ok(link_get(&nl, "v", &port, &err), &err);
	assert_ok(link_set_master(&nl, port.index, "v", bridge.index, &err), &err);
	assert_shows(sandbox_host_ok(s, "ip link show v"), "master br0");
	assert_ok(link_set_master(&nl, port.index, "v", 0, &err), &err);
	assert_null(strstr(sandbox_host_ok(s, "ip link show v"), "master"));
}

static struct ipnet net(const char *text)
{
	struct ipnet ret;

	assert_true(ipnet_parse(text, &ret));
	return ret;
}

static void addresses_come_and_go(void **state)
{
	const struct ipnet four = net("10.88.0.1/16"), six = net("fd00::1/64"),
			   other = net("10.88.0.1/24");
	scoped_free struct addr *all = NULL, *sixes = NULL;
	scoped_nl struct nl nl = opened();
	struct sandbox *s = *state;
	struct cni_error err;
	struct link link;
	size_t n;

	sandbox_host_ok(s, "ip link add br0 type bridge && ip link set br0 up");
	assert_ok(link_get(&nl, "br0", &link, &err), &err);
	assert_ok(addr_add(&nl, link.index, "br0", &four, 0, &err), &err);
	assert_ok(addr_add(&nl, link.index, "br0", &six, IFA_F_NODAD, &err), &err);
	assert_int_equal(addr_add(&nl, link.index, "br0", &six, 0, &err), -1);
	assert_int_equal(err.sys, EEXIST);
	assert_shows(err.msg, "add address fd00::1/64 to br0");
	assert_shows(sandbox_host_ok(s, "ip -o addr show br0"),
		     "inet 10.88.0.1/16 brd 10.88.255.255 scope global");
	assert_shows(s->out, "inet6 fd00::1/64 scope global nodad");
	assert_ok(addr_list(&nl, link.index, AF_INET6, &sixes, &n, &err), &err);
	assert_int_equal(n, 2); /* and the link-local one */
	assert_ok(addr_list(&nl, link.index, AF_UNSPEC, &all, &n, &err), &err);
	assert_int_equal(n, 3);
	assert_true(ipnet_equal(&all[0].net, &four));
	assert_ok(addr_delete(&nl, link.index, "br0", &other, &err), &err); /* not that one */
	assert_shows(sandbox_host_ok(s, "ip -o addr show br0"), "10.88.0.1/16");
	for (int i = 0; i < 2; i++) {
		assert_ok(addr_delete(&nl, link.index, "br0", &four, &err), &err);
		assert_ok(addr_delete(&nl, link.index, "br0", &six, &err), &err);
	}
	assert_null(strstr(sandbox_host_ok(s, "ip -o addr show br0"), "global"));
}

static void neighbours_are_forgotten(void **state)
{
	const struct ip four = net("10.88.0.5/32").addr, six = net("fd00::5/128").addr;
	scoped_nl struct nl nl = opened();
	struct sandbox *s = *state;
	struct cni_error err;
	struct link link;

	sandbox_host_ok(s, "ip link add br0 type bridge && ip link set br0 up && "
			   "ip neigh add 10.88.0.5 lladdr 02:00:00:00:00:05 dev br0 && "
			   "ip neigh add fd00::5 lladdr 02:00:00:00:00:05 dev br0 nud stale");
	assert_ok(link_get(&nl, "br0", &link, &err), &err);
	for (int i = 0; i < 2; i++) {
		assert_ok(neigh_delete(&nl, link.index, &four, &err), &err);
		assert_ok(neigh_delete(&nl, link.index, &six, &err), &err);
	}
	assert_string_equal(sandbox_host_ok(s, "ip neigh show nud all dev br0 to 10.88.0.5; "
					       "ip neigh show dev br0 to fd00::5"),
			    "");
}

static void a_closed_socket_is_our_mistake(void **state)
{
	struct nl nl = { .sk = NULL };
	struct cni_error err;
	struct link link;

	(void)state;
	nl_close(&nl);
	assert_int_equal(link_get(&nl, "lo", &link, &err), -1);
	assert_int_equal(err.code, CNI_INTERNAL);
}

static void faults_come_once_and_in_order(void **state)
{
	scoped_nl struct nl nl = opened();
	struct cni_error err;
	struct link link;
	int left = 1;

	(void)state;
	nl.fail_after = &left;
	assert_ok(link_get(&nl, "lo", &link, &err), &err);
	assert_int_equal(link_get(&nl, "lo", &link, &err), -1);
	assert_int_equal(err.sys, EIO);
	assert_shows(err.msg, "read link lo");
	assert_ok(link_get(&nl, "lo", &link, &err), &err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		sandbox_test(the_failed_message_is_the_one_told),
		sandbox_test(the_last_message_may_fail),
		sandbox_test(the_configuration_is_pointed_at),
		sandbox_test(a_tolerated_errno_is_no_failure),
		sandbox_test(an_unknown_kind_names_its_module),
		sandbox_test(answers_come_with_their_index),
		sandbox_test(long_dumps),
		sandbox_test(strays_are_skipped),
		sandbox_test(links_by_name_and_number),
		sandbox_test(links_are_changed),
		sandbox_test(a_port_joins_and_leaves),
		sandbox_test(addresses_come_and_go),
		sandbox_test(neighbours_are_forgotten),
		sandbox_test(a_closed_socket_is_our_mistake),
		sandbox_test(faults_come_once_and_in_order),
	};

	return sandbox_run_group(tests);
}
