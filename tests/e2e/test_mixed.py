#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Our programs and Debian's Go plugins in one chain, on one folder of addresses, on one node."""

import json
import os
import shutil
from pathlib import Path

from callers import Podman
from node import (
    DEBIAN,
    LAN4,
    LAN_PORT,
    NODE4,
    ROOT,
    client,
    closed,
    eq,
    links,
    mix,
    page,
    run,
    serve,
    test,
)
from traffic import PORTS, Traffic

HOST_LOCAL = {"type": "host-local", "subnet": "10.50.0.0/24", "routes": [{"dst": "0.0.0.0/0"}]}
BRIDGE = {
    "type": "bridge",
    "bridge": "cni0",
    "isGateway": True,
    "ipMasq": True,
    "hairpinMode": True,
    "ipam": HOST_LOCAL,
}
PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}}
FIREWALL, TUNING = {"type": "firewall"}, {"type": "tuning"}


def network(*plugins, version="1.0.0"):
    return {"cniVersion": version, "name": "mixed", "plugins": list(plugins)}


def life(w, conflist, path, inspect=None, check=True):
    """Two pods: ADD, packets, CHECK, DEL twice; the second round ends as the first did."""
    states = []
    for turn in ("one", "two"):
        a, b, ids = w.pod(f"a{turn}"), w.pod(f"b{turn}"), (f"first-id-{turn}", f"second-id-{turn}")
        first = w.chain(conflist, "ADD", a, ids[0], caps=PORTS, path=path).ok()
        second = w.chain(conflist, "ADD", b, ids[1], path=path).ok()
        Traffic(w, conflist).check(a, b, first.ips(), second.ips())
        if check:
            w.chain(conflist, "CHECK", a, ids[0], caps=PORTS, path=path).ok()
        if inspect:
            inspect(a)
        for pod, ident in ((a, ids[0]), (b, ids[1]), (a, ids[0]), (b, ids[1])):
            w.chain(conflist, "DEL", pod, ident, caps=PORTS, path=path).ok()
        eq(w.leftovers(ids), [], "left behind")
        w.remove(a)
        w.remove(b)
        states.append(w.everything())
    eq(states[1], states[0], "the node after the second round")
    assert closed(w.lan, NODE4, 8080), "the host port is still open"


@test
def our_bridge_before_their_portmap_firewall_and_tuning(w):
    """Without CHECK: that of their portmap 1.1.1 fails for every pod without IPv6."""

    def inspect(pod):
        eq(links(pod)["eth0"]["mtu"], 1400, "MTU that tuning set")
        eq(pod.sysctl("net.ipv4.conf.eth0.arp_filter"), "1", "sysctl that tuning set")

    tuning = dict(TUNING, mtu=1400, sysctl={"net.ipv4.conf.eth0.arp_filter": "1"})
    life(
        w,
        network(BRIDGE, PORTMAP, FIREWALL, tuning),
        mix(w, "bridge", "host-local"),
        inspect,
        check=False,
    )


@test
def their_check_accepts_our_result(w):
    conflist, path, pod = (
        network(BRIDGE, FIREWALL, TUNING),
        mix(w, "bridge", "host-local"),
        w.pod("a"),
    )
    for verb in ("ADD", "CHECK", "DEL"):
        w.chain(conflist, verb, pod, "first-id", path=path).ok()
    eq(w.leftovers(("first-id",)), [], "left behind")


@test
def their_bridge_before_our_portmap(w):
    life(w, network(BRIDGE, PORTMAP), mix(w, "portmap"), check=w.own)


@test
def loopback_first_in_the_list(w):
    """As Nomad and BuildKit write it: their bridge behind our loopback, and ours behind theirs."""
    for ours in (("loopback",), ("bridge", "host-local", "portmap")):
        conflist, path, pod = (
            network({"type": "loopback"}, BRIDGE, PORTMAP),
            mix(w, *ours),
            w.pod(f"a-{ours[0]}"),
        )
        address = w.chain(conflist, "ADD", pod, "first-id", caps=PORTS, path=path).ok().ips()[0]
        serve(pod, 80)
        assert pod.pings("127.0.0.1"), "loopback is not up"
        assert w.pings(address), "the pod does not answer"
        eq(client(w.lan, NODE4, 8080), LAN4, "client at the host port")
        w.chain(conflist, "DEL", pod, "first-id", caps=PORTS, path=path).ok()
        eq(w.leftovers(("first-id",)), [], f"left behind with our {ours}")


