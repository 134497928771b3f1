#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""overlay as a runtime and a unit see it: this machine as node n1, and n2 beside it, which runs the same programs
with state folders of its own."""

import json
import os
import re
import socket
import subprocess
import time
from pathlib import Path

from world import eq, main, test, wait_for

N1 = {"name": "n1", "publicIP": "192.0.2.1", "subnet": "10.244.1.0/24"}
N2 = {"name": "n2", "publicIP": "192.0.2.2", "subnet": "10.244.2.0/24"}
N3 = {"name": "n3", "publicIP": "192.0.2.3", "subnet": "10.244.3.0/24"}
SIX = {"n1": {"publicIPv6": "2001:db8:0:1::1", "subnetV6": "fd00:10:0:1::/64"},
       "n2": {"publicIPv6": "2001:db8:0:1::2", "subnetV6": "fd00:10:0:2::/64"}}
DUAL = {"networkV6": "fd00:10::/48", "nodes": [{**n, **SIX[n["name"]]} for n in (N1, N2)]}
FILE, NODES = Path("/etc/cni/net.d/10-podnet.conflist"), Path("/etc/podwire-nodes.json")


def conf(**more):
    """None takes a key away."""
    whole = {"cniVersion": "1.1.0", "name": "podnet", "type": "overlay", "network": "10.244.0.0/16", "ipMasq": True,
             "nodes": [N1, N2], "delegate": {"isDefaultGateway": True, "hairpinMode": True}, **more}
    return {k: v for k, v in whole.items() if v is not None}


def call(w, verb, pod=None, c=None, **more):
    if pod is not None:
        more.setdefault("id", pod.name)
    return w.call("overlay", verb, c or conf(), pod, **more)


def written(c):
    """The configuration as a list, where runtimes look for it."""
    c = dict(c)
    doc = {"cniVersion": c.pop("cniVersion"), "name": c.pop("name"), "plugins": [c, {"type": "portmap"}]}
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(doc))
    return FILE


def tool(w, *words, under=()):
    done = subprocess.run([*under, f"{w.bin}/overlay", *map(str, words)], capture_output=True, text=True, timeout=60,
                          check=False)
    assert done.returncode in (0, 1), f"{words}: {done.returncode} {done.stderr}"
    return done


def applied(w, c, **more):
    done = tool(w, "apply", written(c), **more)
    eq((done.returncode, done.stderr), (0, ""), done.stdout)
    return done.stdout


def shown(w, c):
    return json.loads(tool(w, "show", "--json", written(c)).stdout)


class Other:
    """A second node: its namespace, and state folders of its own."""

    def __init__(self, w, **more):
        self.w, self.net = w, w.neighbour("n2", default=False, **more)
        home = Path("/run/world/n2")
        for name in ("podwire", "cni"):
            (home / name).mkdir(parents=True)
        Path("/run/podwire").mkdir(exist_ok=True)
        enter = home / "enter"
        enter.write_text(f"#!/bin/sh\nmount --bind {home}/podwire /run/podwire && mount --bind {home}/cni /var/lib/cni && exec \"$@\"\n")
        enter.chmod(0o755)
        self.under = ("nsenter", "--net=/run/netns/n2", "unshare", "-m", str(enter))

    def call(self, verb, pod, c=None, **more):
        return self.w.call("overlay", verb, c or conf(), pod, id=pod.name, under=self.under, **more)


def two_pods(w, c, **more):
    """One on each node; the addresses of each."""
    other = Other(w, **more)
    a, b = w.pod("a"), w.pod("b")
    replies = [call(w, "ADD", a, c).ok(), other.call("ADD", b, c).ok()]
    return other, (a, replies[0].ips()), (b, replies[1].ips())


def meet(a, b, mtu):
    """Both ways, full size, and each sees the other's own address."""
    for (one, own), (two, theirs) in ((a, b), (b, a)):
        for mine, address in zip(own, theirs):
            overhead = 48 if ":" in address else 28
            eq(one.pings(address, extra=f"-M do -s {mtu - overhead}"), True, f"{one.name} pings {address} with {mtu} bytes")
            eq(one.pings(address, 0.2, extra=f"-M do -s {mtu - overhead + 1}"), False, "one byte more")
        two.serve(80)
        for mine, address in zip(own, theirs):
            eq(one.ask(address, 80), f"hello {mine}", f"{one.name} to {address}")


