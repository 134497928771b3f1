#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bridge, host-local and portmap under an older nf_tables: masquerade, host ports, conflicts, repair.

The same ground as the tests under the development kernel, only where kernels differ: what the
netlink errors are, what conntrack can delete, when a new port forwards.
"""

from node import (LAN4, LAN6, NODE4, NODE6, add, chain_of, delete, down, eq, host_end, links, main, network,
                  ports, refusal, steady, test, up)

WEB = ports((8080, 80, "tcp"), (8080, 80, "udp"))
DUAL = ("10.88.0.0/24", "fd88::/64")


def br_netfilter(w, on):
    w.sh("modprobe br_netfilter")
    for name in ("iptables", "ip6tables"):
        w.sysctl(f"net/bridge/bridge-nf-call-{name}", on)


def host_ports_everywhere(w, lan, web, other, call6=False):
    """From the neighbour, the node, loopback, the pod itself and its own neighbour on the bridge;
    the kernel never lets [::1] through with bridge-nf-call-ip6tables."""
    for protocol in ("tcp", "udp"):
        for node, client in ((NODE4, LAN4), (NODE6, LAN6)):
            eq(lan.ask(node, 8080, protocol), f"web {client}", f"{protocol} host port for the neighbour")
            for name, where in (("node", w), ("pod itself", web), ("pod beside", other)):
                answer = where.ask(node, 8080, protocol)
                assert answer and answer.startswith("web "), f"{protocol} {node}:8080 from the {name}: {answer}"
        assert w.ask("127.0.0.1", 8080, protocol), f"{protocol} 127.0.0.1:8080"
        if not call6:
            assert w.ask("::1", 8080, protocol), f"{protocol} [::1]:8080"
    assert lan.ask(NODE4, 80) is None, "the container's port is open on the node"


@test
def whole_chain(w):
    lan, conflist = w.neighbour(), chain_of("pods", *DUAL, bridge={"hairpinMode": True})
    br_netfilter(w, 0)
    lan.serve(7000)
    states = []
    for _ in range(2):
        web, other = up(w, conflist, "web", WEB), up(w, conflist, "other")
        for target in (web.v4, web.v6):
            assert w.pings(target) and other.pings(target), f"no answer from {target} right after ADD"
        host_ports_everywhere(w, lan, web, other)
        eq(web.ask(LAN4, 7000), f"hello {NODE4}", "the pod's IPv4 address at the neighbour")
        eq(web.ask(LAN6, 7000), f"hello {NODE6}", "the pod's IPv6 address at the neighbour")
        w.chain(conflist, "CHECK", web, "web", caps=WEB).ok()
        w.chain(conflist, "CHECK", other, "other").ok()
        down(w, conflist, web, WEB)
        down(w, conflist, other)
        assert lan.ask(NODE4, 8080, seconds=1) is None, "the host port is still open"
        states.append(steady(w))
    w.same(*states, "the node after the second round")


@test
def first_pod_over_ipv6_from_outside(w):
    """The node asks for a pod's MAC on behalf of others from cni0's link-local address, which must not
    be tentative for its first seconds."""
    lan = w.neighbour()
    web = up(w, chain_of("pods", *DUAL), "web", WEB)
    tentative = [entry["local"] for entry in links(w)["cni0"]["addr_info"] if entry.get("tentative")]
    eq(tentative, [], "tentative addresses of cni0 when ADD is done")
    eq(lan.ask(NODE6, 8080), f"web {LAN6}", f"IPv6 host port of {web.v6}")


@test
def bridge_netfilter(w):
    br_netfilter(w, 1)
    lan, conflist = w.neighbour(), chain_of("pods", *DUAL, bridge={"hairpinMode": True})
    web, other = up(w, conflist, "web", WEB), up(w, conflist, "other")
    assert other.pings(web.v4) and other.pings(web.v6), "pods do not meet with br_netfilter"
    host_ports_everywhere(w, lan, web, other, call6=True)


@test
def sctp_host_port(w):
    w.sh("modprobe sctp")
    lan, conflist = w.neighbour(), chain_of("pods", *DUAL)
    caps = ports((8080, 80, "sctp"))
    web = up(w, conflist, "web", caps)
    web.serve(80, "sctp", "web")
    eq(lan.ask(NODE4, 8080, "sctp"), f"web {LAN4}", "SCTP host port")
    eq(lan.ask(NODE6, 8080, "sctp"), f"web {LAN6}", "SCTP host port over IPv6")


@test
def udp_client_follows_to_the_next_pod(w):
    """A conntrack entry of the old pod would hold the client for 30 s; a foreign one must survive."""
    lan, conflist = w.neighbour(), chain_of("pods", *DUAL)
    lan.serve(8080, "udp", "foreign")
    old = up(w, conflist, "old", WEB)
    eq(w.ask(LAN4, 8080, "udp", source_port=3333), f"foreign {NODE4}", "a flow that is not ours")
    for node in (NODE4, NODE6):
        eq(lan.ask(node, 8080, "udp", source_port=4444).split()[0], "old", f"the first pod by {node}")
    down(w, conflist, old, WEB)
    for node in (NODE4, NODE6):
        eq(lan.ask(node, 8080, "udp", seconds=1, source_port=4444), None, f"host port without a pod by {node}")
    up(w, conflist, "new", WEB)
    for node in (NODE4, NODE6):
        answer = lan.ask(node, 8080, "udp", source_port=4444)
        assert answer and answer.startswith("new"), f"the second pod by {node}: {answer}"
    table = w.sh("conntrack -L -p udp --orig-port-src 3333").stdout
    assert f"dst={LAN4}" in table, f"a foreign flow was forgotten: {table}"


@test
def reused_address_answers_at_once(w):
    """The node remembers the old MAC for 30 s unless the new pod announces itself, when its port forwards."""
    conf = {**chain_of("pods", *DUAL)["plugins"][0], "cniVersion": "1.1.0"}
    beside = w.pod("beside")
    add(w, conf, beside, "beside")
    for number in range(4):
        pod, mac = w.pod(f"p{number}"), f"02:00:00:00:00:{number:02x}"
        w.call("bridge", "ADD", {**conf, "args": {"cni": {"mac": mac, "ips": ["10.88.0.77"]}}}, pod, pod.name).ok()
        for who, where in (("node", w), ("pod beside", beside)):
            assert where.pings("10.88.0.77"), f"the {who} does not reach pod {number} at the reused address"
        delete(w, conf, pod, pod.name)


@test
def host_port_of_a_living_pod(w):
    lan, conflist = w.neighbour(), chain_of("pods", *DUAL)
    up(w, conflist, "web", WEB)
    before, late = steady(w), w.pod("late")
    refusal(w.chain(conflist, "ADD", late, "late", caps=WEB), "8080", "web")
    w.chain(conflist, "DEL", late, "late", caps=WEB).ok()
    w.same(before, steady(w), "the node after a refused host port")
    eq(lan.ask(NODE4, 8080), f"web {LAN4}", "the living pod's host port")


@test
def host_port_of_a_dead_pod(w):
    lan, conflist = w.neighbour(), chain_of("pods", *DUAL)
    dead = up(w, conflist, "dead", WEB)
    w.remove(dead)
    w.sh(f"ip link del {host_end(dead.result.steps[0].json)}", check=False)
    up(w, conflist, "heir", WEB)
    for node, client in ((NODE4, LAN4), (NODE6, LAN6)):
        eq(lan.ask(node, 8080), f"heir {client}", "the host port of a dead pod")
    w.chain(conflist, "DEL", None, "dead", caps=WEB).ok()
    eq(lan.ask(NODE4, 8080), f"heir {LAN4}", "the host port after the dead pod's DEL")


@test
def repeated_portmap_add_replaces(w):
    """One owner, another address: as a runtime retries after a crash."""
    lan, conflist = w.neighbour(), chain_of("pods", *DUAL)
    a, b = up(w, conflist, "a", WEB), up(w, conflist, "b", ports((9090, 80, "tcp")))
    portmap = {**conflist["plugins"][1], "cniVersion": "1.1.0", "name": "pods", "runtimeConfig": WEB}
    moved = {**a.result.json, "ips": b.result.json["ips"]}
    for target, result in (("b", moved), ("b", moved), ("a", a.result.json)):
        w.call("portmap", "ADD", {**portmap, "prevResult": result}, a, "a").ok()
        eq(lan.ask(NODE4, 8080), f"{target} {LAN4}", "the host port after a repeated ADD")
        eq(lan.ask(NODE4, 9090), f"b {LAN4}", "another pod's host port")


@test
def flushed_rules_come_back(w):
    lan, conflist = w.neighbour(), chain_of("pods", *DUAL)
    lan.serve(7000)
    web = up(w, conflist, "web", WEB)
    for number, harm in enumerate(("nft flush ruleset", "nft delete table inet podwire", "nft flush table inet podwire")):
        w.sh(harm, check=False)
        up(w, conflist, f"later{number}", ports((9000 + number, 80, "tcp")))
        eq(lan.ask(NODE4, 8080), f"web {LAN4}", f"a running pod's host port after `{harm}` and another ADD")
        eq(web.ask(LAN4, 7000), f"hello {NODE4}", f"a running pod's masquerade after `{harm}` and another ADD")


@test
def loopback_services_stay_closed(w):
    """A pod and a neighbour that send to 127.0.0.1 over the wire; route_localnet would let them in."""
    lan, conflist = w.neighbour(), chain_of("pods", *DUAL)
    web = up(w, conflist, "web", WEB)
    w.serve(7777, text="secret", address="127.0.0.1")
    for pod, router in ((web, "10.88.0.1"), (lan, NODE4)):
        pod.sysctl("net/ipv4/conf/all/route_localnet", 1)
        pod.sh("ip addr flush dev lo")
        pod.sh(f"ip route add 127.0.0.1 via {router}")
        eq(pod.ask("127.0.0.1", 7777, seconds=1), None, f"127.0.0.1:7777 of the node from {pod.name}")
    eq(w.ask("127.0.0.1", 7777), "secret 127.0.0.1", "the node's own service")
    assert w.ask("127.0.0.1", 8080), "127.0.0.1:8080 does not reach the pod"


@test
def conditions(w):
    lan, other = w.neighbour(), w.neighbour("node3", "eth1", ("198.51.100.1/24", "198.51.100.2/24"), None, False)
    for tokens, number in ((["-s", "198.51.100.0/24"], 1), (["ip", "saddr", "198.51.100.0/24"], 2)):
        conflist = chain_of(f"pods{number}", f"10.88.{number}.0/24", bridge={"bridge": f"br{number}"},
                            portmap={"conditionsV4": tokens, "backend": "iptables" if number == 1 else "nftables"})
        up(w, conflist, f"web{number}", ports((8080 + number, 80, "tcp")))
        eq(lan.ask(NODE4, 8080 + number, seconds=1), None, f"a client outside of {tokens}")
        eq(other.ask("198.51.100.1", 8080 + number), f"web{number} 198.51.100.2", f"a client inside of {tokens}")


@test
def gc_of_one_network(w):
    lan = w.neighbour()
    mine, theirs = chain_of("mine", *DUAL), chain_of("theirs", "10.89.0.0/24", bridge={"bridge": "cni1"})
    lost, kept = up(w, mine, "lost", WEB), up(w, mine, "kept", ports((8081, 80, "tcp")))
    up(w, theirs, "foreign", ports((8082, 80, "tcp")))
    w.chain(mine, "GC", valid=[("kept", "eth0")]).ok()
    eq(lan.ask(NODE4, 8080, seconds=1), None, "a host port after GC")
    for port, name in ((8081, "kept"), (8082, "foreign")):
        eq(lan.ask(NODE4, port), f"{name} {LAN4}", "a valid attachment's host port after GC")
    assert host_end(lost.result.steps[0].json) not in links(w), "GC left the veth"
    rules = w.sh("nft list ruleset").stdout
    assert lost.v4 not in rules and kept.v4 in rules, "masquerade elements after GC"


@test
def many_at_once(w):
    conflist = chain_of("pods", *DUAL)
    conf = {**conflist["plugins"][0], "cniVersion": "1.1.0"}
    pods = [w.pod(f"p{number}") for number in range(8)]
    for verb in ("ADD", "DEL"):
        calls = [w.start("bridge", verb, conf, pod, pod.name) for pod in pods]
        replies = [w.finish(call, "bridge", verb).ok() for call in calls]
        if verb == "ADD":
            eq(len({reply.ips()[0] for reply in replies}), len(pods), "distinct addresses")
            assert all(w.pings(reply.ips()[0]) for reply in replies), "a pod does not answer"
    left = [name for name, link in links(w).items() if link.get("master") == "cni0"]
    eq(left, [], "ports left on the bridge")


@test
def host_local_files(w):
    conf = network("pods", "10.88.0.0/29")
    for number in range(2, 7):
        add(w, conf, w.pod(f"p{number}"), f"p{number}")
        with open(f"/var/lib/cni/networks/pods/10.88.0.{number}", "rb") as file:
            eq(file.read(), f"p{number}\r\neth0".encode(), "the address file")
    refusal(w.call("bridge", "ADD", conf, w.pod("full"), "full"), "10.88.0.")


if __name__ == "__main__":
    main()
