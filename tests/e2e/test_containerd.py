#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's containerd with `ctr run --cni`, our folder where it looks for plugins.

ctr attaches through /proc/PID/ns/net, and detaches with an empty CNI_NETNS when the task is dead
and its namespace gone: DEL has only the configuration and the container ID to go by.
"""

import copy

from callers import Containerd
from cri import TCP, UDP
from node import LAN4, LAN6, LAN_PORT, NODE4, NODE6, client, closed, eq, links, page, run, test

NETWORK = {
    "cniVersion": "1.0.0",
    "name": "containerd-net",
    "plugins": [
        {"type": "loopback"},
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "ipMasq": True,
            "promiscMode": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": "10.88.0.0/16"}], [{"subnet": "2001:4860:4860::/64"}]],
                "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}


@test
def pods_reach_each_other_and_leave_nothing(w):
    c = Containerd(w, NETWORK)
    web, other = c.run("web"), c.run("other")
    eq(page(w, web.address(), 80), "10.88.0.1", "node to pod")
    w.at_once(lambda: page(w, web.address(6), 80) == "2001:4860:4860::1", "node to pod over IPv6")
    eq(page(other, web.address(), 80), other.address(), "pod to pod")
    eq(page(other, web.address(6), 80), other.address(6), "pod to pod over IPv6")
    eq(page(w.lan, web.address(), 80), LAN4, "neighbour to pod")
    eq(client(web, LAN4, LAN_PORT), NODE4, "pod's address at the neighbour")
    eq(client(web, LAN6, LAN_PORT), NODE6, "pod's IPv6 address at the neighbour")
    peer = other.address()
    c.stop(web, "web")
    eq(page(w, peer, 80), "10.88.0.1", "the other pod after the first is gone")
    c.stop(other, "other")
    w.addresses_free()
    w.promise_nothing_left((web.id, other.id))
    eq([name for name in links(w) if name.startswith("veth")], [], "host ends of pods")
    w.promise_others_unchanged()


@test
def an_address_is_free_again(w):
    """A network of one free address: a container can only start when the one before is all gone."""
    network = copy.deepcopy(NETWORK)
    network["plugins"][1]["ipam"] = {
        "type": "host-local",
        "ranges": [
            [{"subnet": "10.77.0.0/24", "rangeStart": "10.77.0.5", "rangeEnd": "10.77.0.5"}]
        ],
    }
    c = Containerd(w, network)
    for name in ("one", "two", "three"):
        pod = c.run(name)
        eq(pod.address(), "10.77.0.5", f"address of {name}")
        eq(page(w, "10.77.0.5", 80), "10.77.0.1", f"node to {name}")
        c.stop(pod, name)
    w.promise_nothing_left(("default-",))


@test
def many_at_once(w):
    """Five tasks at the same time, all of them killed at the same time."""
    c, names = Containerd(w, NETWORK), [f"web{number}" for number in range(5)]
    processes = [c.begin(name) for name in names]
    pods = [c.attached(process, name) for process, name in zip(processes, names)]
    eq(len({pod.address() for pod in pods}), 5, "different addresses")
    for pod in pods:
        eq(page(w, pod.address(), 80), "10.88.0.1", "node to pod")
    for name in names:
        c("tasks", "kill", "-s", "9", name)
    for process in processes:
        process.wait(20)
    w.addresses_free()
    w.promise_nothing_left(("default-",))
    w.promise_others_unchanged()


@test
def a_pod_of_the_kubelet(w):
    """Through the CRI: lo and eth0 at once, capitalised capabilities, a named namespace."""
    c = Containerd(w, NETWORK)
    web = c.cri.run("web", [(TCP, 80, 8080, ""), (UDP, 53, 5353, ""), (TCP, 80, 8081, NODE4)])
    other = c.cri.run("other")
    own, peer = c.cri.addresses(web), c.cri.addresses(other)
    eq((len(own), len(peer)), (2, 2), "addresses of dual stack pods")
    eq(page(w, own[0], 80), "10.88.0.1", "node to pod")
    eq(page(w.lan, NODE4, 8080), LAN4, "neighbour at the host port")
    eq(page(w.lan, NODE4, 8081), LAN4, "neighbour at the port of one host address")
    eq(page(w, "127.0.0.1", 8080), "10.88.0.1", "node through 127.0.0.1")
    assert closed(w, "127.0.0.1", 8081), "the port of one host address is open on 127.0.0.1"
    for pod in (web, other):
        c.cri.stop(pod)
    assert closed(w.lan, NODE4, 8080), "the port of a stopped pod is open"
    w.addresses_free()
    w.promise_nothing_left((web, other))
    for pod in (web, other):
        c.cri.remove(pod)
    w.promise_others_unchanged()


@test
def pods_from_before_a_reboot(w):
    """Links, rules and /run are gone, address files are not: old pods stop while new ones start."""
    c = Containerd(w, NETWORK)
    old = [c.cri.run(name, [(TCP, 80, port, "")]) for name, port in (("a", 8080), ("b", 8081))]
    for name in [name for name in links(w) if name.startswith(("veth", "cni0"))]:
        w.sh(f"ip link del {name}")
    w.sh("nft flush ruleset; rm -rf /run/podwire")
    c.cri.stop(old[0])
    new = c.cri.run("c", [(TCP, 80, 8080, "")])
    w.promise_eq(page(w.lan, NODE4, 8080), LAN4, "neighbour at the new pod's host port")
    c.cri.stop(old[1])
    w.promise_eq(page(w.lan, NODE4, 8080), LAN4, "neighbour at the new pod's host port, later")
    c.cri.stop(new)
    w.addresses_free()
    w.promise_nothing_left((*old, new))


@test
def bandwidth_of_a_pod(w):
    """The kubelet's annotations arrive as the capability `bandwidth`; both directions are held to them."""
    network = copy.deepcopy(NETWORK)
    network["plugins"].append({"type": "bandwidth", "capabilities": {"bandwidth": True}})
    c = Containerd(w, network)
    pod = c.cri.run(
        "slow",
        [(TCP, 80, 8080, "")],
        [("kubernetes.io/ingress-bandwidth", "20M"), ("kubernetes.io/egress-bandwidth", "10M")],
    )
    free = c.cri.run("free")
    found = {q["dev"]: q["options"]["rate"] * 8 for q in w.json("tc -j qdisc show") if q["kind"] == "tbf"}
    veth, ifb = (next((d for d in found if d.startswith(p)), None) for p in ("veth", "bwp"))
    eq((found.get(veth), found.get(ifb)), (20_000_000, 10_000_000), "rates to and from the pod")
    eq(page(w.lan, NODE4, 8080), LAN4, "neighbour at the host port")
    eq(len(found), 2, "shapers of both pods")
    for one in (pod, free):
        c.cri.stop(one)
    eq([name for name in links(w) if name.startswith(("bwp", "veth"))], [], "links of pods")
    w.promise_nothing_left((pod, free))
    w.promise_others_unchanged()


if __name__ == "__main__":
    run()