def listed(*nodes, file=NODES):
    """The list in its file, which is quiet then: a stamp vouches for it."""
    file.write_text(json.dumps(nodes))
    wait_for(lambda: time.time() - file.stat().st_ctime > 0.11, "a quiet file")


def routes(w, network="10.244.0.0/16"):
    return sorted(r["dst"] for r in w.json(f"ip -j route show root {network}") if r.get("dev") != "cni0")


# ---- two nodes

@test
def vxlan(w):
    c = conf()
    _, a, b = two_pods(w, c)
    eq((a[1], b[1]), (["10.244.1.2"], ["10.244.2.2"]), "addresses")
    meet(a, b, 1450)
    eq(a[0].json("ip -j route show 10.244.0.0/16")[0]["gateway"], "10.244.1.1", "the network's route")


@test
def vxlan_dual_stack(w):
    _, a, b = two_pods(w, conf(**DUAL))
    eq((a[1], b[1]), (["10.244.1.2", "fd00:10:0:1::2"], ["10.244.2.2", "fd00:10:0:2::2"]), "addresses")
    meet(a, b, 1430)


@test
def host_gw(w):
    other, a, b = two_pods(w, conf(**DUAL, backend={"type": "host-gw"}))
    for node in (w, other.net):
        wait_for(lambda n=node: "tentative" not in n.sh("ip -6 addr show dev eth0").stdout, "the underlay's own addresses")
    meet(a, b, 1500)
    eq(w.json("ip -j link show type vxlan"), [], "devices")


@test(needs=("ipip",))
def ipip(w):
    _, a, b = two_pods(w, conf(backend={"type": "ipip"}))
    meet(a, b, 1480)
    eq(w.json("ip -d -j link show dev flannel.ipip")[0]["linkinfo"]["info_kind"], "ipip", "device")
    call(w, "STATUS", c=conf(backend={"type": "ipip"})).ok()


@test
def host_to_pod_and_out(w):
    """The node itself reaches a pod on the other; a pod reaches others masqueraded."""
    other, a, b = two_pods(w, conf())
    b[0].serve(80)
    eq(w.ask(b[1][0], 80), "hello 10.244.1.0", "from the host")
    outside = w.neighbour("outside", "eth1", ("198.51.100.1/24", "198.51.100.2/24"), None, default=False)
    outside.serve(80)
    eq(a[0].ask("198.51.100.2", 80), "hello 198.51.100.1", "masqueraded")


@test
def ours_and_flannels_of_the_same_name(w):
    """Every backend key reaches the device."""
    Other(w)
    applied(w, conf(backend={"type": "vxlan", "vni": 7, "port": 4789, "learning": True, "gbp": True, "device": "ov7"}))
    data = w.json("ip -d -j link show dev ov7")[0]["linkinfo"]["info_data"]
    eq([data[k] for k in ("id", "port", "learning", "gbp", "local", "link")], [7, 4789, True, True, "192.0.2.1", "eth0"], "device")
    applied(w, conf(backend={"mtu": 1400, "checksum": "outer-off"}))
    link = w.json("ip -d -j link show dev flannel.1")[0]
    eq((link["mtu"], link["linkinfo"]["info_data"]["udp_csum"]), (1350, False), "the next")


# ---- it stands, or is made to

@test
def add_makes_what_was_lost(w):
    """Device, address, route, neighbour, FDB entry, rules: the next ADD has them back."""
    other, a, b = two_pods(w, conf())
    losses = ["ip link del flannel.1", "ip link set flannel.1 down", "ip link set flannel.1 down; ip link set flannel.1 up",
              "ip addr flush dev flannel.1", "ip route del 10.244.2.0/24", "ip neigh flush dev flannel.1 nud permanent",
              "bridge fdb del $(bridge fdb show dev flannel.1 | cut -d' ' -f1) dev flannel.1 dst 192.0.2.2",
              "ip link set flannel.1 address 02:00:00:00:00:99", "ip link set flannel.1 mtu 1300",
              "ip link del flannel.1; ip link add flannel.1 type vxlan id 9 dstport 0 dev eth0", "nft flush ruleset"]
    for n, loss in enumerate(losses):
        w.sh(loss)
        call(w, "CHECK", a[0], {**conf(), "prevResult": {"cniVersion": "1.1.0"}}).fails(103)
        pod = w.pod(f"p{n}")
        call(w, "ADD", pod).ok()
        eq([x.pings(b[1][0]) for x in (a[0], pod)], [True, True], loss)
        eq(shown(w, conf())["differences"], [], loss)


