#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Pods that the Go plugins attached, deleted by ours: firewall, tuning and bandwidth of Debian's 1.1.1 and of
1.9.1 (built by Go, gotools.py), behind their bridge and behind ours."""

import json
from pathlib import Path

from gotools import CACHE, install
from node import DEBIAN, eq, links, run, test

MODULE = "github.com/containernetworking/plugins/plugins/"
NEWER = [f"{MODULE}{p}@v1.9.1" for p in ("meta/firewall", "meta/tuning", "meta/bandwidth", "main/bridge", "ipam/host-local")]
WHY_NOT = install("plugins-1.9.1", *NEWER)
IDS = ("first-pod", "second-pod")
MAC = "02:00:00:00:77:01"
CHAIN = {"cniVersion": "1.0.0", "name": "old", "plugins": [
    {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipam": {"type": "host-local", "ranges": [
        [{"subnet": "10.88.0.0/24"}], [{"subnet": "fd88::/64"}]], "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]}},
    {"type": "firewall", "backend": "iptables"},
    {"type": "tuning", "sysctl": {"net.ipv4.conf.IFNAME.log_martians": "1"}, "mac": MAC, "promisc": True, "mtu": 1400,
     "allmulti": True},
    {"type": "bandwidth", "ingressRate": 20000000, "ingressBurst": 2000000, "egressRate": 10000000, "egressBurst": 1000000}]}


def folder(w, version):
    if version == "1.1.1":
        return DEBIAN
    if WHY_NOT:
        w.skip(WHY_NOT)
    return str(CACHE / "plugins-1.9.1")


def rules_for(w, *addresses):
    text = w.sh("iptables-save; ip6tables-save").stdout
    return [line for line in text.splitlines() if any(f"{a}/" in line for a in addresses)]


def ifbs(w):
    return [name for name in links(w) if name.startswith("bwp")]


def inside(pod):
    link = pod.json("ip -d -j link show dev eth0")[0]
    return link["address"], link["mtu"], link["promiscuity"] > 0, link["allmulti"] > 0


def attach(w, version, ours=()):
    """Two pods by the Go plugins, of which `ours` are taken from our folder; what the first was like before."""
    path = folder(w, version)
    mixed = Path("/run/world/mixed")
    mixed.mkdir()
    for name in ("bridge", "host-local", "firewall", "tuning", "bandwidth"):
        (mixed / name).symlink_to(f"{w.bin if name in ours else path}/{name}")
    before = {}
    pods = []
    for name in IDS:
        pod = w.pod(name)
        bare = {**CHAIN, "plugins": CHAIN["plugins"][:1]}
        w.chain(bare, "ADD", pod, id=name, path=str(mixed)).ok()
        before[name] = inside(pod)
        w.chain(bare, "DEL", pod, id=name, path=str(mixed)).ok()
        w.chain(CHAIN, "ADD", pod, id=name, path=str(mixed)).ok()
        pods.append(pod)
    return pods, before


def life(w, version, ours=()):
    (a, b), _ = attach(w, version, ours)
    eq(inside(a)[:2], (MAC, 1400), "what tuning set")
    found = {p.name: [x.split("/")[0] for x in p.ips("eth0")] for p in (a, b)}
    kept = rules_for(w, *found[IDS[1]])
    eq((len(ifbs(w)), len(kept), len(rules_for(w, *found[IDS[0]]))), (2, 4, 4), "what the Go plugins made")
    w.chain(CHAIN, "DEL", a, id=IDS[0]).ok()
    eq((len(ifbs(w)), rules_for(w, *found[IDS[0]]), rules_for(w, *found[IDS[1]])), (1, [], kept), "after the first DEL")
    w.remove(b)
    w.chain(CHAIN, "DEL", None, id=IDS[1]).ok()
    eq((ifbs(w), rules_for(w, *found[IDS[1]]), w.files("/run/cni/tuning").count("json")), ([], [], 0), "after the second")
    w.addresses_free()
    w.promise_nothing_left(IDS)
    for name in IDS:
        w.chain(CHAIN, "DEL", None, id=name).ok()


@test
def all_of_theirs_1_1_1(w):
    life(w, "1.1.1")


@test
def all_of_theirs_1_9_1(w):
    life(w, "1.9.1")


def all_of_theirs_legacy(w, version):
    """Their iptables is the legacy one."""
    w.sh("for p in iptables ip6tables; do ln -sf /usr/sbin/$p-legacy /etc/alternatives/$p; "
         "ln -sf /usr/sbin/$p-legacy-save /etc/alternatives/$p-save; done")
    life(w, version)


def all_of_theirs_legacy_1_1_1(w):
    all_of_theirs_legacy(w, "1.1.1")


def all_of_theirs_legacy_1_9_1(w):
    all_of_theirs_legacy(w, "1.9.1")


for one in (all_of_theirs_legacy_1_1_1, all_of_theirs_legacy_1_9_1):
    test(one, needs=("iptables_legacy",))


@test
def behind_our_bridge_1_1_1(w):
    life(w, "1.1.1", ("bridge", "host-local"))


@test
def behind_our_bridge_1_9_1(w):
    life(w, "1.9.1", ("bridge", "host-local"))


def only(name, prev):
    return {**next(p for p in CHAIN["plugins"] if p["type"] == name), "cniVersion": "1.0.0", "name": "old",
            "prevResult": prev}


def put_back(w, version):
    """tuning alone: the interface is as it was before their ADD, and shapers are off the living link."""
    (a, _), before = attach(w, version)
    prev = w.results[("old", IDS[0], "eth0")]
    w.call("bandwidth", "DEL", only("bandwidth", prev), a, id=IDS[0]).ok()
    eq([q["kind"] for q in w.json("tc -j qdisc") if q["dev"] == prev["interfaces"][1]["name"]], ["noqueue"],
       "queues of the host end")
    w.call("tuning", "DEL", only("tuning", prev), a, id=IDS[0]).ok()
    eq(inside(a)[1:], before[IDS[0]][1:], "MTU, promiscuous and all-multicast mode")
    assert inside(a)[0] != MAC, "the MAC that tuning set is still there"
    eq(a.pings("10.88.0.1"), True, "the pod, all the while")


@test
def put_back_1_1_1(w):
    put_back(w, "1.1.1")


@test
def put_back_1_9_1(w):
    put_back(w, "1.9.1")


@test
def both_speak_the_same_files(w):
    """The way back: their DEL of what our tuning and bandwidth made."""
    path = folder(w, "1.9.1")
    pod = w.pod(IDS[0])
    w.chain(CHAIN, "ADD", pod, id=IDS[0]).ok()
    prev = w.results[("old", IDS[0], "eth0")]
    eq(json.loads(Path("/run/cni/tuning", f"{IDS[0]}_eth0.json").read_text())["mtu"], 1500, "our file, their key")
    for name in ("bandwidth", "tuning"):
        w.call(f"{path}/{name}", "DEL", only(name, prev), pod, id=IDS[0]).ok()
    eq((ifbs(w), inside(pod)[1:], w.files("/run/cni/tuning").count("json")), ([], (1500, False, False), 0), "after theirs")
    w.chain(CHAIN, "DEL", pod, id=IDS[0]).ok()
    w.promise_nothing_left(IDS)


def their_del_of_ours(w, version):
    """The way back: their DEL of the whole chain, and what it leaves of ours goes with our GC; the other pod runs on."""
    path = folder(w, version)
    a, b = (w.pod(name) for name in IDS)
    for pod in (a, b):
        w.chain(CHAIN, "ADD", pod, id=pod.name).ok()

    def left(name):
        elements = {e.split(":")[0] for e in w.elements() if name in e}
        return sorted(elements), sorted({Path(e.split()[0]).name.split("-")[0] for e in w.leftovers((name,)) if "names" in e})

    w.chain(CHAIN, "DEL", a, id=IDS[0], path=path).ok()
    eq(left(IDS[0]), (["forward4-12", "forward6-12"], ["firewall"]), "what their DEL leaves")
    w.chain({**CHAIN, "cniVersion": "1.1.0"}, "GC", valid=[(IDS[1], "eth0")]).ok()
    eq(left(IDS[0]), ([], []), "after our GC")
    eq(left(IDS[1])[0], ["forward4-12", "forward6-12"], "the other pod's")
    w.chain(CHAIN, "DEL", b, id=IDS[1], path=path).ok()
    w.chain({**CHAIN, "cniVersion": "1.1.0"}, "GC", valid=[]).ok()
    w.promise_nothing_left(IDS)


@test
def their_del_of_ours_1_1_1(w):
    their_del_of_ours(w, "1.1.1")


@test
def their_del_of_ours_1_9_1(w):
    their_del_of_ours(w, "1.9.1")


if __name__ == "__main__":
    run()
