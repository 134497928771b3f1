#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Bridge VLAN filtering through our bridge plugin (plugins.md §1.1): vlan, vlanTrunk, preserveDefaultVlan."""

from node import (ACCESS, LAN4, NODE4, add, address, check, delete, eq, host_end, links, main, network,
                  refusal, steady, test, vlans)


def plug(w, name, conf, own):
    """A pod on an L2 network, with an address of its own choosing; gives the pod and its host veth."""
    pod = w.pod(name)
    port = host_end(add(w, conf, pod, name))
    pod.sh(f"ip addr add {own}/24 dev eth0")
    return pod, port


def filtering(w):
    return links(w)["cni0"]["linkinfo"]["info_data"]["vlan_filtering"]


@test
def l2_pods_of_one_vlan_meet(w):
    blue, green = network("blue", vlan=100), network("green", vlan=200)
    a, port_a = plug(w, "a", blue, "10.9.9.1")
    b, port_b = plug(w, "b", blue, "10.9.9.2")
    c, port_c = plug(w, "c", green, "10.9.9.3")
    eq(filtering(w), 1, "vlan_filtering")
    found = vlans(w)
    for port, vlan in ((port_a, 100), (port_b, 100), (port_c, 200)):
        eq(found[port], {vlan: ACCESS}, f"VLANs of {port}")
    assert a.pings("10.9.9.2"), "pods of VLAN 100 do not meet"
    assert not a.pings("10.9.9.3"), "VLAN 100 reaches VLAN 200"
    assert not c.pings("10.9.9.2"), "VLAN 200 reaches VLAN 100"


@test
def l3_gateway_per_vlan(w):
    blue = network("blue", "10.77.1.0/24", vlan=100, isDefaultGateway=True)
    green = network("green", "10.77.2.0/24", vlan=200, isDefaultGateway=True)
    a, b, c = w.pod("a"), w.pod("b"), w.pod("c")
    first = add(w, blue, a, "a")
    eq([entry["name"] for entry in first["interfaces"]],
          ["cni0", host_end(first), "eth0", "cni0.100"], "interfaces of the result")
    found = links(w)
    eq(len(found), 5, f"links of the node ({', '.join(found)})")
    gateway = found["cni0.100"]
    eq(first["interfaces"][3], {"name": "cni0.100", "mac": gateway["address"]}, "gateway in the result")
    eq(first["interfaces"][0]["mac"], found["cni0"]["address"], "the bridge's MAC in the result")
    eq(w.ips("cni0.100", 4), ["10.77.1.1/24"], "addresses of cni0.100")
    eq(w.ips("cni0", 4), [], "addresses of cni0")
    peer = next(link for link in found.values() if link["ifindex"] == gateway["ifindex"] - 1)
    eq(peer.get("master"), "cni0", "master of the gateway's other end")
    eq(vlans(w)[peer["ifname"]], {100: ACCESS}, "VLANs of the gateway's port")
    eq(vlans(w)[host_end(first)], {100: ACCESS}, "VLANs of the pod's port")

    second, third = add(w, blue, b, "b"), add(w, green, c, "c")
    eq(links(w)["cni0.100"]["ifindex"], gateway["ifindex"], "cni0.100 after a second ADD")
    assert a.pings("10.77.1.1") and a.pings(address(second)), "VLAN 100 does not reach its own"
    assert c.pings("10.77.2.1"), "VLAN 200 does not reach its gateway"
    assert w.pings(address(first)) and w.pings(address(third)), "the node does not reach the pods"
    c.sh("ip addr add 10.77.1.200/24 dev eth0")
    assert not c.pings(address(first)) and not c.pings("10.77.1.1"), "VLAN 200 reaches into VLAN 100"


@test
def check_and_delete(w):
    blue = network("blue", "10.77.1.0/24", vlan=100, isGateway=True)
    a, b = w.pod("a"), w.pod("b")
    first, second = add(w, blue, a, "a"), add(w, blue, b, "b")
    for pod, ident, result in ((a, "a", first), (b, "b", second)):
        reply = check(w, blue, pod, ident, result)
        eq(reply.code, 0, f"CHECK of {ident} ({reply.out})")
    delete(w, blue, a, "a")
    delete(w, blue, a, "a")
    assert host_end(first) not in links(w) and "eth0" not in links(a), "DEL left the veth"
    assert b.pings("10.77.1.1"), "the gateway went with another pod"
    eq(check(w, blue, b, "b", second).code, 0, "CHECK of the other pod")
    delete(w, blue, b, "b")
    third = add(w, blue, b, "b")
    assert b.pings("10.77.1.1"), f"a later pod ({address(third)}) does not reach the gateway"


