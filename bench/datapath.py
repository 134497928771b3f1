# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets from a pod on one node to a pod on another, by each of the overlay's backends: the lab of
tests/lib/lab.py with two nodes, and the backends taking turns on it."""

import os
import re

from cases import listens
from host import spread
from lab import Lab
from world import PROBES

VXLAN = {"type": "vxlan", "vni": 1, "port": 8472}
# name: (backend, by which family its packets travel)
BACKENDS = {
    "host-gw": ({"type": "host-gw"}, 4),
    "vxlan": (VXLAN, 4),
    "vxlan-outer-off": ({**VXLAN, "checksum": "outer-off"}, 4),
    "vxlan-off": ({**VXLAN, "checksum": "off"}, 4),
    "vxlan-ipv6": (VXLAN, 6),
    "ipip": ({"type": "ipip"}, 4),
}


def change(lab, backend, family):
    """The pods' links follow the backend's MTU, so they come again."""
    for pod in list(lab.pods.values()):
        lab.remove(pod)
    for node in lab.nodes.values():
        if node.stands:
            lab.overlay(node, "remove")
        node.sh("ip link del cni0 2>/dev/null || :")
        node.stands = True
    lab.backend, lab.dual = backend, family == 6
    lab.up()


def throughput(source, target, address, seconds):
    process = target.bg(["iperf3", "-s", "-1"], stdout=-3, stderr=-3)
    listens(target, 5201)
    said = source.json(["iperf3", "-J", "-c", address, "-t", seconds])
    process.wait(10)
    return said["end"]["sum_received"]["bits_per_second"]


def round_trip(source, address, count):
    """Nanoseconds, on average (each is told in whole microseconds); an echo request goes out when the one before
    has come back."""
    times = re.findall(r"time=([\d.]+) ms", source.sh(["ping", "-n", "-A", "-c", count, address]).stdout)
    return sum(map(float, times)) / len(times) * 1e6


def datapath(case, mtu):
    def run(w):
        rounds, seconds, echoes = (1, 1, 200) if case.options.quick else (5, 2, 5000)
        os.environ["PODWIRE_BIN"] = str(case.ours.folder)
        missing = {name for name in ("ipip",) if not PROBES[name](w)}
        lab = Lab(w, "dual", mtu=mtu, nodes=2)
        for node in lab.nodes.values():
            node.stands = False
        found = {name: ([], []) for name in BACKENDS if name not in missing}
        for _ in range(rounds):
            for name, (bits, times) in found.items():
                change(lab, *BACKENDS[name])
                one, other = lab.pods["p1a"], lab.pods["p2a"]
                address = other.v6 if BACKENDS[name][1] == 6 else other.v4
                times.append(round_trip(one, address, echoes))
                bits.append(throughput(one, other, address, seconds))
        for name in BACKENDS:
            samples = dict(zip(("throughput", "roundtrip"), found.get(name, ())))
            for figure in ("throughput", "roundtrip"):
                case.row(kind="datapath", backend=name, mtu=mtu, figure=figure,
                         **(spread(samples[figure]) if samples else {"missing": f"no {name} in this kernel"}))
    return run
