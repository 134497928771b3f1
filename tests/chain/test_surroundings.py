# SPDX-License-Identifier: GPL-2.0-or-later
"""bridge + host-local + portmap among others: br_netfilter, FORWARD policies, rp_filter, hosts of one
family, and the rules of Docker and kube-proxy. What belongs to others is the same text afterwards."""

import itertools
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from others import DOCKER, KUBE_PROXY  # noqa: E402
from world import eq, main, test  # noqa: E402

HOST, HOST6, NODE2, NODE26 = "192.0.2.1", "2001:db8:0:1::1", "192.0.2.2", "2001:db8:0:1::2"


def chain(families=(4, 6), version="1.1.0", **keys):
    subnets = {4: "10.55.0.0/24", 6: "fd55::/64"}
    return {"cniVersion": version, "name": "chainnet", "plugins": [
        {"type": "bridge", "bridge": "cni0", "isDefaultGateway": True, "ipMasq": True, "hairpinMode": True,
         "ipam": {"type": "host-local", "ranges": [[{"subnet": subnets[f]}] for f in families]}, **keys},
        {"type": "portmap", "capabilities": {"portMappings": True}}]}


def ports(*pairs):
    return {"portMappings": [{"hostPort": h, "containerPort": c, "protocol": p} for h, c, p in pairs]}


def attach(w, families=(4, 6), **keys):
    """Two pods, the first with host ports; servers inside; returns them and the second machine."""
    v4 = (f"{HOST}/24", f"{NODE2}/24") if 4 in families else None
    v6 = (f"{HOST6}/64", f"{NODE26}/64") if 6 in families else None
    node2 = w.neighbour(v4=v4, v6=v6)
    a, b = w.pod("a"), w.pod("b")
    c = chain(families, **keys)
    w.chain(c, "ADD", a, id="a", caps=ports((8080, 80, "tcp"), (8053, 53, "udp"))).ok()
    w.chain(c, "ADD", b, id="b", caps=ports()).ok()
    for net, port, proto in ((a, 80, "tcp"), (a, 53, "udp"), (node2, 7000, "tcp")):
        net.serve(port, proto)
    return c, a, b, node2


def traffic(w, a, b, node2, families=(4, 6), itself=True):
    """Every way to the host port, and the way out."""
    table = {4: (HOST, NODE2, "10.55.0.1", "10.55.0.3", "127.0.0.1"), 6: (HOST6, NODE26, "fd55::1", "fd55::3", None)}
    for family in families:
        host, other, gateway, b_address, loop = table[family]
        for proto, port in (("tcp", 8080), ("udp", 8053)):
            where = f"IPv{family} {proto}"
            eq(node2.ask(host, port, proto), f"hello {other}", f"{where} from another node")
            assert w.ask(host, port, proto), f"{where} from the host by its address"
            assert w.ask(gateway, port, proto), f"{where} from the host by the bridge's address"
            assert b.ask(host, port, proto), f"{where} from a pod on the same bridge"
            if itself:
                assert a.ask(host, port, proto), f"{where} from the pod itself"
            if loop:
                assert w.ask(loop, port, proto), f"{where} from the host by {loop}"
        eq(b.ask(other, 7000), f"hello {host}", f"IPv{family} masquerade")
        eq(a.pings(b_address), True, f"IPv{family} pod to pod")


def detach(w, c, *pods):
    for pod in pods:
        w.chain(c, "DEL", pod, id=pod.name).ok()


@test(timeout=180)
def br_netfilter_and_hairpin(w):
    """kernel.md (b) 4: with br_netfilter a pod reaches itself only with port hairpin."""
    families = (4, 6)
    c, a, b, node2 = attach(w, families)
    veth = w.results[("chainnet", "a", "eth0")]["interfaces"][1]["name"]
    for brnf, hairpin in itertools.product((0, 1), ("on", "off")):
        for tables in ("iptables", "ip6tables"):
            w.sysctl(f"net.bridge.bridge-nf-call-{tables}", brnf)
        w.sh(f"ip link set {veth} type bridge_slave hairpin {hairpin}")
        w.sh("conntrack -F", check=False)
        traffic(w, a, b, node2, families, itself=hairpin == "on" or brnf == 0)
    detach(w, c, a, b)