@test
def a_node_more_and_less(w):
    other = Other(w)
    listed(N1, N2)
    c = conf(nodes=None, nodesFile=str(NODES))
    call(w, "ADD", w.pod("a"), c).ok()
    eq(routes(w), ["10.244.2.0/24"], "routes")
    for n, (nodes, wanted) in enumerate((([N1, N2, N3], ["10.244.2.0/24", "10.244.3.0/24"]), ([N3, N1], ["10.244.3.0/24"]),
                                         ([N1], []))):
        listed(*nodes)
        call(w, "ADD", w.pod(f"p{n}"), c).ok()
        eq((routes(w), shown(w, c)["differences"]), (wanted, []), nodes)
    eq(w.json("bridge -j fdb show dev flannel.1"), [], "FDB")
    # In a new file of the same name, and in the list itself.
    listed(N1, N2, file=NODES.with_suffix(".new"))
    NODES.with_suffix(".new").rename(NODES)
    call(w, "ADD", w.pod("x"), c).ok()
    eq(routes(w), ["10.244.2.0/24"], "renamed")
    for n, nodes in enumerate(([N1, N3], [N1, N2])):
        call(w, "ADD", w.pod(f"y{n}"), conf(nodes=nodes)).ok()
        eq(routes(w), [nodes[1]["subnet"]], "inline")


@test
def the_list_is_not_read_while_all_stands(w):
    """But a peer's route is missed at once, and a damaged stamp is none."""
    Other(w)
    listed(N1, N2, N3)
    c = conf(nodes=None, nodesFile=str(NODES))
    stamp = Path("/run/podwire/overlay/stamp-podnet")
    applied(w, c)
    w.sh("ip route del 10.244.3.0/24")
    call(w, "ADD", w.pod("a"), c).ok()
    eq(routes(w), ["10.244.2.0/24", "10.244.3.0/24"], "routes")

    def reads(name):
        call(w, "ADD", w.pod(name), c, under=("strace", "-f", "-o", "/run/world/trace", "-e", "trace=openat"),
             env={"ASAN_OPTIONS": "detect_leaks=0"}).ok()
        return str(NODES) in Path("/run/world/trace").read_text()
    eq(reads("b"), False, "the list was read")
    whole = stamp.read_bytes()
    for n, damage in enumerate((b"", whole[:-1], b"x" + whole, whole.replace(b"n3", b"n4"))):
        stamp.write_bytes(damage)
        eq((reads(f"c{n}"), stamp.read_bytes()), (True, whole), damage)

    def quick():
        """Within one tick of the clock another change would leave no trace in the file's times."""
        NODES.write_text(NODES.read_text())
        applied(w, c)
        kept = stamp.read_bytes()
        return time.time() - NODES.stat().st_ctime < 0.1 and b'"busy"' in kept
    wait_for(quick, "a stamp that does not vouch for a file that is not quiet")
    eq((reads("d"), routes(w)), (True, ["10.244.2.0/24", "10.244.3.0/24"]), "the list is read again")


@test
def another_backend_takes_the_first_ones_place(w):
    Other(w)
    for backend, devices in (({}, ["flannel.1"]), ({"vni": 2}, ["flannel.2"]), ({"type": "host-gw"}, []),
                             ({"device": "ov0"}, ["ov0"]), ({"directRouting": True}, ["flannel.1"])):
        c = conf(backend=backend)
        applied(w, c)
        eq([x["ifname"] for x in w.json("ip -j link show type vxlan")], devices, backend)
        eq((routes(w), shown(w, c)["differences"]), (["10.244.2.0/24"], []), backend)


# ---- refusals

def refused(w, c, code, text, verb="ADD"):
    """Nothing is changed."""
    before = w.snapshot(ours=False)
    pod = w.pods.get("refused") or w.pod("refused")
    reply = call(w, verb, pod, c).fails(code, text)
    w.same(before, w.snapshot(ours=False), reply.msg)
    done = tool(w, "apply", written(c))
    eq((done.returncode, done.stdout, text in done.stderr, done.stderr.count("\n")), (1, "", True, 1), done.stderr)