@test
def our_host_local_under_their_interface_plugins(w):
    """bridge, ptp and macvlan delegate to ours; each pod is reached at the address given."""
    path, pod = mix(w, "host-local"), w.pod("a")
    life(w, network(BRIDGE), path)
    ptp = network({"type": "ptp", "ipMasq": True, "ipam": dict(HOST_LOCAL, subnet="10.51.0.0/24")})
    macvlan = network(
        {
            "type": "macvlan",
            "master": "eth0",
            "ipam": {
                "type": "host-local",
                "subnet": "192.168.50.0/24",
                "rangeStart": "192.168.50.100",
            },
        }
    )
    for conflist, peer in ((ptp, w), (macvlan, w.lan)):
        address = w.chain(conflist, "ADD", pod, "first-id", path=path).ok().ips()[0]
        assert peer.pings(
            address
        ), f"no answer from {address} behind {conflist['plugins'][0]['type']}"
        w.chain(conflist, "DEL", pod, "first-id", path=path).ok()
        eq(w.leftovers(("first-id",)), [], "left behind")


@test
def their_host_local_under_our_bridge(w):
    life(w, network(BRIDGE, PORTMAP), mix(w, "bridge", "portmap"), check=w.own)


@test
def one_folder_of_addresses_two_programs(w):
    """By turns: each sees what the other took, checks it, and deletes what the other added."""
    conflist, paths = network(BRIDGE), (mix(w, "host-local"), mix(w))
    pods, ids = [w.pod(f"pod{n}") for n in range(6)], [f"turn-id-{n}" for n in range(6)]
    given = [
        w.chain(conflist, "ADD", pods[n], ids[n], path=paths[n % 2]).ok().ips()[0] for n in range(6)
    ]
    eq(given, [f"10.50.0.{n + 2}" for n in range(6)], "addresses given by turns")
    for n in range(1, 6):
        assert pods[0].pings(given[n]), f"{given[n]} does not answer"
    for n in range(6):
        w.chain(conflist, "CHECK", pods[n], ids[n], path=paths[1 - n % 2]).ok()
    for n in range(6):
        w.chain(conflist, "DEL", pods[n], ids[n], path=paths[1 - n % 2]).ok()
    eq(w.leftovers(ids), [], "left behind")


def address_files():
    """Names and bytes. Modes differ between releases of theirs (0644, later 0600)."""
    return {
        path.name: path.read_bytes()
        for path in Path("/var/lib/cni/networks/mixed").iterdir()
        if path.name[0].isdigit() or path.name.startswith("last_reserved_ip")
    }


@test
def the_address_files_are_the_same_bytes(w):
    """ADD and DEL by each in an empty folder leave the same names and contents."""
    conflist, pod, found = (
        network(dict(BRIDGE, ipam=dict(HOST_LOCAL, rangeEnd="10.50.0.3"))),
        w.pod("a"),
        [],
    )
    for path in (mix(w, "host-local"), mix(w)):
        for verb in ("ADD", "DEL"):
            w.chain(conflist, verb, pod, "same-id", path=path).ok()
            found.append(address_files())
        shutil.rmtree("/var/lib/cni/networks/mixed")
    eq(found[0], found[2], "files after ADD, ours against theirs")
    eq(found[1], found[3], "files after DEL, ours against theirs")


@test
def a_full_pool_is_full_for_both(w):
    conflist = network(dict(BRIDGE, ipam=dict(HOST_LOCAL, rangeEnd="10.50.0.3")))
    paths = (mix(w, "host-local"), mix(w))
    for n, path in enumerate(paths):
        w.chain(conflist, "ADD", w.pod(f"pod{n}"), f"id-{n}", path=path).ok()
    for n, path in enumerate(paths):
        reply = w.chain(conflist, "ADD", w.pod(f"late{n}"), f"late-{n}", path=path)
        reply.fails(text="no IP addresses available")
    for n, path in enumerate(reversed(paths)):
        w.chain(conflist, "DEL", w.pods[f"pod{n}"], f"id-{n}", path=path).ok()
    w.addresses_free()