@test
def rp_filter_strict(w):
    for scope in ("all", "default"):
        w.sysctl(f"net.ipv4.conf.{scope}.rp_filter", 1)
    c, a, b, node2 = attach(w)
    for dev in ("cni0", "eth0"):
        w.sysctl(f"net.ipv4.conf.{dev}.rp_filter", 1)
    traffic(w, a, b, node2)
    detach(w, c, a, b)


@test
def ipv6_only_host(w):
    c, a, b, node2 = attach(w, (6,))
    traffic(w, a, b, node2, (6,))
    for pod in (a, b):
        w.chain(c, "CHECK", pod, id=pod.name, caps=ports((8080, 80, "tcp"), (8053, 53, "udp")) if pod is a else ports()).ok()
    detach(w, c, a, b)


@test
def ipv4_only_network(w):
    c, a, b, node2 = attach(w, (4,))
    traffic(w, a, b, node2, (4,))
    detach(w, c, a, b)


@test
def ipv6_switched_off_by_sysctl(w):
    """disable_ipv6=1 for new interfaces, as many hosts set it: an IPv6 address still arrives."""
    for scope in ("all", "default"):
        w.sysctl(f"net.ipv6.conf.{scope}.disable_ipv6", 1)
    a = w.pod("a")
    a.sh("for s in all default; do echo 1 > /proc/sys/net/ipv6/conf/$s/disable_ipv6; done")
    w.chain(chain(), "ADD", a, caps=ports()).ok()
    assert a.pings("fd55::1") and a.pings("10.55.0.1")


@test
def forward_policy_drop(w):
    """Docker and firewalld set it: an accept in our table cannot overrule it (README, "Firewalls")."""
    tool = "iptables-nft"
    c, a, b, node2 = attach(w, (4,))
    w.sh(f"{tool} -P FORWARD DROP")
    eq(node2.ask(HOST, 8080, seconds=1), None, "the policy drops host ports")
    # What the README tells to do.
    w.sh(f"{tool} -A FORWARD -i cni0 -j ACCEPT; {tool} -A FORWARD -o cni0 -j ACCEPT")
    traffic(w, a, b, node2, (4,))
    detach(w, c, a, b)
    assert "-P FORWARD DROP" in w.sh(f"{tool} -S FORWARD").stdout


def beside_rules(w, flavour, rules, service=None):
    def saved():
        return re.sub(r"^#.*\n|\[\d+:\d+\]", "", w.sh(f"iptables-{flavour}-save").stdout, flags=re.M)

    w.sh(f"iptables-{flavour}-restore", input=rules)
    before, before_nft = saved(), w.snapshot(ours=False)
    c, a, b, node2 = attach(w, (4,))
    eq(saved(), before, "their rules while ours stand")
    traffic(w, a, b, node2, (4,))
    if service:
        w.sh(f"ip route add {service[0]} via {NODE2}", check=False)
        assert b.ask(*service), "a Service of kube-proxy"
        assert a.ask(*service), "a Service of kube-proxy, from its own endpoint"
    detach(w, c, a, b)
    eq(saved(), before, "their rules after ours went")
    chains = re.findall(r"^table \S+ (\S+) ", w._ruleset(False), flags=re.M)
    assert "podwire" not in [x for x in chains if x != "podwire"], chains
    assert before_nft.split("# host")[0] == w.snapshot(ours=False).split("# host")[0], "nft text of others"


@test
def beside_docker_nft(w):
    beside_rules(w, "nft", DOCKER)


@test
def beside_kube_proxy_nft(w):
    beside_rules(w, "nft", KUBE_PROXY, ("10.96.0.10", 80))


@test(needs=("iptables_legacy",))
def beside_docker_legacy(w):
    beside_rules(w, "legacy", DOCKER)