@test
def check_sees_a_lost_vlan(w):
    conf = network("blue", "10.77.1.0/24", vlan=100, isGateway=True, vlanTrunk=[{"id": 300}])
    pod = w.pod("a")
    result = add(w, conf, pod, "a")
    for vlan, again in ((100, "pvid untagged"), (300, "")):
        w.sh(f"bridge vlan del dev {host_end(result)} vid {vlan}")
        refusal(check(w, conf, pod, "a", result), host_end(result), str(vlan))
        w.sh(f"bridge vlan add dev {host_end(result)} vid {vlan} {again}")
        eq(check(w, conf, pod, "a", result).code, 0, f"CHECK with VLAN {vlan} back in place")


@test
def trunk_with_ranges(w):
    trunk = network("trunk", vlanTrunk=[{"id": 101}, {"minID": 200, "maxID": 210}, {"id": 205}])
    a, port = plug(w, "a", trunk, "10.9.9.1")
    eq(vlans(w)[port], {1: ACCESS, 101: set(), **{vlan: set() for vlan in range(200, 211)}},
          "VLANs of a trunk port")
    for vlan in (101, 205, 150):
        a.sh(f"ip link add link eth0 name eth0.{vlan} type vlan id {vlan}")
        a.sh(f"ip addr add 10.9.{vlan}.1/24 dev eth0.{vlan}")
        a.sh(f"ip link set eth0.{vlan} up")
    for vlan, wanted in ((101, True), (205, True), (150, False)):
        access = network(f"access{vlan}", vlan=vlan)
        pod, _ = plug(w, f"p{vlan}", access, f"10.9.{vlan}.2")
        eq(pod.pings(f"10.9.{vlan}.1"), wanted, f"VLAN {vlan} through the trunk")
    native, _ = plug(w, "native", network("native", vlan=1), "10.9.9.2")
    assert native.pings("10.9.9.1"), "untagged frames of a trunk port are not in VLAN 1"


@test
def trunk_with_a_native_vlan(w):
    trunk = network("trunk", vlan=100, vlanTrunk=[{"id": 101}, {"minID": 200, "maxID": 202}])
    a, port = plug(w, "a", trunk, "10.9.9.1")
    eq(vlans(w)[port], {100: ACCESS, 101: set(), 200: set(), 201: set(), 202: set()},
          "VLANs of a trunk port with vlan 100")
    b, _ = plug(w, "b", network("blue", vlan=100), "10.9.9.2")
    assert b.pings("10.9.9.1"), "untagged frames of the trunk port are not in VLAN 100"


@test
def trunk_of_every_vlan(w):
    conf, pod = network("wide", vlanTrunk=[{"minID": 1, "maxID": 4094}]), w.pod("a")
    result = add(w, conf, pod, "a")
    found = vlans(w)[host_end(result)]
    missing = set(range(1, 4095)) - set(found)
    assert not missing, f"{len(missing)} VLANs are missing, the first {min(missing)}"
    eq(found[1], ACCESS, "the native VLAN of the widest trunk")
    delete(w, conf, pod, "a")


@test
def empty_trunk_turns_filtering_on(w):
    _, port = plug(w, "a", network("empty", vlanTrunk=[]), "10.9.9.1")
    eq(filtering(w), 1, "vlan_filtering with an empty trunk")
    eq(vlans(w)[port], {1: ACCESS}, "VLANs of the port")


@test
def null_and_zero_leave_filtering_off(w):
    a, _ = plug(w, "a", network("plain", vlanTrunk=None, vlan=0), "10.9.9.1")
    plug(w, "b", network("plain"), "10.9.9.2")
    eq(filtering(w), 0, "vlan_filtering without a VLAN")
    assert a.pings("10.9.9.2"), "pods of a plain bridge do not meet"


@test
def preserve_default_vlan(w):
    _, kept = plug(w, "a", network("keep", vlan=100, preserveDefaultVlan=True), "10.9.9.1")
    _, gone = plug(w, "b", network("drop", vlan=100, preserveDefaultVlan=False), "10.9.9.2")
    _, both = plug(w, "c", network("both", vlanTrunk=[{"id": 101}], preserveDefaultVlan=True), "10.9.9.3")
    found = vlans(w)
    eq(found[kept], {1: {"Egress Untagged"}, 100: ACCESS}, "VLANs with preserveDefaultVlan true")
    eq(found[gone], {100: ACCESS}, "VLANs with preserveDefaultVlan false")
    eq(found[both], {1: ACCESS, 101: set()}, "VLANs of a trunk with preserveDefaultVlan true")


