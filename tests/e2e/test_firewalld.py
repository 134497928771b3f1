#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The firewall plugin and the real firewalld, over D-Bus; and what the overlay needs of firewalld."""

from concurrent.futures import ThreadPoolExecutor

from crossing import ask
from firewalld import Firewalld, unpacked
from lab import NETWORK4, OUTSIDE4, OUTSIDE_PORT, PORT, Lab
from node import DEBIAN, eq
from wire import Stream
from world import main, test

PACKAGE = unpacked()


def network(name="fwnet", bridge="cni0", subnet=88, **keys):
    return {"cniVersion": "1.1.0", "name": name, "plugins": [
        {"type": "bridge", "bridge": bridge, "isDefaultGateway": True, "ipMasq": True, "ipam": {
            "type": "host-local", "ranges": [[{"subnet": f"10.{subnet}.0.0/24"}], [{"subnet": f"fd{subnet}::/64"}]]}},
        {"type": "firewall", **keys}]}


def node(w):
    w.neighbour()
    return Firewalld(w, PACKAGE)


def add(w, name, net=None):
    pod = w.pods.get(name) or w.pod(name)
    w.chain(net or network(), "ADD", pod, id=name).ok()
    return pod


def addresses(pod):
    return sorted(a.split("/")[0] + ("/128" if ":" in a else "/32") for a in pod.ips("eth0"))


def out(pod):
    return [pod.pings(address, 1, count=3) for address in ("192.0.2.2", "2001:db8:0:1::2")]


def without(net):
    """The network without the plugin under test."""
    return {**net, "plugins": net["plugins"][:-1]}


@test(timeout=120)
def found_by_itself(w):
    """Nothing in the configuration: firewalld runs, so the pod's addresses are its zone's."""
    fw = node(w)
    bare = w.pod("bare")
    w.chain(without(network()), "ADD", bare, id="bare").ok()
    eq(out(bare), [False, False], "firewalld keeps pods in")
    a = add(w, "a")
    eq(fw.sources(), addresses(a), "sources of the zone")
    eq(out(a), [True, True], "the pod's way out")
    w.chain(network(), "CHECK", a, id="a").ok()
    w.chain(network(), "DEL", a, id="a").ok()
    eq(fw.sources(), [], "sources after DEL")
    w.chain(network(), "DEL", a, id="a").ok()


@test(timeout=120)
def a_reload_is_mended_for_all(w):
    fw = node(w)
    pods = [add(w, x) for x in "ab"]
    fw.reload()
    eq(fw.sources(), [], "a reload forgets")
    eq(out(pods[0]), [False, False], "the pods' way out")
    w.chain(network(), "CHECK", pods[0], id="a").fails(103, "is not in firewalld's zone trusted")
    pods.append(add(w, "c"))
    eq(fw.sources(), sorted(sum(map(addresses, pods), [])), "after the next ADD")
    for pod in pods:
        eq(out(pod), [True, True], f"{pod.name}'s way out")
        w.chain(network(), "CHECK", pod, id=pod.name).ok()
    fw.call("zone.removeSource", "trusted", addresses(pods[0])[0])
    add(w, "d")
    assert addresses(pods[0])[0] not in fw.sources(), "what an administrator removed came back without a reload"


@test(timeout=120)
def a_restart_is_mended_for_all(w):
    fw = node(w)
    a = add(w, "a")
    fw.stop()
    b = add(w, "b")
    eq([out(a), out(b)], [[True, True]] * 2, "without firewalld")
    fw.start()
    c = add(w, "c")
    eq(fw.sources(), sorted(addresses(a) + addresses(c)), "sources of those that were added with firewalld")
    eq(out(a), [True, True], "the first pod's way out")


@test(timeout=120)
def del_without_prev_result(w):
    fw = node(w)
    a = add(w, "a")
    conf = {"cniVersion": "1.1.0", "name": "fwnet", "type": "firewall"}
    w.call("firewall", "DEL", conf, "", id="a").ok()
    eq(fw.sources(), [], "sources")
    add(w, "b")
    fw.stop()
    w.call("firewall", "DEL", conf, "", id="b").ok()
    w.chain(network(), "DEL", a, id="a").ok()