@test(needs=("iptables_legacy",))
def beside_kube_proxy_legacy(w):
    beside_rules(w, "legacy", KUBE_PROXY, ("10.96.0.10", 80))


@test
def a_port_of_somebody_else_is_not_captured(w):
    """GHSA-jv3w-x3r3-g6rm: only traffic to the node's own addresses goes to the pod."""
    c, a, b, node2 = attach(w)
    node2.serve(8080, text="node2")
    w.sh("echo 1 > /proc/sys/net/ipv4/ip_forward")
    eq(b.ask(NODE2, 8080), f"node2 {HOST}", "through the node")
    eq(w.ask(NODE2, 8080), f"node2 {HOST}", "from the node")
    detach(w, c, a, b)


@test
def flush_ruleset_is_repaired_by_the_next_add(w):
    c, a, b, node2 = attach(w)
    w.sh("nft flush ruleset")
    w.chain(c, "CHECK", a, id="a", caps=ports((8080, 80, "tcp"), (8053, 53, "udp"))).fails(103)
    d = w.pod("d")
    w.chain(c, "ADD", d, id="d", caps=ports()).ok()
    w.chain(c, "CHECK", a, id="a", caps=ports((8080, 80, "tcp"), (8053, 53, "udp"))).ok()
    traffic(w, a, b, node2)
    detach(w, c, a, b, d)


@test
def a_pod_without_nat_repairs_the_guard(w):
    """CVE-2020-8558: route_localnet stays when a flush takes the guard; any ADD must bring it back."""
    c, a, b, node2 = attach(w)
    w.serve(7777, text="secret", address="127.0.0.1")
    b.sh("ip addr flush dev lo; ip route add 127.0.0.0/8 via 10.55.0.1; echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet")
    eq(b.ask("127.0.0.1", 7777, seconds=1), None, "the guard stands")
    w.sh("nft flush ruleset")
    assert b.ask("127.0.0.1", 7777), "the attack works without the guard, or this test shows nothing"
    plain = {"cniVersion": "1.1.0", "name": "plain", "type": "bridge", "bridge": "br7", "ipam": {}}
    w.call("bridge", "ADD", plain, w.pod("l2"), id="l2").ok()
    eq(b.ask("127.0.0.1", 7777, source_port=4444, seconds=1), None, "after the next ADD")
    traffic(w, a, b, node2)
    detach(w, c, a, b)


@test(timeout=120)
def many_at_once(w):
    """32 chains at once: no failure, no duplicate, and nothing left."""
    c = chain()
    w.chain(c, "ADD", w.pod("z"), id="z", caps=ports()).ok()
    w.chain(c, "DEL", w.pods["z"], id="z").ok()
    pods = [w.pod(f"p{i}") for i in range(32)]
    bridge, portmap = ({**p, "name": c["name"], "cniVersion": "1.1.0"} for p in c["plugins"])
    running = [w.start("bridge", "ADD", bridge, p, id=p.name) for p in pods]
    results = [w.finish(r, "bridge", "ADD").ok().json for r in running]
    addresses = [ip["address"] for r in results for ip in r["ips"]]
    eq(len(set(addresses)), 64)
    confs = [{**portmap, "prevResult": r, "runtimeConfig": ports((10000 + i, 80, "tcp"))} for i, r in enumerate(results)]
    running = [w.start("portmap", "ADD", x, p, id=p.name) for x, p in zip(confs, pods)]
    for r in running:
        w.finish(r, "portmap", "ADD").ok()
    pods[7].serve(80)
    assert w.ask("127.0.0.1", 10007)
    for plugin, each in (("portmap", confs), ("bridge", [bridge] * 32)):
        running = [w.start(plugin, "DEL", x, p, id=p.name) for x, p in zip(each, pods)]
        for r in running:
            w.finish(r, plugin, "DEL").ok()
    eq(w.json("ip -j link show type veth"), [])
    assert "10.55.0." not in re.sub(r"chain \S+ \{[^}]*\}|10\.55\.0\.0", "", w.sh("nft list table inet podwire").stdout)


if __name__ == "__main__":
    main()
