# SPDX-License-Identifier: GPL-2.0-or-later
"""A cluster of nodes that flannel keeps (as tests/lib/flannelnode.py sets them up) and nodes of ours."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
import crossing  # noqa: E402
from flannelnode import GO, FlannelNode, macs_of  # noqa: E402
from lab import FILE, Lab  # noqa: E402
from wire import Stream  # noqa: E402
from world import eq, main, test  # noqa: E402


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


@test(timeout=100)
def half_and_half(w):
    crossing.everything(mixed(w, "vxlan", "n2", "n4"))


@test(timeout=100)
def half_and_half_dual_stack(w):
    crossing.everything(mixed(w, "dual", "n2", "n4"))


@test(timeout=100)
def we_take_a_node_over_and_give_it_back(w):
    """`overlay apply` on top of what the daemon left, and the daemon's own replays on top of ours; streams
    between the pods run on."""
    lab = mixed(w, "vxlan", "n2", "n4")
    p1, p2, p4 = (lab.pods[name] for name in ("p1a", "p2a", "p4a"))
    n2 = lab.nodes["n2"]
    entries = lab.entries()  # with the MAC that flannel chose
    streams = [Stream(p1, p2, p2.v4), Stream(p2, p4, p4.v4)]
    flannel = lab.foreign.pop(n2)
    lab.write(entries)
    lab.overlay(n2, "apply")
    eq(n2.json("ip -j link show flannel.1")[0]["address"], flannel.macs[4], "MAC of the device that was there")
    crossing.all_pairs(lab, bulk=False)
    for stream in streams:
        stream.fresh()
    lab.foreign[n2] = flannel
    introduce(lab)
    crossing.all_pairs(lab, bulk=False)
    for stream in streams:
        stream.fresh()
        eq(stream.end()["lost"], [], f"datagrams lost, {stream.name}")


OURS = "ip route show proto 112; ip -6 route show proto 112; ip nexthop; ip link show type vxlan; nft list tables | grep podwire-overlay"


@test(timeout=100)
def back_by_remove(w):
    """The daemon begins anew behind `overlay remove`, which leaves nothing of ours but the pods; they go on."""
    lab = mixed(w, "vxlan", "n2", "n4")
    n2 = lab.nodes["n2"]
    conflist = {**lab.conflist(), "name": "cbr0"}  # under which host-local has noted the pods' addresses
    flannel = lab.foreign.pop(n2)
    n2.write(FILE, json.dumps(conflist))
    lab.overlay(n2, "apply")
    lab.add(n2, "p2c")
    crossing.all_pairs(lab, bulk=False)
    lab.overlay(n2, "remove")
    eq(n2.sh(OURS, check=False).stdout, "", "left of the overlay")
    flannel.start()
    lab.foreign[n2] = flannel
    introduce(lab)
    flannel.add("p2d")
    crossing.everything(lab)
    n2.chain(flannel.conflist(), "DEL", lab.pods["p2c"], "p2c", path=GO).ok()
    eq(n2.sh("grep -l p2c /var/lib/cni/networks/cbr0/*", check=False).stdout, "", "addresses of the pod that we made")


@test(timeout=100)
def back_without_remove(w):
    """The daemon's replays take the place of every live peer's entries. What stays is what docs/overlay.md says."""
    lab = mixed(w, "vxlan", "n2", "n4")
    n2 = lab.nodes["n2"]
    gone = {"name": "n9", "publicIP": "192.168.50.9", "subnet": "10.244.9.0/24", "vtepMAC": "02:00:00:00:04:09"}
    entries = lab.entries()
    flannel = lab.foreign.pop(n2)
    lab.write([*entries, gone])
    lab.overlay(n2, "apply")
    lab.foreign[n2] = flannel
    introduce(lab)
    crossing.everything(lab)
    eq(sorted(r["dst"] for r in n2.json("ip -j route show proto 112")), ["10.244.9.0/24"], "the one that is no longer there")
    eq("podwire-overlay-podnet" in n2.sh("nft list tables").stdout, True, "our rules")
    eq(n2.sh("ip route del 10.244.9.0/24 via 10.244.9.0 dev flannel.1 onlink", check=False).returncode != 0, True,
       "the daemon's deletion misses it")
    lab.overlay(n2, "remove")
    eq(n2.sh(OURS, check=False).stdout, "", "left of the overlay")


if __name__ == "__main__":
    main()
