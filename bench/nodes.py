# SPDX-License-Identifier: GPL-2.0-or-later
"""What the number of nodes costs: programming them all, by our way and by flannel's, and a pod's ADD while they stand."""

import json
from pathlib import Path

from host import Pods, spread

LOCAL = "172.16.0.1"
UNDERLAY = (f"ip link add u0 type veth peer name u1; ip link set u0 up; ip link set u1 up; ip addr add {LOCAL}/12 dev u0")


def programming(case, count):
    """One process does it all; both ways take turns, each in a namespace of its own."""
    def run(w):
        found = {"podwire": [], "flannel": []}
        for _ in range(case.rounds):
            for way, samples in found.items():
                samples.append(w.json(["unshare", "-n", "sh", "-c", f"{UNDERLAY}; exec {case.tools}/overlay {way} {LOCAL} {count}"]))
        for way, samples in found.items():
            for figure in samples[0]:
                case.row(kind="nodes", way=way, nodes=count, figure=figure, **spread([s[figure] for s in samples]))
    return run


def conflist(count, index):
    """A list file of so many nodes, the first of them this one; and the configuration that reads it. Two of them, 0
    and 1, can stand on one node."""
    base = 128 * index
    nodes = Path(f"/run/world/nodes-{count}.json")
    nodes.write_text(json.dumps([{"name": f"n{n}", "publicIP": f"172.{16 + n // 62500}.{n // 250 % 250}.{1 + n % 250}",
                                  "subnet": f"10.{base + n // 250}.{n % 250}.0/24"} for n in range(count)]))
    return {"cniVersion": "1.1.0", "name": f"nodes{count}", "plugins": [
        {"type": "overlay", "network": f"10.{base}.0.0/9", "ipMasq": True, "nodesFile": str(nodes),
         "backend": {"type": "vxlan", "vni": 1 + index}, "delegate": {"isDefaultGateway": True, "bridge": f"cni{index}"}}]}


class Two(Pods):
    """Namespaces of its own beside another's."""
    prefix = "q"


def standing(case, counts):
    """A pod's ADD where so many nodes stand: both numbers on one node, taking turns."""
    def run(w):
        w.sh(UNDERLAY)
        pods = {count: kind(case.tools, case.ours, "overlay", conflist=conflist(count, index))
                for index, (count, kind) in enumerate(zip(counts, (Pods, Two)))}
        for _ in range(3):
            for group in pods.values():
                group.round()
        case.calm()
        answers = {count: [] for count in counts}
        for _ in range(case.fine_rounds):
            for count, group in pods.items():
                answers[count].append(group.round()[0]["ns"])
        for count, samples in answers.items():
            case.row(kind="standing", nodes=count, verb="ADD", **spread(samples))
    return run