@test
def a_node_changes_over_with_pods_running(w):
    """A pod of theirs keeps its traffic beside one of ours; each is deleted by the other side.

    Their bridge 1.1.1 removes our pod, then misses an iptables chain for its masquerade: an error
    that the caller's next DEL no longer meets."""
    conflist = network(BRIDGE, PORTMAP)
    theirs, ours = mix(w), mix(w, "bridge", "host-local", "portmap")
    old, new = w.pod("old"), w.pod("new")
    serve(old, 80)
    serve(new, 80)
    address = w.chain(conflist, "ADD", old, "old-id", caps=PORTS, path=theirs).ok().ips()[0]
    ports = {"portMappings": [dict(port, hostPort=8081) for port in PORTS["portMappings"]]}
    other = w.chain(conflist, "ADD", new, "new-id", caps=ports, path=ours).ok().ips()[0]
    assert (
        address != other and old.pings(other) and new.pings(address)
    ), "old and new pod do not meet"
    eq(client(w.lan, NODE4, 8080), LAN4, "host port of the pod from before")
    eq(client(w.lan, NODE4, 8081), LAN4, "host port of the pod from after")
    w.chain(conflist, "DEL", old, "old-id", caps=PORTS, path=ours).ok()
    eq(list(links(old)), ["lo"], "links of their pod after our DEL")
    assert not os.path.exists(f"/var/lib/cni/networks/mixed/{address}"), f"{address} is still taken"
    eq(client(w.lan, NODE4, 8081), LAN4, "host port of the pod from after, later")
    first = w.chain(conflist, "DEL", new, "new-id", caps=ports, path=theirs)
    assert first.code == 0 or "iptables" in first.msg, f"their DEL of our pod: {first.msg}"
    w.chain(conflist, "DEL", new, "new-id", caps=ports, path=theirs).ok()
    eq(list(links(new)), ["lo"], "links of our pod after their DEL")
    assert not os.path.exists(f"/var/lib/cni/networks/mixed/{other}"), f"{other} is still taken"
    if w.own:
        w.chain(dict(conflist, cniVersion="1.1.0"), "GC", valid=[], path=ours).ok()
    w.promise_eq(w.elements(), [], "elements after GC")


@test
def podman_default_network_whole(w):
    """podman's own file: our bridge and portmap, Debian's firewall and tuning behind."""
    file = (
        Path(os.environ.get("PODWIRE_SHARED", ROOT.parent / "shared"))
        / "conflists"
        / "podman-default.conflist"
    )
    if not file.is_file():
        w.skip(f"no {file}; PODWIRE_SHARED names another folder")
    folder = mix(w, "bridge", "host-local", "portmap", "loopback")
    p = Podman(w, [folder], json.loads(file.read_text()))
    web = p.run("web", "-p", "8080:80")
    p.run("other")
    address = web.address()
    eq(page(w.lan, NODE4, 8080), LAN4, "neighbour at the host port")
    eq(page(w, "127.0.0.1", 8080), "10.88.0.1", "node through 127.0.0.1")
    eq(p.page("web", NODE4, 8080), "10.88.0.1", "the pod itself")
    eq(p.page("other", NODE4, 8080), "10.88.0.1", "another pod")
    assert (
        address in w.sh("iptables -S CNI-FORWARD").stdout
    ), "their firewall does not know the pod's address"
    w.sh("iptables -P FORWARD DROP")
    eq(client(web, LAN4, LAN_PORT), NODE4, "pod's address at the neighbour, FORWARD policy DROP")
    w.sh("iptables -P FORWARD ACCEPT")
    p.remove("web", "other")
    eq(w.leftovers((web.id,)), [], "left behind")
    assert (
        address not in w.sh("iptables -S CNI-FORWARD").stdout
    ), "their firewall keeps the pod's address"
    assert closed(w.lan, NODE4, 8080), "the host port is still open"


@test
def podman_network_create(w):
    """A network that podman writes itself, joined beside the default one, left and joined again."""
    p = Podman(
        w,
        [w.bin, DEBIAN],
        {
            "cniVersion": "0.4.0",
            "name": "podman",
            "plugins": [dict(BRIDGE, bridge="cni-podman0"), PORTMAP, FIREWALL, TUNING],
        },
    )
    p("network", "create", "--subnet", "10.99.0.0/24", "second")
    pod = p.run("both", "--network", "podman,second", "-p", "8080:80")
    for name, joined in pod.networks.items():
        assert w.pings(
            joined["IPAddress"]
        ), f"no answer from {joined['IPAddress']} of network {name}"
    eq(page(w.lan, NODE4, 8080), LAN4, "neighbour at the host port of both networks")
    second = pod.networks["second"]["IPAddress"]
    assert second.startswith("10.99.0."), f"networks: {pod.networks}"
    p("network", "disconnect", "second", "both")
    assert not w.pings(second, 1), "the second network is still joined"
    p("network", "connect", "second", "both")
    again = p.inspect("both").networks["second"]["IPAddress"]
    assert w.pings(again), f"no answer from {again} after joining again"
    eq(page(w.lan, NODE4, 8080), LAN4, "neighbour at the host port, later")
    p.remove("both")
    p("network", "rm", "second")
    eq(w.leftovers((pod.id,)), [], "left behind")


if __name__ == "__main__":
    run()
