#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The shipped units of the overlay under Debian's systemd, on a node of the lab."""

import json

from lab import VNI, Lab
from node import ROOT, eq, run, wait_for
from systemd import Systemd
from world import test

FILE, NODES = "/etc/cni/net.d/10-podnet.conflist", "/etc/podwire/10-podnet.nodes.json"
NAME, DEVICE = "podwire-overlay@10-podnet", f"flannel.{VNI}"
KUBELET = f"""[Service]
ExecStart=/bin/sh -c 'ip link show {DEVICE} >/run/kubelet; exec sleep 1000'
[Install]
WantedBy=multi-user.target
"""
# A minute is long for a test.
HASTE = "[Timer]\nOnBootSec=\nOnUnitInactiveSec=\nOnBootSec=200ms\nOnUnitInactiveSec=200ms\nAccuracySec=10ms\n"
NEW = {"name": "n3", "publicIP": "192.168.50.3", "subnet": "10.244.3.0/24"}


def shipped(node):
    folder = ROOT / "packaging/systemd"
    return {path.name.removesuffix(".in"): path.read_text().replace("@PODWIRE_CNI_BIN@", node.bin)
            for path in folder.iterdir()}


class Cluster:
    """Node n2 stands; n1 has the file, its list of nodes, and systemd, to which our units are known."""

    def __init__(self, w, more=()):
        self.lab = Lab(w, "vxlan", nodes=2)
        self.n1, self.n2 = self.lab.nodes.values()
        self.lab.write()
        self.lab.overlay(self.n2, "apply")
        conflist = self.lab.conflist()
        del conflist["plugins"][0]["nodes"]
        conflist["plugins"][0]["nodesFile"] = NODES
        self.n1.write(FILE, json.dumps(conflist))
        self.systemd = Systemd(self.n1, {**shipped(self.n1), **dict(more)})

    def boot(self, *kinds):
        self.systemd("enable", *(f"{NAME}.{kind}" for kind in kinds))
        self.systemd.boot()

    def nodes(self, *more):
        self.n1.write(NODES, json.dumps([*self.lab.entries(), *more]))

    def stands(self):
        return self.n1.pings("10.244.2.0", 1)

    def await_result(self, result, what):
        wait_for(lambda: self.systemd.shown(f"{NAME}.service", "Result") == result, what, 10, 0.05)

    def await_node(self, there, what):
        def holds():
            routes = self.n1.sh(f"ip route show dev {DEVICE} 2>&1", check=False).stdout
            return (NEW["subnet"] in routes) == there
        wait_for(holds, what, 10, 0.05)


@test(timeout=100)
def at_boot(w):
    """Before the kubelet, which would make pods; and systemd has nothing to say against what we ship."""
    c = Cluster(w, {"kubelet.service": KUBELET})
    eq(c.systemd.verified(*shipped(c.n1)), "", "systemd-analyze verify")
    c.nodes()
    c.systemd("enable", "kubelet.service")
    c.boot("service", "path", "timer")
    eq(c.systemd.state(), "running", "the machine")
    assert c.stands(), "no answer from the other node through the overlay"
    assert DEVICE in wait_for(lambda: c.n1.sh("cat /run/kubelet", check=False).stdout, "the kubelet"), "too late"
    assert c.systemd.shown(f"{NAME}.timer", "NextElapseUSecMonotonic") not in ("", "infinity"), "the timer stands still"


@test(timeout=100)
def files_that_change(w):
    """The list of nodes comes late, in a folder that was not there; then it changes more often than systemd
    lets others start; a broken one changes nothing, and the next one is read again."""
    c = Cluster(w)
    c.boot("service", "path")
    c.await_result("exit-code", "the service without its list")
    c.nodes()
    wait_for(c.stands, "an answer from the other node through the overlay", 10, 0.05)
    for turn in range(5):
        c.nodes(NEW)
        c.await_node(True, f"the new node, turn {turn}")
        c.n1.write(f"{NODES}.new", json.dumps(c.lab.entries()))
        c.n1.sh(f"mv {NODES}.new {NODES}")
        c.await_node(False, f"without the new node, turn {turn}")
    c.n1.write(NODES, "[")
    c.await_result("exit-code", "the service with a broken list")
    assert c.stands(), "a broken list took the overlay"
    c.nodes(NEW)
    c.await_node(True, "the new node after a broken list")
    c.lab.write(nodes=())
    c.n1.write(FILE, json.dumps(c.lab.conflist()))
    c.await_node(False, "the file changed")


@test(timeout=100)
def what_others_take(w):
    """By the timer alone, time and again, and after a failure too."""
    c = Cluster(w, {f"{NAME}.timer.d/haste.conf": HASTE})
    c.boot("timer")
    c.await_result("exit-code", "the service without its list")
    c.nodes()
    for what in ("true", f"ip link del {DEVICE}", f"ip link set {DEVICE} down; ip link set {DEVICE} up",
                 f"/sbin/bridge fdb flush dev {DEVICE}; ! /sbin/bridge fdb show dev {DEVICE} | grep dst"):
        c.n1.sh(what)
        wait_for(c.stands, f"an answer after: {what}", 15, 0.05)


if __name__ == "__main__":
    run()