@test
def configurations_that_cannot_be(w):
    Other(w)
    for c, text in (
            (conf(network="10.244.0.0/33"), 'network: "10.244.0.0/33" is not an IP prefix'),
            (conf(nodes=[N1, {**N2, "subnet": "10.245.0.0/24"}]), "nodes[1].subnet: 10.245.0.0/24 is no part of network 10.244.0.0/16"),
            (conf(nodes=[N1, {**N2, "subnet": "10.244.0.0/20"}]), 'nodes[1].subnet: 10.244.0.0/20 of "n2" overlaps with nodes[0]'),
            (conf(nodes=[N1, {**N2, "publicIP": "192.0.2.1"}]), 'nodes[1].publicIP: 192.0.2.1 of "n2" is that of nodes[0] "n1" too'),
            (conf(nodes=[N2, N3]), "nodes: this node is none of the 2 in the list"),
            (conf(node="n2"), "nodes[1].publicIP: 192.0.2.2 is no address of this node (192.0.2.1, 2001:db8:0:1::1)"),
            (conf(backend={"vni": 1 << 24}), "backend.vni: 16777216 is out of range"),
            (conf(backend={"port": 0}), "backend.port: 0 is out of range"),
            (conf(backend={"mtu": 100}), "backend.mtu: 100 leaves pods 50 bytes, and IPv4 needs 576: set at least 626"),
            (conf(backend={"mtu": 1501}), "backend.mtu: 1501 is more than the 1500 of interface eth0"),
            (conf(nodes=[N1, {k: v for k, v in N2.items() if k != "subnet"}]), "nodes[1].subnet: the key is missing")):
        refused(w, c, 7, text)


@test
def networks_that_others_have(w):
    """The classic mistake: the pods' network around the LAN."""
    Other(w)
    wide = {"network": "192.0.0.0/16", "nodes": [{**N1, "subnet": "192.0.7.0/24"}, {**N2, "subnet": "192.0.8.0/24"}]}
    refused(w, conf(**wide), 7, "network 192.0.0.0/16 holds 192.0.2.0/24, to which this host has a route (dev eth0): choose a network that no host is in")
    w.sh("ip link add vlan9 type veth peer name other9; ip link set vlan9 up; ip link set other9 up; ip addr add 10.244.20.7/24 dev vlan9")
    refused(w, conf(), 7, "network 10.244.0.0/16 holds 10.244.20.0/24, to which this host has a route (dev vlan9): choose a network")
    w.sh("ip link del vlan9")
    w.sh("ip route add 10.244.9.0/24 via 192.0.2.2")
    refused(w, conf(), 7, "10.244.9.0/24")
    w.sh("ip route del 10.244.9.0/24; ip route add 10.0.0.0/8 via 192.0.2.2")
    applied(w, conf())  # a wider one is fine
    w.sh("ip route add 10.244.9.0/24 via 192.0.2.2")  # comes later: all of ours stands, and the next apply is refused
    eq(shown(w, conf())["differences"], ["apply is refused: network 10.244.0.0/16 holds 10.244.9.0/24, to which this host has a route "
                                         "(via 192.0.2.2 dev eth0): choose another network, or remove that route"], "shown")


@test
def a_vni_and_a_bridge_that_are_in_use(w):
    Other(w)
    w.sh("ip link add vx type vxlan id 1 dstport 8472 dev eth0")
    refused(w, conf(), 101, "backend.vni: interface vx has VNI 1 on port 8472 already")
    w.sh("ip link del vx")
    for family, c in ((socket.AF_INET, conf(backend={"port": 4789})), (socket.AF_INET6, conf(**DUAL))):
        with socket.socket(family, socket.SOCK_DGRAM) as program:
            if family == socket.AF_INET6:
                program.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            port = c["backend"]["port"] if "backend" in c else 8472
            program.bind(("", port))
            refused(w, c, 101, f"backend.port: UDP port {port} is in use by another program: choose another port, or stop that program")
    w.sh("ip link add cni0 type bridge; ip addr add 10.244.7.1/24 dev cni0")
    refused(w, conf(), 101, "delegate.bridge: cni0 is there with 10.244.7.1/24, which is no address of this node's subnet "
                            "10.244.1.0/24: once no pod needs it any more, delete it (ip link delete cni0), or set delegate.forceAddress")
    w.sh("ip link set cni0 up")
    w.sh("ip link add vx type vxlan id 7 local 192.0.2.1 dstport 8472; ip link set vx up")  # vxlans share a port
    call(w, "ADD", w.pod("a"), conf(delegate={"isGateway": True, "forceAddress": True})).ok()
    eq(w.ips("cni0", 4), ["10.244.1.1/24"], "the address")


