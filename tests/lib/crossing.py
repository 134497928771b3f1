# SPDX-License-Identifier: GPL-2.0-or-later
"""What must cross between the pods of a lab (lab.py), and what must be seen of it on the underlay."""

import ipaddress
from contextlib import ExitStack

from lab import NETWORK4, NETWORK6, OUTSIDE4, OUTSIDE6, OUTSIDE_PORT, VNI
from wire import IPIP, Wire, family_of, pings_all, transfer
from world import _ask, eq

NETWORKS = [ipaddress.ip_network(n) for n in (NETWORK4, NETWORK6)]
OVERHEAD = {"vxlan": 50, "ipip": 20, "host-gw": 0}


def pod_mtu(lab, node=None):
    """In the pods of a node; flannel takes IPv4's overhead for both families."""
    tunnel = lab.backend["type"]
    if node in lab.foreign:
        return lab.mtu - 50
    return lab.mtu - (70 if lab.dual and tunnel == "vxlan" else OVERHEAD[tunnel])


def reaches(lab, one, other):
    """host-gw has no way to a node behind a gateway, nor that one to others."""
    return lab.backend["type"] != "host-gw" or one is other or 4 not in (one.number, other.number)


def own(pod, address):
    return pod.v6 if family_of(address) == 6 else pod.v4


def ask(net, wanted):
    """The answers over TCP or UDP must be {(address, port, protocol): answer}."""
    found = net.inside(lambda: [_ask(address, port, proto, 3, None, 0) for address, port, proto in wanted])
    wrong = {question: answer for question, answer in zip(wanted, found) if answer != wanted[question]}
    eq(wrong, {question: wanted[question] for question in wrong}, f"answers to {net.name}")


def all_pairs(lab, bulk=True):
    """Every pod pings every other in packets of full size, talks TCP and UDP to it, and is seen by its own
    address; some megabytes cross from each to its successor."""
    pods = list(lab.pods.values())
    for number, pod in enumerate(pods):
        eq(pod.json("ip -j link show dev eth0")[0]["mtu"], pod_mtu(lab, pod.machine), f"MTU of {pod.name}")
        others = [p for p in pods if p is not pod and reaches(lab, pod.machine, p.machine)]
        eq(pings_all(pod, [a for p in others for a in p.addresses], pod_mtu(lab)), [],
           f"{pod.name} gets no answer to full packets from")
        wanted = {(a, 80, proto): f"{p.name} {own(pod, a)}" for p in others for a in p.addresses
                  for proto in ("tcp", "udp")}
        ask(pod, wanted)
        for address in others[number % len(others)].addresses if bulk else ():
            target = others[number % len(others)]
            eq(transfer(pod, target, address), 2_000_000, f"bytes from {pod.name} to {target.name} at {address}")


def outward(lab):
    """The outside sees the node's address, and a host port on each node is reached from pods on others."""
    for pod in lab.pods.values():
        node = pod.machine
        wanted = {(OUTSIDE4, OUTSIDE_PORT, proto): f"outside {node.v4}" for proto in ("tcp", "udp")}
        if lab.dual:
            wanted[OUTSIDE6, OUTSIDE_PORT, "tcp"] = f"outside {node.v6}"
        for target in lab.nodes.values():
            if target is not node and f"p{target.number}a" in lab.pods:
                wanted.update({(target.v4, 8080, proto): f"p{target.number}a {node.v4}" for proto in ("tcp", "udp")})
                if lab.dual:
                    wanted[target.v6, 8080, "tcp"] = f"p{target.number}a {node.v6}"
        ask(pod, wanted)


def from_nodes(lab):
    """Every node reaches the pods of every other, by a source that their answers come back to."""
    for node in lab.nodes.values():
        ask(node, {(a, 80, "tcp"): f"{p.name} {source(lab, node, p.machine, family_of(a))}"
                   for p in lab.pods.values() if p.machine is not node and reaches(lab, node, p.machine)
                   for a in p.addresses})


def source(lab, one, other, family):
    """A node's address towards pods on another: the tunnel device's, or the underlay's."""
    if way(lab, one, other) == "plain":
        return one.v4 if family == 4 else one.v6
    return str(ipaddress.ip_network(one.subnet4 if family == 4 else one.subnet6)[0])


# ---- what is seen on the way

def way(lab, one, other):
    """How a packet crosses between two nodes: a backend's name, or plain."""
    if lab.backend["type"] == "host-gw" or lab.backend.get("directRouting") and 4 not in (one.number, other.number):
        return "plain"
    return lab.backend["type"]


def node_of(lab, address):
    """The node that an address is on: its own, or one of its pods'; None: of neither."""
    ip = ipaddress.ip_address(address)
    for node in lab.nodes.values():
        if address in (node.v4, node.v6) or any(ip in ipaddress.ip_network(s) for s in (node.subnet4, node.subnet6)):
            return node
    return None


def of_pods(packet):
    return any(ipaddress.ip_address(end) in net for net in NETWORKS for end in (packet.source, packet.target)
               if net.version == family_of(end))


def seen_as(packet):
    """(the packet of a pod, the way that it takes), or (None, None)."""
    if packet.inner and of_pods(packet.inner):
        return packet.inner, "ipip" if packet.protocol == IPIP else f"vxlan {packet.vni}"
    return (packet, "plain") if of_pods(packet) else (None, None)


class Underlay:
    """All that the nodes send while the block runs; check() says whether it was what it should be."""

    def __init__(self, lab):
        self.lab, self.stack = lab, ExitStack()

    def __enter__(self):
        ports = [name for name in self.lab.machines if name not in ("n4", "outside")]
        self.wires = [self.stack.enter_context(Wire(port)) for port in ports]
        return self

    def __exit__(self, *_):
        self.found = [packet for wire in self.wires for packet in wire.packets()]
        self.stack.close()

    def check(self):
        """No packet in pieces; each pod's packet between the right nodes in the right way; every pair seen."""
        lab, pairs = self.lab, set()
        eq([p for p in self.found if p.fragment or p.inner and p.inner.fragment][:3], [], "fragments")
        for packet in self.found:
            inner, how = seen_as(packet)
            one, other = (node_of(lab, end) for end in (inner.source, inner.target)) if inner else (None, None)
            if not one or not other:
                continue
            wanted = way(lab, one, other)
            eq(how, f"vxlan {VNI}" if wanted == "vxlan" else wanted, f"way of {packet}")
            if how != "plain":
                eq((node_of(lab, packet.source), node_of(lab, packet.target)), (one, other), f"ends of {packet}")
            pairs.add((one.name, other.name, family_of(inner.source)))
        names = [(a, b) for a in lab.nodes.values() for b in lab.nodes.values() if a is not b and reaches(lab, a, b)]
        missing = {(a.name, b.name, f) for a, b in names for f in ((4, 6) if lab.dual else (4,))} - pairs
        eq(sorted(missing), [], "pairs of nodes that nothing was seen of")


def everything(lab):
    with Underlay(lab) as underlay:
        all_pairs(lab)
    underlay.check()
    outward(lab)
    from_nodes(lab)
