#!/usr/bin/env python3
"""Our programs and Debian's Go plugins in one chain, in one folder of addresses, on one node."""

import json
import os
import shutil
from pathlib import Path

from callers import Podman
from lib import (BIN, DEBIAN, LAN4, NODE4, ROOT, Chain, Server, addresses, ask, equal, http, main, refused,
                 test)
from traffic import PORTS, Traffic

THEIRS = ("bridge", "host-local", "portmap", "loopback", "firewall", "tuning", "ptp", "macvlan", "bandwidth")
HOST_LOCAL = {"type": "host-local", "subnet": "10.50.0.0/24", "routes": [{"dst": "0.0.0.0/0"}]}
BRIDGE = {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True, "hairpinMode": True,
          "ipam": HOST_LOCAL}
PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}}


def mix(w, *ours):
    """A folder with these programs from us and all others from Debian, as a node half way over has."""
    folder = f"/run/e2e/mix-{'-'.join(ours) or 'none'}"
    if not os.path.isdir(folder):
        if not os.path.isdir(DEBIAN):
            w.skip(f"no {DEBIAN}: install containernetworking-plugins")
        os.makedirs(folder)
        for name in THEIRS:
            os.symlink(f"{BIN if name in ours else DEBIAN}/{name}", f"{folder}/{name}")
    return [folder]


def network(*plugins, version="1.0.0"):
    return {"cniVersion": version, "name": "mixed", "plugins": list(plugins)}


def life(w, conflist, path, inspect=None, check=True):
    """Two pods through one chain: packets, CHECK, DEL twice; the second round ends as the first did."""
    states = []
    for turn in ("one", "two"):
        chain, a, b = Chain(w, conflist, path), w.pod(f"a{turn}"), w.pod(f"b{turn}")
        ids = (f"mixed-a-{turn}", f"mixed-b-{turn}")
        results = chain.add(a, ids[0], caps=PORTS), chain.add(b, ids[1])
        Traffic(w, conflist).check(a, b, *results)
        if check:
            chain.check(a, ids[0])
        if inspect:
            inspect(a, *results)
        for pod, ident in zip((a, b, a, b), ids + ids):
            chain.delete(pod, ident)
        equal(w.leftovers(ids), [], "left behind")
        a.remove()
        b.remove()
        states.append(w.everything())
    equal(states[1], states[0], "the node after the second round")
    assert refused(ask, w.lan.path, NODE4, 8080), "the host port is still open"


@test
def our_bridge_before_their_portmap_firewall_and_tuning(w):
    tuning = {"type": "tuning", "mtu": 1400, "sysctl": {"net.ipv4.conf.eth0.arp_filter": "1"}}

    def inspect(pod, *_):
        equal(pod.links()["eth0"]["mtu"], 1400, "MTU that tuning set")
        equal(pod.sh("sysctl -n net.ipv4.conf.eth0.arp_filter").strip(), "1", "sysctl that tuning set")

    chain = network(BRIDGE, PORTMAP, {"type": "firewall"}, tuning)
    life(w, chain, mix(w, "bridge", "host-local"), inspect, check=False)


@test
def their_check_accepts_our_result(w):
    """CHECK of firewall and tuning behind ours, where their own check of dual stack bugs is not met."""
    chain, pod = Chain(w, network(BRIDGE, {"type": "firewall"}, {"type": "tuning"}), mix(w, "bridge", "host-local")), w.pod("a")
    chain.add(pod)
    chain.check(pod)
    chain.delete(pod)
    equal(w.leftovers(("first-id",)), [], "left behind")


@test
def their_bridge_before_our_portmap(w):
    life(w, network(BRIDGE, PORTMAP), mix(w, "portmap"))


@test
def their_loopback_and_ours_in_one_list(w):
    """`loopback` first, as Nomad and BuildKit write it, from either side."""
    for ours in (("loopback",), ("bridge", "host-local", "portmap")):
        chain, pod = Chain(w, network({"type": "loopback"}, BRIDGE, PORTMAP), mix(w, *ours)), w.pod("a" + ours[0])
        Server(pod.path, 80)
        result = chain.add(pod, caps=PORTS)
        assert pod.pings("127.0.0.1"), "loopback is not up"
        assert w.pings(addresses(result)[0]), "the pod does not answer"
        equal(ask(w.lan.path, NODE4, 8080), LAN4, "client at the host port")
        chain.delete(pod)
        equal(w.leftovers(("first-id",)), [], f"left behind with our {ours}")


