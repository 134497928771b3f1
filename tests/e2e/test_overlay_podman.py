#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's podman on two nodes of the lab, each with the same file: overlay, and portmap behind it."""

import os
import sys

from callers import Podman
from node import ROOT, main, page, remove_control_groups

sys.path.insert(0, str(ROOT / "tests" / "lib"))
import world  # noqa: E402
from lab import OUTSIDE4, OUTSIDE_PORT, Lab  # noqa: E402
from world import Net, eq, test  # noqa: E402

VERSION = "1.0.0"  # the newest that podman's library knows
REPORTS = "/run/world/sanitizer"


class Engine:
    """podman in a node's namespaces, with folders of its own; what it starts is the test's child."""

    def __init__(self, lab, node):
        self.lab, self.node = lab, node
        self.env = node.inside(self.begin)

    def begin(self):
        for place in ("/dev/shm", "/var/lib/containers"):
            os.makedirs(place, exist_ok=True)
            world._mount("tmpfs", place, "tmpfs")
        self.settings()
        network = {**self.lab.conflist(), "cniVersion": VERSION}
        return Podman(self.node, [self.node.bin], network).env

    def settings(self):
        for key in [key for key in os.environ if key.startswith("XDG_")]:
            del os.environ[key]
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            os.environ[name] = f"{os.environ.get(name, '')}:log_path={REPORTS}"
        os.environ.update(HOME="/run/world", TMPDIR="/run/world", LC_ALL="C.UTF-8")

    def __call__(self, word, *words):
        """What a method of Podman gives, called in the node."""
        def run():
            self.settings()
            podman = object.__new__(Podman)
            podman.w, podman.env = self.node, self.env
            found = getattr(podman, word)(*words)
            return {"pid": int(found.path.split("/")[2]), "id": found.id} if isinstance(found, Net) else found
        return self.node.inside(run)

    def web(self, name, *options):
        """A container with the web server, as a namespace to send packets from."""
        found = self("run", name, "--network", "podnet", *options)
        container = Net(self.node, name, f"/proc/{found['pid']}/ns/net")
        container.address = container.ips("eth0", 4)[0].split("/")[0]
        return container

    def reports(self):
        return self.node.sh(f"cat {REPORTS}.* 2>/dev/null || :").stdout


@test(timeout=100)
def containers_on_two_nodes(w):
    lab = Lab(w, "vxlan", nodes=2)
    engines = [Engine(lab, node) for node in lab.nodes.values()]
    n1, n2 = lab.nodes.values()
    one = engines[0].web("one", "-p", "8080:80")
    two = engines[1].web("two", "-p", "8080:80")
    eq((one.address, two.address), ("10.244.1.2", "10.244.2.2"), "addresses")
    eq(page(one, two.address, 80), one.address, "whom the other container sees")
    eq(page(two, one.address, 80), two.address, "whom the first container sees")
    eq(page(one, n2.v4, 8080), n1.v4, "through the host port of the other node")
    eq(page(two, n1.v4, 8080), n2.v4, "through the host port of the first node")
    eq(page(lab.outside, n2.v4, 8080), OUTSIDE4, "the outside through a host port")
    eq(two.ask(OUTSIDE4, OUTSIDE_PORT), f"outside {n2.v4}", "whom the outside sees")
    engines[1]("remove", "two")
    eq(page(one, n2.v4, 8080, 1), None, "the host port of a removed container")
    three = engines[1].web("three")
    eq(page(three, one.address, 80), three.address, "from the container that came after")
    engines[0]("remove", "one")
    engines[1]("remove", "three")
    for node, engine in zip((n1, n2), engines):
        names = [link["ifname"] for link in node.json("ip -j link show type veth")]
        eq(names, ["eth0"], f"links on {node.name}")
        eq(node.sh("ls /var/lib/cni/networks/podnet | grep '^10' || :").stdout, "", f"addresses on {node.name}")
        eq(node.sh("ip link show flannel.1 >/dev/null && echo stands").stdout, "stands\n", f"the overlay of {node.name}")
        eq(engine.reports(), "", "sanitizers")


if __name__ == "__main__":
    try:
        main()
    finally:
        remove_control_groups()