@test(timeout=120)
def another_zone_and_another_backend(w):
    fw = node(w)
    internal = network(firewalldZone="internal", backend="firewalld")
    a = add(w, "a", internal)
    eq([fw.sources("internal"), fw.sources()], [addresses(a), []], "zones")
    b = add(w, "b", network("plain", "cni1", 89, backend="iptables"))
    eq(fw.sources("internal") + fw.sources(), addresses(a), "backend iptables leaves firewalld alone")
    w.chain(network("plain", "cni1", 89, backend="iptables"), "CHECK", b, id="b").ok()
    w.chain(internal, "DEL", a, id="a").ok()
    eq(fw.sources("internal"), [], "after DEL")


@test(timeout=120)
def what_firewalld_refuses(w):
    """Its words, and nothing left of the attachment."""
    fw = node(w)
    a = w.pod("a")
    prev = w.chain(without(network()), "ADD", a, id="a").ok().json
    conf = {"cniVersion": "1.1.0", "name": "fwnet", "type": "firewall", "prevResult": prev}
    w.call("firewall", "ADD", {**conf, "firewalldZone": "nowhere"}, a, id="a").fails(100, "INVALID_ZONE")
    fw.call("zone.addSource", "work", addresses(a)[1])
    w.call("firewall", "ADD", conf, a, id="a").fails(101, "ZONE_CONFLICT")
    eq([fw.sources(), fw.sources("work")], [[], [addresses(a)[1]]], "zones")
    eq((w.sh("nft list set inet podwire forward4-12").stdout.count("comment \"fwnet"),
        w.files("/run/podwire/attachments").count("firewall-")), (0, 0), "elements and records")
    fw.stop()
    w.call("firewall", "ADD", {**conf, "backend": "firewalld"}, a, id="a").fails(100, "firewalld does not run")


@test(timeout=120)
def gc_empties_the_zone(w):
    fw = node(w)
    pods = [add(w, x) for x in "abc"]
    other = add(w, "o", network("other", "cni1", 89))
    w.chain(network(), "GC", valid=[("b", "eth0")]).ok()
    eq(fw.sources(), sorted(addresses(pods[1]) + addresses(other)), "sources")


@test(timeout=120)
def pods_of_the_go_plugin_are_deleted(w):
    fw = node(w)
    a = w.pod("a")
    prev = w.chain(without(network()), "ADD", a, id="a").ok().json
    conf = {"cniVersion": "1.0.0", "name": "fwnet", "type": "firewall", "prevResult": {**prev, "cniVersion": "1.0.0"}}
    w.call(f"{DEBIAN}/firewall", "ADD", conf, a, id="a").ok()
    eq(fw.sources(), addresses(a), "theirs")
    w.call("firewall", "DEL", conf, a, id="a").ok()
    eq(fw.sources(), [], "after our DEL")


def alone(w, verb, id, *addresses, pod="", **keys):
    """The plugin alone, with these addresses in prevResult."""
    conf = {"cniVersion": "1.1.0", "name": "fwnet", "type": "firewall", **keys}
    if addresses:
        conf["prevResult"] = {"cniVersion": "1.1.0", "interfaces": [{"name": f"v{id}"}, {"name": "eth0", "sandbox": "/s"}],
                              "ips": [{"address": a, "interface": 1} for a in addresses]}
    return w.call("firewall", verb, conf, pod, id=id)


@test(timeout=120)
def a_reload_between_adds_and_dels(w):
    """What is mended and what is deleted at the same time: no dead address stays in the zone."""
    fw = node(w)
    pods = {f"p{i}": w.pod(f"p{i}") for i in range(24)}
    for i, (name, pod) in enumerate(pods.items()):
        w.sh(f"ip link add v{name} type veth peer name x0 netns {name}")
        alone(w, "ADD", name, f"10.88.0.{i + 2}/24", pod=pod).ok()
    eq(len(fw.sources()), 24, "sources")
    fw.reload()
    conf = {"cniVersion": "1.1.0", "name": "fwnet", "type": "firewall"}
    prev = {"cniVersion": "1.1.0", "ips": [{"address": "10.88.0.99/24"}]}
    calls = [w.start("firewall", "ADD", {**conf, "prevResult": prev}, w.pod("new"), id="new")]
    calls += [w.start("firewall", "DEL", conf, "", id=name) for name in pods]
    for call in calls:
        w.finish(call, "firewall").ok()
    eq(fw.sources(), ["10.88.0.99/32"], "sources")