@test
def dual_stack_in_a_vlan(w):
    conf = network("blue", "10.77.1.0/24", "fd77:1::/64", vlan=100, isDefaultGateway=True)
    a, b = w.pod("a"), w.pod("b")
    first, second = add(w, conf, a, "a"), add(w, conf, b, "b")
    for target in ("10.77.1.1", "fd77:1::1", address(second), address(second, 1)):
        assert a.pings(target), f"no answer from {target} right after ADD"
    assert w.pings(address(first, 1)), "the node does not reach the pod over IPv6"


@test
def half_made_gateway_is_repaired(w):
    """As a kill between two steps leaves it: the pair is there, its port is not in the VLAN, or nowhere."""
    conf = network("blue", "10.77.1.0/24", vlan=100, isGateway=True)
    add(w, conf, w.pod("a"), "a")
    found = links(w)
    port = next(link["ifname"] for link in found.values() if link["ifindex"] == found["cni0.100"]["ifindex"] - 1)
    harms = (f"bridge vlan del dev {port} vid 100", f"ip link set {port} nomaster", f"ip link set {port} down",
             "ip link set cni0.100 down", "ip addr flush dev cni0.100")
    for number, harm in enumerate(harms):
        w.sh(harm)
        pod = w.pod(f"b{number}")
        add(w, conf, pod, f"b{number}")
        assert pod.pings("10.77.1.1"), f"the gateway stays dead after `{harm}`"


@test
def readdressed_gateway(w):
    conf = network("blue", "10.77.1.0/24", vlan=100, isGateway=True)
    a, b = w.pod("a"), w.pod("b")
    add(w, conf, a, "a")
    delete(w, conf, a, "a")
    w.sh("ip addr flush dev cni0.100")
    w.sh("ip addr add 10.77.1.77/24 dev cni0.100")
    before = steady(w)
    refusal(w.call("bridge", "ADD", conf, b, "b"), "cni0.100", "10.77.1.1/24")
    eq(steady(w), before, "the node after a refused ADD")
    add(w, {**conf, "forceAddress": True}, b, "b")
    eq(w.ips("cni0.100", 4), ["10.77.1.1/24"], "addresses of cni0.100 after forceAddress")


@test
def a_foreign_link_named_like_the_gateway(w):
    w.sh("ip link add cni0.100 type dummy")
    pod = w.pod("a")
    conf = network("blue", "10.77.1.0/24", vlan=100, isGateway=True)
    refusal(w.call("bridge", "ADD", conf, pod, "a"), "cni0.100")
    eq(links(w)["cni0.100"]["linkinfo"]["info_kind"], "dummy", "the foreign link")
    assert "eth0" not in links(pod) and not w.ips("cni0.100", 4), "a refused ADD left something"


@test
def nat_in_a_vlan(w):
    lan = w.neighbour()
    conf = network("blue", "10.77.1.0/24", vlan=100, isDefaultGateway=True, ipMasq=True)
    ports = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}
    conflist = {"cniVersion": "1.0.0", "name": "blue", "plugins": [
        conf, {"type": "portmap", "capabilities": {"portMappings": True}}]}
    pod = w.pod("a")
    w.chain(conflist, "ADD", pod, "a", caps=ports).ok()
    pod.serve(80)
    lan.serve(7000)
    eq(lan.ask(NODE4, 8080), f"hello {LAN4}", "the client that the pod sees")
    eq(pod.ask(LAN4, 7000), f"hello {NODE4}", "the pod as the neighbour sees it")
    assert w.ask("127.0.0.1", 8080), "127.0.0.1 does not reach the pod in its VLAN"
    w.chain(conflist, "CHECK", pod, "a", caps=ports).ok()
    w.chain(conflist, "DEL", pod, "a", caps=ports).ok()


@test
def spoofed_mac_in_a_vlan(w):
    conf = network("blue", vlan=100, macspoofchk=True)
    a, port = plug(w, "a", conf, "10.9.9.1")
    plug(w, "b", conf, "10.9.9.2")
    assert a.pings("10.9.9.2"), "the right MAC does not pass"
    own = links(a)["eth0"]["address"]
    a.sh("ip link set eth0 address 02:00:00:00:be:ef")
    assert not a.pings("10.9.9.2"), f"a foreign MAC passed {port}"
    a.sh(f"ip link set eth0 address {own}")
    assert a.pings("10.9.9.2"), "the right MAC does not pass any more"


if __name__ == "__main__":
    main()
