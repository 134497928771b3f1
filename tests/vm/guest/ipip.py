# SPDX-License-Identifier: GPL-2.0-or-later
"""The overlay through ipip, with and without routes on the L2: packets between four nodes, and the repairs."""

from node import eq, main, test

from crossing import all_pairs, everything
from harms import TUNNEL, Node, each
from lab import Lab


def routing(lab, direct):
    lab.backend["directRouting"] = direct
    lab.write()
    for node in lab.nodes.values():
        lab.overlay(node, "apply")


@test
def packets_with_and_without_direct_routing(w):
    """The same nodes change over: what was a tunnel's route becomes a plain one, and back."""
    lab = Lab(w, "ipip").up()
    everything(lab)
    routing(lab, True)
    everything(lab)
    routing(lab, False)
    all_pairs(lab, bulk=False)


@test
def repairs_and_removal(w):
    node = Node(w, "ipip")
    each(node, node.by_apply, TUNNEL)
    each(node, node.by_add, {name: TUNNEL[name] for name in ("down and up", "device deleted")})
    node.tried("another local address", "ip link del flannel.ipip; ip link add flannel.ipip type ipip local 192.168.50.77"
               " ttl inherit nopmtudisc; ip link set flannel.ipip up", True, node.by_apply)
    node.lab.remove(node.pod)
    node.lab.overlay(node.n1, "remove")
    shown = node.n1.sh("ip link; ip route").stdout.splitlines()
    eq([line for line in shown if "flannel" in line or "10.244.2" in line], [], "left by remove")


if __name__ == "__main__":
    main()
