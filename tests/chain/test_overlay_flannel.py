# SPDX-License-Identifier: GPL-2.0-or-later
"""A cluster of nodes that flannel keeps (as tests/lib/flannelnode.py sets them up) and nodes of ours."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import crossing  # noqa: E402
from flannelnode import FlannelNode, macs_of  # noqa: E402
from lab import Lab  # noqa: E402
from world import main, test  # noqa: E402


def introduce(lab):
    """Every flannel node gets the leases of all others."""
    for node, flannel in lab.foreign.items():
        for other in lab.nodes.values():
            if other is not node:
                known = lab.foreign.get(other)
                flannel.peer(other.entry(lab.dual), known.macs if known else macs_of(other, lab))


def mixed(w, mode, *foreign):
    lab = Lab(w, mode)
    flannels = [FlannelNode(lab, lab.nodes[name]) for name in foreign]
    lab.up("ab")
    introduce(lab)
    for flannel in flannels:
        for letter in "ab":
            flannel.add(f"p{flannel.node.number}{letter}", 8080 if letter == "a" else None)
    return lab


@test(timeout=100)
def flannel_alone(w):
    """Proves the lab and what is asked of it."""
    crossing.everything(mixed(w, "vxlan", "n1", "n2", "n3", "n4"))


if __name__ == "__main__":
    main()
