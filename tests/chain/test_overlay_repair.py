# SPDX-License-Identifier: GPL-2.0-or-later
"""What happens to a node's tunnel device, its entries, its routes and the link below: `overlay apply` and
every ADD set it right. After each harm pods reach each other again, and the node is what it was, byte for byte."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from harms import STALE, TUNNEL, VXLAN, Node, each  # noqa: E402
from lab import OUTSIDE4, OUTSIDE_PORT  # noqa: E402
from world import eq, main, test, wait_for  # noqa: E402


@test(timeout=200)
def vxlan_by_apply(w):
    node = Node(w, "vxlan")
    each(node, node.by_apply, {**TUNNEL, **VXLAN, **STALE})


@test(timeout=200)
def vxlan_by_add(w):
    node = Node(w, "vxlan")
    each(node, node.by_add, {**TUNNEL, **VXLAN})


@test(timeout=200)
def vxlan_of_ipv6(w):
    """Whose routes go through no nexthop objects."""
    node = Node(w, "dual", 6)
    each(node, node.by_apply, {k: v for k, v in {**TUNNEL, **VXLAN, **STALE}.items() if k != "nexthops flushed"})


def underlay(node):
    """What happens to eth0; the administrator sets eth0 itself up again."""
    n1, switch = node.n1, node.lab.w
    address = f"ip -6 addr replace {n1.v6}/64 dev eth0 nodad"

    def flapped():
        n1.sh(f"ip link set eth0 down; ip link set eth0 up; {address}")

    def replaced():
        n1.sh("ip link del eth0")
        node.lab.plug(n1, f"{n1.v4}/24", f"{n1.v6}/64")

    def flushed():
        n1.sh("ip route flush proto static; ip route flush root 10.244.0.0/16; ip route add default via 192.168.50.254")
    for repair in (node.by_apply, node.by_add):
        for harm in (flapped, replaced):
            harm()
            n1.default_routes()
            wait_for(lambda: switch.sh(f"bridge link show dev {n1.name}").stdout.count("forwarding"), "the switch's port")
            wait_for(lambda: n1.pings(n1.routers[0], 0.3), "the router")
            repair()
            node.right(f"eth0 {harm.__name__}, {repair.__name__}")


@test(timeout=100)
def underlay_of_vxlan(w):
    underlay(Node(w, "vxlan"))


@test(timeout=100)
def underlay_of_direct_routes(w):
    underlay(Node(w, "direct"))


@test(timeout=100)
def underlay_of_host_gw(w):
    underlay(Node(w, "host-gw"))


@test(timeout=100)
def direct_routes_follow_the_underlay(w):
    """Peers that were on our own L2 are behind the router from now on, and come back."""
    node = Node(w, "direct")
    n1 = node.n1

    def by(subnet):
        return n1.json(f"ip -j route show {subnet}")[0]["dev"]
    for repair in (node.by_apply, node.by_add):
        n1.sh("ip addr flush dev eth0 scope global; ip addr add 192.168.50.1/32 dev eth0;"
              f"ip -6 addr add {n1.v6}/64 dev eth0 nodad; ip route add 192.168.50.254 dev eth0")
        n1.default_routes()
        repair()
        eq([by(n.subnet4) for n in node.lab.nodes.values() if n is not n1], ["flannel.1"] * 3, "devices to peers")
        eq(node.unreached(), [], "no answer through the tunnel from")
        n1.sh("ip route del 192.168.50.254 dev eth0; ip addr add 192.168.50.1/24 dev eth0;"
              " ip addr del 192.168.50.1/32 dev eth0")
        n1.default_routes()
        repair()
        node.right(f"the L2 is back, {repair.__name__}")


def rules(node, repair):
    node.n1.sh("nft flush ruleset")
    eq(node.pod.ask(OUTSIDE4, OUTSIDE_PORT, seconds=0.3), None, "the outside answers a pod that is not masqueraded")
    repair()
    eq(node.pod.ask(OUTSIDE4, OUTSIDE_PORT), f"outside {node.n1.v4}", "as the outside sees the pod")


@test(timeout=100)
def masquerade(w):
    node = Node(w, "host-gw")
    rules(node, node.by_apply)
    rules(node, node.by_add)


if __name__ == "__main__":
    main()
