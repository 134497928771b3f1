#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's podman and containerd on two nodes of the lab, each with the same file: overlay, and portmap
behind it."""

from callers import Containerd, Podman, own_folders
from cri import TCP
from lab import OUTSIDE4, OUTSIDE_PORT, Lab
from node import closed, environment, eq, everything, no_reports, page, run, world

VERSION = "1.0.0"  # the newest that the library of both knows


class PodmanOnNode(Podman):
    def __init__(self, node, network):
        super().__init__(node, [node.bin], network)

    def web(self, name, *ports):
        """A container with the web server, whose port 80 is behind these host ports."""
        return self.run(name, "--network", "podnet", *(f"-p={port}:80" for port in ports))

    def end(self, container):
        self.remove(container.id)


class ContainerdOnNode(Containerd):
    def web(self, name, *ports):
        return self.pod(name, [(TCP, 80, port, "") for port in ports])

    def end(self, container):
        self.cri.stop(container.id)
        self.cri.remove(container.id)


def pods_on_two_nodes(w, caller):
    """Twice: bridge, overlay and rules stay from the first time; of the second nothing may."""
    environment()
    lab = Lab(w, "vxlan", nodes=2)
    nodes = list(lab.nodes.values())
    for node in nodes:
        node.inside(own_folders)
    engines = [caller(node, {**lab.conflist(), "cniVersion": VERSION}) for node in nodes]
    states = []
    for _ in range(2):
        come_and_go(lab, nodes, engines)
        states.append([everything(node) for node in nodes])
    for node, first, second in zip(nodes, *states):
        eq(second, first, f"{node.name} after the second time")
        assert " flannel.1: " in second, f"the overlay of {node.name} is gone"
        no_reports(node)


def come_and_go(lab, nodes, engines):
    n1, n2 = nodes
    one, two = (engine.web(name, 8080) for engine, name in zip(engines, ("one", "two")))
    eq((one.address()[:9], two.address()[:9]), ("10.244.1.", "10.244.2."), "subnets of the addresses")
    eq(page(one, two.address(), 80), one.address(), "whom the other pod sees")
    eq(page(two, one.address(), 80), two.address(), "whom the first pod sees")
    eq(page(one, n2.v4, 8080), n1.v4, "through the host port of the other node")
    eq(page(two, n1.v4, 8080), n2.v4, "through the host port of the first node")
    eq(page(lab.outside, n2.v4, 8080), OUTSIDE4, "the outside through a host port")
    eq(two.ask(OUTSIDE4, OUTSIDE_PORT), f"outside {n2.v4}", "whom the outside sees")
    engines[1].end(two)
    assert closed(one, n2.v4, 8080), "the host port of a removed pod is open"
    three = engines[1].web("three")
    eq(page(three, one.address(), 80), three.address(), "from the pod that came after")
    engines[0].end(one)
    engines[1].end(three)


def podman(w):
    pods_on_two_nodes(w, PodmanOnNode)


def containerd(w):
    """Through the CRI, as the kubelet does."""
    pods_on_two_nodes(w, ContainerdOnNode)


for function in (podman, containerd):
    world.test(function, timeout=100)

if __name__ == "__main__":
    run()