@test
def a_second_network_on_the_first_ones_device(w):
    """Both have VNI 1: each apply would take the other's entries for stale."""
    Other(w)
    second = {"name": "second", "network": "10.245.0.0/16", "delegate": {"bridge": "cni1"},
              "nodes": [{**N1, "subnet": "10.245.1.0/24"}, {**N2, "subnet": "10.245.2.0/24"}]}
    applied(w, conf(**DUAL))
    six = [{"name": n, "publicIPv6": SIX[n]["publicIPv6"], "subnetV6": SIX[n]["subnetV6"].replace("fd00:10:", "fd00:11:")} for n in SIX]
    refused(w, conf(name="six", network=None, networkV6="fd00:11::/48", nodes=six), 101,
            'backend.deviceV6: flannel-v6.1 is the device of network "podnet": give this one another backend.vni or backend.deviceV6, ')
    applied(w, conf())
    refused(w, conf(**second), 101, 'backend.device: flannel.1 is the device of network "podnet": give this one another backend.vni or '
                                    'backend.device, or take that one away ("overlay remove" with its file)')
    eq(shown(w, conf())["differences"], [], "the first")
    applied(w, conf(**second, backend={"vni": 2}))
    eq((shown(w, conf())["differences"], shown(w, conf(**second, backend={"vni": 2}))["differences"]), ([], []), "both")
    w.sh("ip link del flannel.1")  # nothing holds it then
    applied(w, conf(**second))
    refused(w, conf(), 101, 'backend.device: flannel.1 is the device of network "second"')


@test
def a_list_that_is_not_there_yet(w):
    Other(w)
    c = conf(nodes=None, nodesFile=str(NODES))
    refused(w, c, 11, f"nodesFile: there is no {NODES} (yet)")
    for text, code, msg in (("[", 6, f"nodesFile {NODES}: line 1, column 2: "), ("{}", 6, f"nodesFile {NODES}: line 1, column 1: expected a list"),
                            ("[]", 7, f"nodesFile {NODES}: nodes: the list is empty"),
                            (json.dumps([N1, {**N2, "name": "n1"}]), 7, 'nodes[1].name: "n1" is nodes[0]\'s name too')):
        NODES.write_text(text)
        refused(w, c, code, msg)
    NODES.unlink()
    NODES.mkdir()
    refused(w, c, 6, f"{NODES}")


# ---- the other verbs

def settled(w):
    """Every link-local address has been found to be nobody else's: only then its route is there."""
    routes = w.sh("ip -6 route show table local").stdout
    return all(f"local {address} " in routes for address in re.findall(r"inet6 (fe80\S+)/", w.sh("ip -6 addr").stdout))


@test
def del_needs_no_list(w):
    """Whatever has become of the configuration, a pod goes with all that is its own."""
    other, a, b = two_pods(w, conf())
    NODES.write_text(json.dumps([N1, N2]))
    wait_for(lambda: settled(w), "link-local addresses")
    before = w.snapshot()
    for damaged in (conf(nodes=7), conf(nodes=None, nodesFile="/missing"), conf(network="x"), conf(backend=7, network=None),
                    conf(nodes=[N2]), conf(delegate=7)):
        pod = w.pod("c")
        call(w, "ADD", pod).ok()
        for _ in range(2):
            call(w, "DEL", pod, damaged).ok()
        w.remove(pod)
        w.same(re.sub("last_reserved.*", "", before), re.sub("last_reserved.*", "", w.snapshot()), damaged)
    eq(a[0].pings(b[1][0]), True, "the other pods, and the overlay, stay")


