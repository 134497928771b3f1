#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A node booted with ipv6.disable=1: IPv4 works whole, a dual-stack network is refused by name."""

import os

from node import LAN4, NODE4, chain_of, down, eq, links, main, ports, refusal, steady, test, up

WEB = ports((8080, 80, "tcp"), (8080, 80, "udp"))


@test
def ipv6_is_off(w):
    assert not os.path.exists("/proc/sys/net/ipv6"), "this kernel was not booted with ipv6.disable=1"


@test
def ipv4_chain(w):
    lan, conflist = w.neighbour(v6=None), chain_of("pods", "10.88.0.0/24", bridge={"hairpinMode": True})
    lan.serve(7000)
    states = []
    for _ in range(2):
        web, other = up(w, conflist, "web", WEB), up(w, conflist, "other")
        assert w.pings(web.v4) and other.pings(web.v4), "no answer right after ADD"
        for protocol in ("tcp", "udp"):
            eq(lan.ask(NODE4, 8080, protocol), f"web {LAN4}", f"{protocol} host port for the neighbour")
            for name, where in (("node", w), ("pod itself", web), ("pod beside", other)):
                assert where.ask(NODE4, 8080, protocol), f"{protocol} host port from the {name}"
            assert w.ask("127.0.0.1", 8080, protocol), f"{protocol} 127.0.0.1:8080"
        eq(web.ask(LAN4, 7000), f"hello {NODE4}", "the pod at the neighbour")
        w.chain(conflist, "CHECK", web, "web", caps=WEB).ok()
        down(w, conflist, web, WEB)
        down(w, conflist, other)
        states.append(steady(w))
    w.same(*states, "the node after the second round")


@test
def dual_stack_is_refused(w):
    conflist, pod = chain_of("pods", "10.88.0.0/24", "fd88::/64"), w.pod("a")
    before = steady(w, pod)
    refusal(w.chain(conflist, "ADD", pod, "a", caps=WEB), "fd88::", "IPv6")
    w.same(before, steady(w, pod), "the node after a refused ADD")
    w.chain(conflist, "DEL", pod, "a", caps=WEB).ok()
    w.same(before, steady(w, pod), "the node after DEL")


@test
def refused_beside_a_running_network(w):
    """The bridge and the rules are there already; only the new pod must leave nothing."""
    four, dual = chain_of("four", "10.88.0.0/24"), chain_of("dual", "10.88.0.0/24", "fd88::/64")
    up(w, four, "web", WEB)
    pod, before = w.pod("a"), steady(w)
    refusal(w.chain(dual, "ADD", pod, "a"), "fd88::")
    w.same(before, steady(w), "the node after a refused ADD")
    eq(list(links(pod)), ["lo"], "links of the pod")


@test
def loopback_plugin(w):
    conf, pod = {"cniVersion": "1.1.0", "name": "lo", "type": "loopback"}, w.pod("a")
    result = w.call("loopback", "ADD", conf, pod, "a", ifname="lo").ok().json
    eq([entry["address"] for entry in result["ips"]], ["127.0.0.1/8"], "addresses of lo")
    w.call("loopback", "CHECK", {**conf, "prevResult": result}, pod, "a", ifname="lo").ok()
    w.call("loopback", "DEL", conf, pod, "a", ifname="lo").ok()


@test
def dad_and_spoof_check(w):
    """Switches that touch IPv6 sysctls or rules have nothing to do, and do not fail."""
    conflist = chain_of("pods", "10.88.0.0/24", bridge={"enabledad": True, "macspoofchk": True})
    up(w, conflist, "a", WEB)
    b = up(w, conflist, "b")
    assert b.pings("10.88.0.2"), "pods do not meet"


if __name__ == "__main__":
    main()
