#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules in the kernel's legacy iptables, as Docker and kube-proxy write them, beside ours: neither sees
the other. The development kernel has no legacy iptables."""

import re

from node import LAN4, NODE4, add, chain_of, down, eq, main, network, ports, test, up

DOCKER = """
iptables-legacy -t nat -N DOCKER
iptables-legacy -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
iptables-legacy -t nat -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
iptables-legacy -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
iptables-legacy -t nat -A DOCKER ! -i docker0 -p tcp --dport 8088 -j DNAT --to-destination 172.17.0.2:80
iptables-legacy -N DOCKER-USER
iptables-legacy -A DOCKER-USER -j RETURN
iptables-legacy -A FORWARD -j DOCKER-USER
iptables-legacy -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables-legacy -A FORWARD -o docker0 -d 172.17.0.2 -p tcp --dport 80 -j ACCEPT
iptables-legacy -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
"""
KUBE_PROXY = """
iptables-legacy -t nat -N KUBE-SERVICES
iptables-legacy -t nat -N KUBE-POSTROUTING
iptables-legacy -t nat -N KUBE-MARK-MASQ
iptables-legacy -t nat -N KUBE-SVC-TEST
iptables-legacy -t nat -A PREROUTING -j KUBE-SERVICES
iptables-legacy -t nat -A OUTPUT -j KUBE-SERVICES
iptables-legacy -t nat -A POSTROUTING -j KUBE-POSTROUTING
iptables-legacy -t nat -A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
iptables-legacy -t nat -A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
iptables-legacy -t nat -A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
iptables-legacy -t nat -A KUBE-POSTROUTING -j MASQUERADE --random-fully
iptables-legacy -t nat -A KUBE-SERVICES -d 10.96.0.10/32 -p tcp --dport 80 -j KUBE-SVC-TEST
iptables-legacy -t nat -A KUBE-SVC-TEST -j KUBE-MARK-MASQ
"""
WEB = ports((8080, 80, "tcp"), (8080, 80, "udp"))


def legacy_rules(w):
    """Every legacy rule as text, without counters and comments."""
    text = w.sh("iptables-legacy-save; ip6tables-legacy-save").stdout
    return re.sub(r"^#.*\n|\[\d+:\d+\]", "", text, flags=re.M)


def docker(w):
    """A container of Docker's, reached by its own rules at port 8088."""
    pod = w.pod("docker")
    w.sh("ip link add docker0 type bridge; ip addr add 172.17.0.1/16 dev docker0; ip link set docker0 up")
    w.sh("ip link add dveth type veth peer name eth0 netns docker; ip link set dveth master docker0 up")
    pod.sh("ip addr add 172.17.0.2/16 dev eth0; ip link set eth0 up; ip route add default via 172.17.0.1")
    w.sh(DOCKER)
    w.sysctl("net/ipv4/ip_forward", 1)
    pod.serve(80, text="docker")
    return pod


@test
def docker_rules(w):
    lan, theirs = w.neighbour(), docker(w)
    lan.serve(7000)
    before = legacy_rules(w)
    conflist = chain_of("pods", "10.88.0.0/24")
    web = up(w, conflist, "web", WEB)
    for protocol in ("tcp", "udp"):
        eq(lan.ask(NODE4, 8080, protocol), f"web {LAN4}", f"our {protocol} host port")
    eq(lan.ask(NODE4, 8088), f"docker {LAN4}", "Docker's port")
    eq(web.ask(LAN4, 7000), f"hello {NODE4}", "our pod at the neighbour")
    eq(theirs.ask(LAN4, 7000), f"hello {NODE4}", "Docker's container at the neighbour")
    w.chain(conflist, "CHECK", web, "web", caps=WEB).ok()
    w.same(before, legacy_rules(w), "legacy rules after ADD")
    down(w, conflist, web, WEB)
    w.same(before, legacy_rules(w), "legacy rules after DEL")
    eq(lan.ask(NODE4, 8088), f"docker {LAN4}", "Docker's port after our DEL")
    eq(lan.ask(NODE4, 8080, seconds=1), None, "our host port after DEL")


@test
def kube_proxy_rules(w):
    """A Service's pod and our host port to one pod port: theirs masquerades by mark, ours keeps the client."""
    lan, conflist = w.neighbour(), chain_of("pods", "10.88.0.0/24")
    w.sh(KUBE_PROXY)
    web = up(w, conflist, "web", WEB)
    w.sh(f"iptables-legacy -t nat -A KUBE-SVC-TEST -p tcp -j DNAT --to-destination {web.v4}:80")
    lan.sh(f"ip route add 10.96.0.10 via {NODE4}")
    before = legacy_rules(w)
    eq(lan.ask("10.96.0.10", 80), "web 10.88.0.1", "the Service's client as kube-proxy masquerades it")
    eq(lan.ask(NODE4, 8080), f"web {LAN4}", "the host port's client")
    down(w, conflist, web, WEB)
    w.same(before, legacy_rules(w), "legacy rules after DEL")


@test
def forward_policy_drop(w):
    """As Docker leaves it. Our table cannot overrule it; with an accept in their chain everything works."""
    lan, conflist = w.neighbour(), chain_of("pods", "10.88.0.0/24")
    lan.serve(7000)
    w.sh("iptables-legacy -P FORWARD DROP")
    web = up(w, conflist, "web", WEB)
    eq(web.ask(LAN4, 7000, seconds=1), None, "outward past a DROP policy")
    w.sh("iptables-legacy -A FORWARD -i cni0 -j ACCEPT; iptables-legacy -A FORWARD -o cni0 -j ACCEPT")
    eq(web.ask(LAN4, 7000), f"hello {NODE4}", "outward with an accept in their chain")
    eq(lan.ask(NODE4, 8080), f"web {LAN4}", "the host port with an accept in their chain")


@test
def legacy_tables_stay_unloaded(w):
    """Nothing of ours may create the legacy tables: an empty nat table costs every packet of the node."""
    add(w, network("pods", "10.88.0.0/24", isDefaultGateway=True, ipMasq=True), w.pod("a"), "a")
    names = w.sh("cat /proc/net/ip_tables_names /proc/net/ip6_tables_names", check=False).stdout
    eq(names.split(), [], "legacy tables of this namespace")


if __name__ == "__main__":
    main()