@test
def our_host_local_under_their_interface_plugins(w):
    """bridge, ptp and macvlan delegate to ours; each pod is reached at the address that it was given."""
    life(w, network(BRIDGE), mix(w, "host-local"))
    ptp = network({"type": "ptp", "ipMasq": True, "ipam": dict(HOST_LOCAL, subnet="10.51.0.0/24")})
    chain, pod = Chain(w, ptp, mix(w, "host-local")), w.pod("ptp")
    address = addresses(chain.add(pod))[0]
    assert w.pings(address), f"no answer from {address} behind their ptp"
    chain.delete(pod)
    equal(w.leftovers(("first-id",)), [], "left behind")
    macvlan = network({"type": "macvlan", "master": "eth0", "ipam": {
        "type": "host-local", "subnet": "192.168.50.0/24", "rangeStart": "192.168.50.100"}})
    chain = Chain(w, macvlan, mix(w, "host-local"))
    address = addresses(chain.add(pod))[0]
    assert w.lan.pings(address), f"no answer from {address} behind their macvlan"
    chain.delete(pod)
    equal(w.leftovers(("first-id",)), [], "left behind")


@test
def their_host_local_under_our_bridge(w):
    life(w, network(BRIDGE, PORTMAP), mix(w, "bridge", "portmap"))


def folder_text():
    """The address folder: names and bytes. Modes differ between releases of theirs (0644, 0600)."""
    top = Path("/var/lib/cni/networks/mixed")
    return {path.name: path.read_bytes() for path in top.iterdir()
            if path.name[0].isdigit() or path.name.startswith("last_reserved_ip")}


@test
def one_folder_of_addresses_two_programs(w):
    """By turns: each sees what the other took, and each deletes what the other added."""
    lists = [Chain(w, network(BRIDGE), mix(w, *ours)) for ours in (("host-local",), ())]
    pods = [w.pod(f"pod{number}") for number in range(6)]
    given = []
    for number, pod in enumerate(pods):
        given += addresses(lists[number % 2].add(pod, f"turn-{number}"))
    equal(given, [f"10.50.0.{number + 2}" for number in range(6)], "addresses given by turns")
    for number in range(1, 6):
        assert pods[0].pings(given[number]), f"{given[number]} does not answer"
    for number in (0, 1):
        lists[1 - number].cache[f"turn-{number}", "eth0"] = lists[number].cache[f"turn-{number}", "eth0"]
        lists[1 - number].check(pods[number], f"turn-{number}")
    for number, pod in enumerate(pods):
        lists[1 - number % 2].delete(pod, f"turn-{number}")
    equal(w.leftovers([f"turn-{number}" for number in range(6)]), [], "left behind")


@test
def the_address_files_are_the_same_bytes(w):
    """One ADD by each into an empty folder: names, contents, modes; then the full pool in both."""
    pod, found = w.pod("a"), []
    conf = network(dict(BRIDGE, ipam=dict(HOST_LOCAL, rangeEnd="10.50.0.3")))
    for ours in (("host-local",), ()):
        chain = Chain(w, conf, mix(w, *ours))
        chain.add(pod, "same-id")
        found.append(folder_text())
        chain.delete(pod, "same-id")
        found.append(folder_text())
        shutil.rmtree("/var/lib/cni/networks/mixed")
    equal(found[0], found[2], "files after ADD, ours against theirs")
    equal(found[1], found[3], "files after DEL, ours against theirs")
    chains = [Chain(w, conf, mix(w, *ours)) for ours in (("host-local",), ())]
    pods = [w.pod("b"), w.pod("c")]
    for chain, other in zip(chains, pods):
        chain.add(other, other.name)
    for number, chain in enumerate(chains):
        reply = chain.call(chain.list["plugins"][0], "ADD", w.pod(f"full{number}"), "third")
        assert "no IP addresses available" in reply.error()[1], f"a full pool: {reply}"
    for chain, other in zip(reversed(chains), pods):
        chain.cache[other.name, "eth0"] = (None, None)
        chain.delete(other, other.name)
    w.promise_nothing_left(("same-id", "third"))