@test(timeout=120)
def an_add_again_elsewhere(w):
    """Another address, zone or backend: what the ADD before had is no longer in any zone."""
    fw = node(w)
    a = w.pod("a")
    alone(w, "ADD", "a", "10.88.0.2/24", pod=a).ok()
    alone(w, "ADD", "a", "10.88.0.3/24", pod=a).ok()
    eq(fw.sources(), ["10.88.0.3/32"], "after another address")
    alone(w, "ADD", "a", "10.88.0.3/24", pod=a, firewalldZone="internal").ok()
    eq([fw.sources(), fw.sources("internal")], [[], ["10.88.0.3/32"]], "after another zone")
    alone(w, "ADD", "a", "10.88.0.3/24", pod=a, backend="iptables").ok()
    eq(fw.sources("internal"), [], "after another backend")


@test(timeout=120)
def addresses_that_others_have_by_now(w):
    """A late DEL, or the GC of a dead owner, leaves the living pod's entry, and takes its own."""
    fw = node(w)
    a, b = w.pod("a"), w.pod("b")
    w.sh("ip link add va type veth peer name x0 netns a; ip link add vb type veth peer name x0 netns b")
    alone(w, "ADD", "a", "10.88.0.2/24", "fd88::2/64", pod=a).ok()
    w.sh("ip link del va")
    alone(w, "ADD", "b", "10.88.0.2/24", pod=b).ok()
    eq(fw.sources(), ["10.88.0.2/32", "fd88::2/128"], "the dead one's other address is known by its record")
    alone(w, "DEL", "gone", "10.88.0.2/24").ok()
    eq(fw.sources(), ["10.88.0.2/32", "fd88::2/128"], "after a late DEL of a third")
    w.call("firewall", "GC", {"cniVersion": "1.1.0", "name": "fwnet", "type": "firewall", "cni.dev/valid-attachments": [
        {"containerID": "b", "ifname": "eth0"}]}).ok()
    eq(fw.sources(), ["10.88.0.2/32"], "after GC")
    alone(w, "CHECK", "b", "10.88.0.2/24", pod=b).ok()


@test(timeout=120)
def status_asks_for_what_is_demanded(w):
    fw = node(w)
    conf = {"cniVersion": "1.1.0", "name": "fwnet", "type": "firewall", "backend": "firewalld"}
    w.call("firewall", "STATUS", conf).ok()
    fw.stop()
    w.call("firewall", "STATUS", conf).fails(50, "firewalld does not run")


@test(timeout=120)
def a_bus_that_lets_nobody_in(w):
    """In a user namespace the bus knows us by another number and hangs up: as if there were none."""
    node(w)
    w.sh(f"mkdir -p /run/user/1; chown 65534 /run/user/1; cp {w.bin}/firewall /run/world/; chmod -R a+rX /run/world")
    inside = (f"ip link set lo up; echo '{{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"type\":\"firewall\",\"prevResult\":"
              "{\"cniVersion\":\"1.0.0\",\"ips\":[{\"address\":\"10.1.1.2/24\"}]}}' | "
              f"CNI_COMMAND=ADD CNI_CONTAINERID=c CNI_NETNS=/proc/self/ns/net CNI_IFNAME=eth0 CNI_PATH=/ "
              f"CNI_NETNS_OVERRIDE=1 XDG_RUNTIME_DIR=/run/user/1 ASAN_OPTIONS=detect_leaks=0 /run/world/firewall")
    done = w.sh(["setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=-all", "unshare", "-Urn", "sh", "-c", inside],
                check=False)
    assert done.returncode == 0 and "10.1.1.2/24" in done.stdout, done.stdout + done.stderr


@test(timeout=120)
def a_bus_that_does_not_answer(w):
    """Bounded, named, and nothing left; DEL keeps the record for its next try."""
    fw = node(w)
    a = add(w, "a")
    w.sh(f"kill -STOP {fw.process.pid}")
    conf = {"cniVersion": "1.1.0", "name": "fwnet", "type": "firewall"}
    w.call("firewall", "DEL", conf, "", id="a").fails(11, "no answer on the system bus in 10 s")
    eq(w.sh("nft list set inet podwire forward4-12").stdout.count("comment \"fwnet"), 0, "elements go all the same")
    w.sh(f"kill -CONT {fw.process.pid}")
    w.call("firewall", "DEL", conf, "", id="a").ok()
    eq(fw.sources(), [], "sources")