@test
def gc_takes_what_nobody_names(w):
    other, a, b = two_pods(w, conf())
    gone = w.pod("gone")
    call(w, "ADD", gone).ok()
    w.remove(gone)
    call(w, "GC", c={**conf(nodes=7), "cni.dev/valid-attachments": [{"containerID": "a", "ifname": "eth0"}]}).ok()
    eq(sorted(p.name for p in Path("/var/lib/cni/networks/podnet").iterdir() if p.name[0] == "1"), ["10.244.1.2"], "reservations")
    eq((len(w.json("ip -j link show master cni0")), a[0].pings(b[1][0])), (1, True), "veths")


@test
def check_names_the_first_difference(w):
    Other(w)
    pod = w.pod("a")
    result = call(w, "ADD", pod).ok().json
    c = conf(prevResult=result)
    call(w, "CHECK", pod, c).ok()
    call(w, "CHECK", pod).fails(7, "Required prevResult missing")
    for loss, text in (("ip route del 10.244.2.0/24", "10.244.2.0/24"), ("nft delete table inet podwire-overlay-podnet", "podwire-overlay-podnet"),
                       ("ip link del flannel.1", "flannel.1")):
        w.sh(loss)
        reply = call(w, "CHECK", pod, c).fails(103, text)
        eq('"overlay apply FILE" makes it right' in reply.msg, True, reply.msg)
        applied(w, conf())
        call(w, "CHECK", pod, c).ok()
    w.sh("ip link set cni0 down")
    call(w, "CHECK", pod, c).fails(103)  # the delegate's


@test
def status(w):
    Other(w)
    call(w, "STATUS").ok()
    call(w, "STATUS", c=conf(nodes=[N2])).fails(50, "this node is none of the 1 in the list")
    call(w, "STATUS", c=conf(nodes=None, nodesFile="/missing")).fails(50, "there is no /missing (yet)")
    call(w, "STATUS", c=conf(backend={"vni": 0})).fails(7)
    call(w, "STATUS", c=conf(delegate={"type": "none-such"})).fails(50, "failed to find plugin")
    applied(w, conf())
    call(w, "STATUS").ok()
    eq(w.json("ip -j link show dev cni0 2>/dev/null || echo []"), [], "it made something")


@test
def status_names_the_module(w):
    """This kernel has no ipip; where it has, it is ready."""
    Other(w)
    c = conf(backend={"type": "ipip"})
    has = w.sh("ip link add probe0 type ipip local 192.0.2.1 remote 192.0.2.2 && ip link del probe0", check=False).returncode == 0
    if has:
        call(w, "STATUS", c=c).ok()
    else:
        call(w, "STATUS", c=c).fails(50, "ipip")
        call(w, "ADD", w.pod("a"), c).fails(None, "ipip")


# ---- the tool

@test
def apply_show_remove(w):
    Other(w)
    c = conf(senders="nodes")
    written(c)
    before = w.snapshot(ours=False)
    done = tool(w, "show", written(c))
    eq((done.returncode, "device    flannel.1: missing" in done.stdout, "differs   nothing" in done.stdout), (0, True, False), done.stdout)
    w.same(before, w.snapshot(ours=False), "show changed something")
    eq(re.sub(r"\d+ objects", "N objects", applied(w, c)),
       "overlay podnet: node n1, 2 nodes; N objects added, 0 changed, 0 removed; rules written\n", "apply")
    again = w.snapshot()
    eq(applied(w, c), "overlay podnet: node n1, 2 nodes; 0 objects added, 0 changed, 0 removed; rules as they were\n", "again")
    w.same(again, w.snapshot(), "the second apply")
    text = tool(w, "show", written(c)).stdout
    for part in ("network   podnet: 10.244.0.0/16, vxlan, VNI 1, port 8472\n", f"read      {FILE}\n", "node      n1, one of 2\n",
                 "device    flannel.1: up, mtu 1450, ", "strangers 0 packets, 0 bytes, dropped\n", "n2 10.244.2.0/24 at 192.0.2.2: tunnel\n",
                 "differs   nothing\n"):
        eq(part in text, True, f"{part!r} in {text}")
    eq(tool(w, "remove", FILE).stdout, "overlay podnet: removed\n", "remove")
    w.same(before, w.snapshot(ours=False), "after remove")
    eq(tool(w, "remove", FILE).returncode, 0, "twice")
    eq(sorted(p.name for p in Path("/run/podwire/overlay").iterdir()), ["lock-podnet"], "files")


