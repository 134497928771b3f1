# SPDX-License-Identifier: GPL-2.0-or-later
"""What can happen to a node's side of the overlay (overlay.md 7.2), and a node that must be right after it."""

import re

from lab import OUTSIDE4, OUTSIDE_PORT, Lab
from wire import pings_all
from world import eq

ROUTES = "ip {f} route show dev {dev} | grep ' via ' | while read -r net rest; do ip {f} route del $net; done"
FDB = ("bridge fdb show dev {dev} | while read -r mac rest; do bridge fdb del $mac dev {dev} ${{rest% self*}} self;"
       " done")
NEIGHBOURS = "ip {f} neigh flush dev {dev} nud permanent"
# {dev}: the tunnel's device; {net}: a peer's subnet; {gw}: its first address; {mac}: its VTEP; {own}, {at}:
# n1's and the peer's address on the underlay. True: packets to pods of others stop.
TUNNEL = {
    "down and up": ("ip link set {dev} down; ip link set {dev} up", True),
    "down": ("ip link set {dev} down", True),
    "addresses removed": ("ip addr flush dev {dev}", None),
    "another address too": ("ip addr add {other} dev {dev}", False),
    "another MTU": ("ip link set {dev} mtu 1320", False),
    "routes removed": (ROUTES, True),
    "another route to a peer": ("ip {f} route replace {net} via {at}", None),
    "device deleted": ("ip link del {dev}", True),
}
VXLAN = {
    "another MAC": ("ip link set {dev} address 02:00:00:00:be:ef", True),
    "FDB emptied": (FDB, True),
    "neighbours flushed": (NEIGHBOURS, None),
    "all three": ("; ".join((NEIGHBOURS, ROUTES, FDB)), True),
    "FDB leads elsewhere": ("bridge fdb replace {mac} dev {dev} dst {nobody}", True),
    "another MAC of a peer": ("ip neigh replace {gw} lladdr 02:00:00:00:be:ef nud permanent dev {dev}", True),
    "device of another port": ("ip link del {dev}; ip link add {dev} type vxlan id 1 dev eth0 local {own} dstport 4789"
                               " nolearning; ip link set {dev} up", True),
    "device that learns": ("ip link del {dev}; ip link add {dev} address {own_mac} mtu 1400 type vxlan id 1 dev eth0"
                           " local {own} dstport 8472 learning; ip addr add {base} dev {dev}; ip link set {dev} up", True),
    "nexthops flushed": ("ip nexthop flush dev {dev}", True),
}
# Nothing that a pod would notice, and nothing that an ADD looks for.
STALE = {
    "an old MAC of a peer": ("bridge fdb append 02:00:00:00:00:99 dev {dev} dst {at} self permanent", False),
    "a peer that is no more": ("ip neigh replace {nobase} lladdr 02:00:00:00:00:98 nud permanent dev {dev};"
                               " bridge fdb append 02:00:00:00:00:98 dev {dev} dst {nobody} self permanent;"
                               " ip {f} route add {none} via {nobase} dev {dev} onlink", False),
}


class Node:
    """n1 of a lab, what is there when all is well, and ways to set it right."""

    def __init__(self, w, mode, family=4):
        self.lab, self.family = Lab(w, mode, nodes=4), family
        self.lab.up()
        self.n1, peer = self.lab.nodes["n1"], self.lab.nodes["n2"]
        self.dev = {"ipip": "flannel.ipip"}.get(self.lab.backend["type"], "flannel.1" if family == 4 else "flannel-v6.1")
        six = family == 6
        self.words = {"dev": self.dev, "f": "-6" if six else "-4", "at": peer.v6 if six else peer.v4,
                      "own": self.n1.v6 if six else self.n1.v4, "nobody": "fd50::77" if six else "192.168.50.77",
                      "net": peer.subnet6 if six else peer.subnet4, "none": "fd44:0:0:9::/64" if six else "10.244.9.0/24",
                      "nobase": "fd44:0:0:9::" if six else "10.244.9.0", "other": "fd44::77/128" if six else "10.244.77.7/32",
                      "gw": (peer.subnet6 if six else peer.subnet4).split("/")[0],
                      "base": (self.n1.subnet6 + "128" if six else self.n1.subnet4).split("/")[0]
                      + ("/128" if six else "/32")}
        if self.lab.backend["type"] == "vxlan":
            self.words["mac"] = peer.json(f"ip -j link show {self.dev}")[0]["address"]
            self.words["own_mac"] = self.n1.json(f"ip -j link show {self.dev}")[0]["address"]
        self.pod = self.lab.pods["p1a"]
        self.far = [a for name, pod in self.lab.pods.items() if name != "p1a" for a in pod.addresses
                    if (":" in a) == six and (pod.machine.number != 4 or mode != "host-gw")]
        eq(self.unreached(3), [], "before anything happened no answer from")
        self.before = self.state()
        self.count = 0

    def unreached(self, seconds=3):
        return pings_all(self.pod, self.far, seconds=seconds)

    def state(self):
        """What is ours on the node, without numbers that the kernel gives."""
        text = self.n1.sh(f"ip -d addr show dev {self.dev}; ip -4 route; ip -6 route; bridge fdb show dev {self.dev};"
                          f"ip neigh show dev {self.dev} nud permanent; ip -6 neigh show dev {self.dev} nud permanent;"
                          "ip nexthop", check=False).stdout
        text = re.sub(r"(?m)^\d+: |\bnhid \d+ |\bid \d+ via|\bmaxmtu \d+|^.*\bfe80::.*$| +valid_lft .*|@NONE", "", text)
        text = re.sub(r"state \w+|,?(NO-CARRIER|LOWER_UP|M-DOWN)| linkdown| tentative| numtxqueues .*", "", text)
        return "\n".join(sorted(" ".join(line.split()) for line in text.splitlines() if line.strip()))

    def by_apply(self):
        self.lab.overlay(self.n1, "apply")

    def by_add(self):
        """A pod comes, and goes again."""
        self.count += 1
        pod = self.lab.add(self.n1, f"p1x{self.count}")
        self.lab.remove(pod)

    def tried(self, name, harm, stops, repair):
        self.n1.sh(harm.format(**self.words))
        assert self.state() != self.before, f"{name}: nothing was harmed"
        if stops is not None:
            eq(bool(self.unreached(0.3)), stops, f"{name}: packets stop")
        repair()
        self.right(name)

    def right(self, name):
        eq(self.unreached(), [], f"{name}: no answer from")
        eq(self.state(), self.before, f"{name}: the node after the repair")
        eq(self.pod.ask(OUTSIDE4, OUTSIDE_PORT), f"outside {self.n1.v4}", f"{name}: as the outside sees the pod")


def each(node, repair, harms):
    for name, (harm, stops) in harms.items():
        node.tried(name, harm, stops, repair)