@test(timeout=120)
def reloads_amid_the_load(w):
    """Pods come and go while firewalld reloads and rulesets are flushed: after the next ADD all that run
    have their way out, and the zone has their addresses only."""
    fw = node(w)
    stay = [add(w, x) for x in "ab"]
    come, go = ([w.pod(f"{x}{i}") for i in range(12)] for x in "pq")

    def call(verb, pod):
        return w.chain(network(), verb, pod, id=pod.name).ok()

    for what in (fw.reload, lambda: w.sh("nft flush table inet podwire"), fw.reload, fw.reload):
        with ThreadPoolExecutor(25) as pool:
            calls = [pool.submit(call, "ADD", pod) for pod in come]
            calls += [pool.submit(call, "DEL", pod) for pod in go]
            calls.append(pool.submit(what))
        for done in calls:
            done.result()
        come, go = go, come
    running = [*stay, *go, add(w, "last")]
    eq(fw.sources(), sorted(sum(map(addresses, running), [])), "sources")
    for pod in (*stay, *go[:2], running[-1]):
        eq(out(pod), [True, True], f"{pod.name}'s way out")
    for pod in running:
        w.chain(network(), "CHECK", pod, id=pod.name).ok()
        call("DEL", pod)
    eq(fw.sources(), [], "sources in the end")


def told(node, *words):
    """What docs/overlay.md tells the operator to say, once."""
    for word in words:
        node.sh(["firewall-cmd", "--permanent", *word.split()])
    node.sh(["firewall-cmd", "--reload"])


@test(timeout=120)
def pods_of_other_nodes(w):
    """The default zone rejects the tunnel's packets, and what is forwarded; the firewall plugin lets this node's
    pods out, and nobody in. With the tunnel and the network let in by a word each, pods reach each other, and
    a reload takes nothing from them."""
    lab = Lab(w, "vxlan", nodes=2)
    n1, n2 = lab.nodes.values()
    Firewalld(n1, PACKAGE)
    lab.up("a")
    one, two = lab.pods["p1a"], lab.pods["p2a"]
    eq([one.ask(two.v4, 80, seconds=0.5), two.ask(one.v4, 80, seconds=0.5)], [None, None], "in the default zone")
    told(n1, f"--add-port={PORT}/udp")
    eq([n1.ask(two.v4, 80), one.ask(two.v4, 80, seconds=0.5)], ["p2a 10.244.1.0", None], "with the tunnel's port")
    with_plugin = lab.conf_of(n1)
    with_plugin["plugins"].append({"type": "firewall"})
    zoned = lab.add(n1, "p1b", conflist=with_plugin)
    eq([zoned.ask(two.v4, 80), two.ask(zoned.v4, 80, seconds=0.5)], [f"p2a {zoned.v4}", None], "with the plugin")
    told(n1, f"--zone=trusted --add-source={NETWORK4}")
    stream = Stream(one, two, two.v4)
    told(n1)
    stream.fresh()
    for pod in (one, zoned, lab.add(n1, "p1c")):
        ask(pod, {(two.v4, 80, "tcp"): f"p2a {pod.v4}", (two.v4, 80, "udp"): f"p2a {pod.v4}",
                  (n2.v4, 8080, "tcp"): f"p2a {n1.v4}", (OUTSIDE4, OUTSIDE_PORT, "tcp"): f"outside {n1.v4}"})
        ask(two, {(pod.v4, 80, "tcp"): f"{pod.name} {two.v4}", (pod.v4, 80, "udp"): f"{pod.name} {two.v4}",
                  (n1.v4, 8080, "tcp"): f"p1a {n2.v4}"})
        ask(n2, {(pod.v4, 80, "tcp"): f"{pod.name} 10.244.2.0"})
    stream.end()


@test(timeout=120)
def direct_routes_to_other_nodes(w):
    """No tunnel, so no port; but other nodes come with their own address, which is not the network's."""
    lab = Lab(w, "host-gw", nodes=2)
    n1, n2 = lab.nodes.values()
    Firewalld(n1, PACKAGE)
    lab.up("a")
    one, two = lab.pods["p1a"], lab.pods["p2a"]
    told(n1, f"--zone=trusted --add-source={NETWORK4}")
    ask(one, {(two.v4, 80, "tcp"): f"p2a {one.v4}", (OUTSIDE4, OUTSIDE_PORT, "tcp"): f"outside {n1.v4}"})
    ask(two, {(one.v4, 80, "tcp"): f"p1a {two.v4}"})
    eq(n2.ask(one.v4, 80, seconds=0.5), None, "the other node itself")
    told(n1, f"--zone=trusted --add-source={n2.v4}")
    ask(n2, {(one.v4, 80, "tcp"): f"p1a {n2.v4}"})


if __name__ == "__main__":
    main()