@test
def what_the_units_run_and_watch(w):
    """For the list that is at the place where runtimes look for it."""
    Other(w)
    c = conf()
    name, units = written(c).stem, Path(os.environ["PODWIRE_SOURCE"]) / "packaging/systemd"
    service = (Path(os.environ["PODWIRE_BUILD"]) / "podwire-overlay@.service").read_text().replace("%i", name)
    program, *words = re.search("^ExecStart=(.*)$", service, re.M)[1].split()
    eq((Path(program).is_absolute(), Path(program).name), (True, "overlay"), program)
    eq((tool(w, *words).returncode, shown(w, c)["differences"]), (0, []), words)
    watched = re.findall("^PathChanged=(.*)$", (units / "podwire-overlay@.path").read_text().replace("%i", name), re.M)
    eq(watched, [str(FILE), f"/etc/podwire/{name}.nodes.json"], "watched")
    eq("OnUnitInactiveSec=1min\n" in (units / "podwire-overlay@.timer").read_text(), True, "once a minute")


@test
def show_for_programs(w):
    other = Other(w)
    NODES.write_text(json.dumps([N1, N2, N3]))
    c = conf(nodes=None, nodesFile=str(NODES), senders="nodes", backend={"directRouting": True})
    applied(w, c)
    w.sh("ip route del 10.244.3.0/24")
    other.net.sh("ip addr add 192.0.2.66/24 dev eth0")

    def send():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("192.0.2.66", 0))
            s.sendto(bytes(60), ("192.0.2.1", 8472))
    other.net.inside(send)
    said = shown(w, c)
    eq([said[k] for k in ("network", "file", "nodesFile", "node", "backend")], ["podnet", str(FILE), str(NODES), "n1", "vxlan"], said)
    eq([(n["name"], n["reached"], n["stands"]) for n in said["nodes"]], [("n1", "self", True), ("n2", "direct", True), ("n3", "direct", False)],
       "nodes")
    eq([(d["name"], d["up"], d["mtu"], sorted(d["received"])) for d in said["devices"]],
       [("flannel.1", True, 1450, ["bytes", "dropped", "errors", "packets"])], "devices")
    eq(said["strangers"], {"packets": 1, "bytes": 88, "dropped": True}, "strangers")
    eq((len(said["differences"]), "10.244.3.0/24" in said["differences"][0]), (1, True), said["differences"])


@test
def what_a_tool_is_told_wrong(w):
    for words in (("apply",), ("show", "a", "b"), ("apply", "--json", "x"), ("help",), ("show", "--json")):
        done = tool(w, *words)
        eq((done.returncode, done.stdout), (1, ""), words)
        eq(done.stderr.startswith("podwire: overlay: usage: overlay apply FILE | remove FILE | show [--json] FILE"), True, done.stderr)
    eq("find the file /none: No such file" in tool(w, "apply", "/none").stderr, True, "a missing file")
    FILE.parent.mkdir(parents=True)
    for text, msg in (("{", "string or '}' expected"), ('{"name": "a", "plugins": []}', 'plugins: no entry is of type "overlay"'),
                      ('{"name": "a", "type": "overlay"}', "network: the key is missing")):
        FILE.write_text(text)
        done = tool(w, "apply", FILE)
        eq((done.returncode, f"podwire: overlay: {FILE}: " in done.stderr, msg in done.stderr), (1, True, True), done.stderr)
    banner = tool(w)
    eq((banner.returncode, banner.stderr.startswith("CNI overlay plugin v1.9.1+podwire.")), (0, True), banner.stderr)


@test
def whoever_holds_the_lock_is_named(w):
    Other(w)
    applied(w, conf())
    w.sh("ip link del flannel.1")
    holder = w.bg(["flock", "/run/podwire/overlay/lock-podnet", "sleep", "30"])
    wait_for(lambda: "FLOCK" in Path("/proc/locks").read_text(), "the lock")
    call(w, "ADD", w.pod("a")).fails(11, "process ")
    w.stop(holder)


@test
def at_once(w):
    """The first pods of a node come together."""
    Other(w)
    pods = [w.pod(f"p{n}") for n in range(8)]
    calls = [w.start("overlay", "ADD", conf(), pod, id=pod.name) for pod in pods]
    addresses = [w.finish(c).ok().ips()[0] for c in calls]
    eq(len(set(addresses)), 8, addresses)
    eq(shown(w, conf())["differences"], [], "differences")


if __name__ == "__main__":
    main()
