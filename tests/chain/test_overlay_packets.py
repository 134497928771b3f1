# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets between the pods of four nodes, over each way that the overlay has, and as the underlay sees them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from crossing import all_pairs, everything, outward  # noqa: E402
from lab import Lab  # noqa: E402
from world import eq, main, test  # noqa: E402


def of_mode(mode):
    def run(w):
        everything(Lab(w, mode).up("ab"))
    run.__name__ = mode.replace("-", "_")
    return test(run, timeout=100)


for each in ("vxlan", "host-gw", "direct", "dual", "host-gw-dual"):
    of_mode(each)


def rules_of(node):
    """What FORWARD has of ours, for both families."""
    return [line for program in ("iptables-nft", "ip6tables-nft")
            for line in node.sh(f"{program} -S FORWARD").stdout.splitlines() if line.startswith("-A")]


@test(timeout=100)
def where_forward_drops(w):
    """As Docker sets it: pods reach each other all the same, and again once somebody has flushed it."""
    lab = Lab(w, "dual", nodes=2)
    nodes = list(lab.nodes.values())
    for node in nodes:
        node.sh("iptables-nft -P FORWARD DROP; ip6tables-nft -P FORWARD DROP")
    lab.up("ab")
    all_pairs(lab, bulk=False)
    outward(lab)
    eq(len(rules_of(nodes[0])), 4, "rules in FORWARD")
    for node in nodes:
        before = rules_of(node)
        node.sh("iptables-nft -F FORWARD; ip6tables-nft -F FORWARD")
        told = lab.overlay(node, "show").stdout
        assert "FORWARD does not accept mark 0x1000" in told, told
    assert not lab.pods["p1a"].pings(lab.pods["p2a"].v4, seconds=1), "FORWARD does not drop"
    for said in ("rules written", "rules as they were"):
        told = lab.overlay(nodes[0], "apply").stdout
        assert said in told, f"not {said!r}, but {told}"
    lab.add(nodes[1], "p2c")
    eq([rules_of(node) for node in nodes], [before, before], "rules in FORWARD")
    all_pairs(lab, bulk=False)


@test
def whoever_forwards_by_rules_of_their_own(w):
    """"forward": false touches nobody's FORWARD."""
    lab = Lab(w, "host-gw", nodes=2, keys={"forward": False})
    for node in lab.nodes.values():
        node.sh("iptables-nft -P FORWARD DROP")
    lab.up()
    eq([rules_of(node) for node in lab.nodes.values()], [[], []], "rules in FORWARD")
    assert not lab.pods["p1a"].pings(lab.pods["p2a"].v4, seconds=1), "FORWARD does not drop"


if __name__ == "__main__":
    main()
