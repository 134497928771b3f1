# SPDX-License-Identifier: GPL-2.0-or-later
"""overlay killed at each of its steps: while it makes the node's side, changes it, takes it away, and in the ADD
that finds nothing of it. The next run makes it right: the node is as after one that nobody killed."""

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from trials import PLAIN, STOPAT  # noqa: E402
from world import eq, main, test  # noqa: E402

NODES = [{"name": "n1", "publicIP": "192.0.2.1", "subnet": "10.244.1.0/24"},
         {"name": "n2", "publicIP": "192.0.2.2", "subnet": "10.244.2.0/24"},     # on our L2: a plain route
         {"name": "n3", "publicIP": "198.51.100.3", "subnet": "10.244.3.0/24"},  # behind it: through the tunnel
         {"name": "n4", "publicIP": "198.51.100.4", "subnet": "10.244.4.0/24"}]
FILE = Path("/run/world/podnet.conflist")


def conf(nodes=(0, 1, 2), **backend):
    return {"cniVersion": "1.1.0", "name": "podnet", "type": "overlay", "network": "10.244.0.0/16", "ipMasq": True,
            "senders": "nodes", "nodes": [NODES[n] for n in nodes],
            "backend": {"directRouting": True, **backend}, "delegate": {"isDefaultGateway": True}}


def run(what, c, k=0):
    """The tool, to be killed at its step `k`, if any."""
    FILE.write_text(json.dumps(c))
    return subprocess.run([*([STOPAT, "step", str(k)] if k else []), f"{PLAIN}/overlay", what, FILE], capture_output=True,
                          text=True, timeout=60, check=False)


def well(what, c):
    done = run(what, c)
    eq((done.returncode, done.stderr), (0, ""), f"{what}: {done.stdout}")


def node(w):
    """All of the overlay, but numbers, counters, and what the kernel does when it likes."""
    text = w.sh("nft -s list ruleset; ip -d link show type vxlan; ip -4 addr show label 'flannel*'; ip route; ip neigh show nud permanent;"
                "bridge fdb show | grep flannel; ip nexthop; ls /run/podwire/overlay").stdout
    text = re.sub(r"^\d+: |promiscuity.*|state \w+|\bid \d+|nhid \d+|qlen \d+|NO-CARRIER,|,LOWER_UP| linkdown", "", text, flags=re.M)
    return "\n".join(sorted(line.strip() for line in text.splitlines()))


def killed(first, then, w, stride=1, last=None):
    """`then` is run killed at each step, behind `first`, and once more, or `last` in its place. How many steps there are."""
    last = last or then
    for f in first:
        well(*f)
    well(*last)
    usual = node(w)
    for k in itertools.count(1, stride):
        for f in first:
            well(*f)
        done = run(*then, k)
        hit = "stopat: killed" in done.stderr
        eq(done.returncode != 0, hit, repr(done))
        well(*last)
        eq(node(w), usual, f"{last[0]} after {done.stderr.strip()}")
        if not hit:
            return k - 1


@test(timeout=200)
def made(w):
    w.neighbour()
    eq(killed([("remove", conf())], ("apply", conf()), w) > 10, True, "steps")


@test(timeout=200)
def changed(w):
    """A node less, another more; then another device, so that the first one goes."""
    w.neighbour()
    eq(killed([("apply", conf())], ("apply", conf((0, 1, 3))), w) > 5, True, "steps")
    eq(killed([("apply", conf())], ("apply", conf(vni=2)), w, 3) > 5, True, "steps")


@test(timeout=200)
def replaced(w):
    """Another device, and a third one in place of that: neither the first nor the second stays."""
    w.neighbour()
    third = ("apply", conf(vni=3))
    eq(killed([("apply", conf())], ("apply", conf(vni=2)), w, 8, third) > 5, True, "steps")
    eq(killed([("remove", conf())], ("apply", conf(vni=2)), w, 8, third) > 5, True, "steps, without a first")


@test(timeout=200)
def removed(w):
    w.neighbour()
    well("remove", conf())
    before = node(w)
    eq(killed([("apply", conf())], ("remove", conf()), w) > 3, True, "steps")
    eq(node(w), before, "after all")


@test(timeout=200)
def added(w):
    w.neighbour()
    w.bin = PLAIN
    pod = w.pod("a")
    well("apply", conf())
    w.call("overlay", "ADD", conf(), pod).ok()
    usual = node(w)
    for k in itertools.count(1):
        w.call("overlay", "DEL", conf(), pod).ok()
        well("remove", conf())
        r = w.call("overlay", "ADD", conf(), pod, under=(STOPAT, "step", k))
        hit = "stopat: killed" in r.err
        eq(r.code != 0, hit, repr(r))
        w.call("overlay", "DEL", conf(), pod).ok()
        eq([x["ifname"] for x in w.json("ip -j link show type veth")], ["eth0"], r.err)
        w.call("overlay", "ADD", conf(), pod).ok()
        eq(node(w), usual, f"ADD after {r.err.strip()}")
        if not hit:
            eq(k > 10, True, f"{k - 1} steps")
            break
    eq(pod.pings("10.244.1.1"), True, "the pod at the end")


if __name__ == "__main__":
    main()