@test
def a_node_changes_over_with_pods_running(w):
    """Pods of the Go plugins are deleted by ours, keep their traffic meanwhile, and the way back."""
    conf = network(BRIDGE, PORTMAP, version="1.1.0" if w.own else "1.0.0")
    old = Chain(w, dict(conf, cniVersion="1.0.0"), mix(w))
    new = Chain(w, conf, mix(w, "bridge", "host-local", "portmap"))
    first, second = w.pod("first"), w.pod("second")
    Server(first.path, 80)
    Server(second.path, 80)
    address = addresses(old.add(first, "before-over", caps=PORTS))[0]
    second_ports = {"portMappings": [{"hostPort": 8081, "containerPort": 80, "protocol": "tcp"}]}
    other = addresses(new.add(second, "after-over", caps=second_ports))[0]
    assert address != other and first.pings(other) and second.pings(address), "old and new pod do not meet"
    equal(ask(w.lan.path, NODE4, 8080), LAN4, "host port of the pod from before")
    equal(ask(w.lan.path, NODE4, 8081), LAN4, "host port of the pod from after")
    new.cache["before-over", "eth0"] = old.cache["before-over", "eth0"]
    new.delete(first, "before-over")
    equal(list(first.links()), ["lo"], "links of the old pod after our DEL")
    assert not os.path.exists(f"/var/lib/cni/networks/mixed/{address}"), f"{address} is still taken"
    equal(ask(w.lan.path, NODE4, 8081), LAN4, "host port of the pod from after, later")
    back = Chain(w, dict(conf, cniVersion="1.0.0"), mix(w))
    back.cache["after-over", "eth0"] = new.cache["after-over", "eth0"]
    back.delete(second, "after-over")
    equal(list(second.links()), ["lo"], "links of our pod after their DEL")
    assert not os.path.exists(f"/var/lib/cni/networks/mixed/{other}"), f"{other} is still taken"
    if w.own:
        new.gc([])
        equal(w.elements(), [], "elements after GC")


@test
def podman_default_network_whole(w):
    """podman's own file, chain of four: our bridge and portmap, Debian's firewall and tuning behind."""
    path = Path(os.environ.get("PODWIRE_SHARED", ROOT.parent / "shared")) / "conflists" / "podman-default.conflist"
    if not path.is_file():
        w.skip(f"no {path}; set PODWIRE_SHARED")
    p = Podman(w, [w.bin, DEBIAN], [path])
    web = p.run("web", "-p", "8080:80")
    p.run("other")
    address = web.networks["podman"]["IPAddress"]
    equal(http(w.lan.path, NODE4, 8080), LAN4, "neighbour at the host port")
    equal(http(None, "127.0.0.1", 8080), "10.88.0.1", "node through 127.0.0.1")
    equal(p.get("web", NODE4, 8080), "10.88.0.1", "the pod itself")
    w.sh("iptables -P FORWARD DROP")
    equal(ask(web.path, LAN4, 7000), NODE4, "pod's address at the neighbour, with FORWARD policy DROP")
    w.sh("iptables -P FORWARD ACCEPT")
    assert address in w.sh("iptables -S CNI-FORWARD"), "their firewall does not know the pod's address"
    p("rm", "-f", "-t", "0", "web", "other")
    equal(w.leftovers((web.id,)), [], "left behind")
    assert address not in w.sh("iptables -S CNI-FORWARD"), "their firewall keeps the pod's address"
    assert refused(http, w.lan.path, NODE4, 8080), "the host port is still open"


@test
def podman_network_create(w):
    """A network that podman writes itself, joined beside the default one."""
    p = Podman(w, [w.bin, DEBIAN], [{"cniVersion": "0.4.0", "name": "podman", "plugins": [
        dict(BRIDGE, bridge="cni-podman0"), PORTMAP, {"type": "firewall"}, {"type": "tuning"}]}])
    p("network", "create", "--subnet", "10.99.0.0/24", "second")
    pod = p.run("both", "--network", "podman,second", "-p", "8080:80")
    for name, net in pod.networks.items():
        assert w.pings(net["IPAddress"]), f"no answer from {net['IPAddress']} of network {name}"
    assert pod.networks["second"]["IPAddress"].startswith("10.99.0."), f"networks: {pod.networks}"
    p("network", "disconnect", "second", "both")
    assert not w.pings(pod.networks["second"]["IPAddress"], wait=1), "the second network is still joined"
    p("network", "connect", "second", "both")
    again = p.inspect("both").networks["second"]["IPAddress"]
    assert w.pings(again), f"no answer from {again} after joining again"
    p("rm", "-f", "-t", "0", "both")
    p("network", "rm", "second")
    equal(w.leftovers((pod.id,)), [], "left behind")


if __name__ == "__main__":
    main()
