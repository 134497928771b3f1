#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Default configurations of real installations, run as they are by our programs alone.

The files are those of $PODWIRE_SHARED/conflists, or of `shared/conflists` beside the clone; a file
that nobody here knows is a failure.
"""

import json
import os
import shutil
from pathlib import Path

import world
from flannel import subnet_env
from node import LAN4, NODE4, ROOT, client, closed, eq, links, mix, run, serve, test, wait_for
from traffic import PORTS, Traffic, go_cni, plugin

KNOWN = {
    "containerd-default.conflist",
    "k0s-kuberouter.conflist",
    "kubeadm-flannel.conflist",
    "microk8s-flannel.conflist",
    "multus-portmap-nft.conflist",
    "podman-default.conflist",
}


def folder(w):
    shared = Path(os.environ.get("PODWIRE_SHARED", ROOT.parent / "shared"))
    if not (shared / "conflists").is_dir():
        w.skip(f"no folder {shared}/conflists; PODWIRE_SHARED names another")
    return shared / "conflists"


def load(w, name):
    return json.loads((folder(w) / name).read_text())


def life(w, conflist, caps=PORTS, inspect=None, means=None, path=None):
    """ADD two pods, packets, CHECK, DEL, DEL without namespace; both rounds end alike. `means` is
    the list that says in other words what the packets must do; `path` has
    other programs than ours."""
    states = []
    for turn in ("one", "two"):
        a, b, ids = w.pod(f"a{turn}"), w.pod(f"b{turn}"), (f"first-id-{turn}", f"second-id-{turn}")
        first = w.chain(conflist, "ADD", a, ids[0], caps=caps, path=path).ok()
        second = w.chain(conflist, "ADD", b, ids[1], path=path).ok()
        Traffic(w, means or conflist).check(a, b, first.ips(), second.ips())
        if conflist.get("cniVersion", "0.1.0") >= "0.4.0":
            w.chain(conflist, "CHECK", a, ids[0], caps=caps, path=path).ok()
        if inspect:
            inspect(a, first)
        for pod, ident in ((a, ids[0]), (b, ids[1]), (None, ids[0]), (None, ids[1])):
            w.chain(conflist, "DEL", pod, ident, caps=caps, path=path).ok()
        w.addresses_free()
        w.promise_nothing_left(ids)
        w.remove(a)
        w.remove(b)
        states.append(w.everything())
    eq(states[1], states[0], "the node after the second round")
    assert closed(w.lan, NODE4, 8080), "the host port is still open"


@test
def every_file_is_known(w):
    eq({file.name for file in folder(w).glob("*.conflist")}, KNOWN, "files in conflists")


@test
def containerd_default(w):
    def inspect(pod, first):
        eq(len(first.ips()), 2, "number of addresses of a dual stack pod")
        assert (
            "default via 10.88.0.1" in pod.sh("ip route").stdout
        ), "no IPv4 default route from IPAM"
        assert (
            "default via 2001:4860:4860::1" in pod.sh("ip -6 route").stdout
        ), "no IPv6 default route"

    life(w, load(w, "containerd-default.conflist"), go_cni(PORTS), inspect)
    w.promise_others_unchanged()


@test
def containerd_keeps_a_default_route_from_router_advertisements(w):
    """ADD turns IPv6 forwarding on, upon which the kernel drops routes learnt from routers."""
    conflist, pod = load(w, "containerd-default.conflist"), w.pod("a")
    w.sh(
        "ip -6 route del default;"
        "ip -6 route add default via fd50::2 dev eth0 proto ra expires 1000"
    )
    w.chain(conflist, "ADD", pod).ok()
    eq(w.sysctl("net.ipv6.conf.all.forwarding"), "1", "IPv6 forwarding")
    w.promise(
        "default via fd50::2" in w.sh("ip -6 route").stdout,
        "the route learnt from the router is gone",
    )
    w.promise_eq(w.sysctl("net.ipv6.conf.eth0.accept_ra"), "2", "accept_ra of eth0")
    w.chain(conflist, "DEL", pod).ok()


@test
def containerd_with_ipv6_off(w):
    """IPv6 switched off by sysctl: both families work, or the error names the range."""
    conflist, pod, other = load(w, "containerd-default.conflist"), w.pod("a"), w.pod("b")
    for net in (w, pod, other):
        net.sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1")
    reply = w.chain(conflist, "ADD", pod, "first-id")
    if reply.code != 0:
        text = json.dumps(reply.fails().json)
        w.promise("2001:4860:4860:" in text and "IPv6" in text, f"which range, and why? {text}")
    else:
        second = w.chain(conflist, "ADD", other, "second-id").ok()
        for address in second.ips():
            assert pod.pings(address), f"{address} does not answer"
        w.chain(conflist, "DEL", pod, "first-id").ok()
        w.chain(conflist, "DEL", other, "second-id").ok()
    w.promise_nothing_left(("first-id", "second-id"))


@test
def k0s_kuberouter(w):
    def inspect(pod, first):
        eq(links(pod)["eth0"]["mtu"], 1450, "MTU")
        eq(first.json["cniVersion"], "0.3.0", "version of the result")
        assert "default via 10.244.0.1" in pod.sh("ip route").stdout, "no default route"

    life(w, load(w, "k0s-kuberouter.conflist"), inspect=inspect)
    w.promise_others_unchanged()


@test
def k0s_before_the_node_has_a_subnet(w):
    """The file as the image ships it, before kube-router has written the ranges."""
    conflist, pod = load(w, "k0s-kuberouter.conflist"), w.pod("a")
    plugin(conflist, "bridge")["ipam"] = {"type": "host-local"}
    before = w.everything()
    reply = w.chain(conflist, "ADD", pod).fails(text="no IP ranges specified")
    w.promise_eq(reply.json["code"], 7, "code")
    w.promise_eq(w.everything(), before, "the node after the failed ADD")
    w.promise_eq(list(links(pod)), ["lo"], "links in the pod")


FLANNEL = {
    4: ("NETWORK=10.244.0.0/16", "SUBNET=10.244.1.1/24"),
    6: ("IPV6_NETWORK=fd00:10::/48", "IPV6_SUBNET=fd00:10:0:1::1/64"),
}


def flannel_daemon(file, families, masq):
    subnet_env(*(line for family in families for line in FLANNEL[family]), "MTU=1450", f"IPMASQ={masq}", file=file)


def as_bridge(conflist, masq):
    """What the list asks for: the bridge plugin's own list."""
    bridge = {"type": "bridge", "bridge": "cni0", "isDefaultGateway": True, "hairpinMode": True, "mtu": 1450}
    bridge.update(ipMasq=masq == "false", ipam={"type": "host-local"})
    return {**conflist, "plugins": [bridge, *conflist["plugins"][1:]]}


@test
def kubeadm_flannel(w):
    """The node gets its subnet after the file: first nothing works and nothing is changed."""
    conflist, pod = load(w, "kubeadm-flannel.conflist"), w.pod("a")
    before = w.everything()
    reply = w.chain(conflist, "ADD", pod).fails(text="failed to load flannel 'subnet.env' file: open /run/flannel/")
    w.promise_eq((reply.json["code"], w.everything()), (11, before), "code, and the node after the failed ADD")
    w.chain(conflist, "DEL", pod).ok()
    flannel_daemon("/run/flannel/subnet.env", (4,), "true")

    def inspect(inside, first):
        eq(first.json["cniVersion"], "0.3.1", "version of the result")
        eq(first.ips()[0].split(".")[:3], ["10", "244", "1"], "of the node's subnet")
        eq(inside.json("ip -j route show 10.244.0.0/16")[0]["gateway"], "10.244.1.1", "to the other nodes")

    life(w, conflist, inspect=inspect, means=as_bridge(conflist, "true"))
    eq(list(Path("/var/lib/cni/flannel").iterdir()), [], "state files")
    w.promise_others_unchanged()


@test
def kubeadm_flannel_dual_stack(w):
    """The daemon does not masquerade here: the bridge has to."""
    conflist = load(w, "kubeadm-flannel.conflist")
    flannel_daemon("/run/flannel/subnet.env", (4, 6), "false")
    life(
        w,
        conflist,
        inspect=lambda _, first: eq(len(first.ips()), 2, "addresses"),
        means=as_bridge(conflist, "false"),
    )


@test
def kubeadm_flannel_ipv6_only(w):
    conflist = load(w, "kubeadm-flannel.conflist")
    flannel_daemon("/run/flannel/subnet.env", (6,), "true")
    for net in (w, w.lan):  # until then the kernel looks for no neighbour there
        wait_for(lambda: "tentative" not in net.sh("ip -6 addr show dev eth0").stdout, "eth0 is ready")  # noqa: B023
    life(w, conflist, means=as_bridge(conflist, "true"))


def own_var():
    """/var with nothing of the machine's in it but /var/lib, which is the test's already."""
    os.makedirs("/run/world/lib")
    world._mount("/var/lib", "/run/world/lib", None, world.MS_BIND | world.MS_REC)
    world._mount("tmpfs", "/var", "tmpfs")
    os.mkdir("/var/lib")
    world._mount("/run/world/lib", "/var/lib", None, world.MS_BIND | world.MS_REC)
    os.symlink("/run", "/var/run")


BANDWIDTH = {"type": "bandwidth", "capabilities": {"bandwidth": True}}
RATES = {"bandwidth": {"ingressRate": 80_000_000, "ingressBurst": 8_000_000, "egressRate": 0, "egressBurst": 0}}


@test
def kubeadm_flannel_before_debians_plugins(w):
    """A node half way over: their portmap and bandwidth behind our flannel, bridge and host-local."""
    conflist = load(w, "kubeadm-flannel.conflist")
    conflist["plugins"].append(BANDWIDTH)
    flannel_daemon("/run/flannel/subnet.env", (4,), "true")

    def inspect(_, first):
        rates = [q["options"]["rate"] * 8 for q in w.json("tc -j qdisc show") if q["kind"] == "tbf"]
        eq(rates, [80_000_000], "rates of the shapers")
        eq(first.json["ips"][0]["address"].split(".")[:3], ["10", "244", "1"], "of the node's subnet")

    life(w, conflist, {**PORTS, **RATES}, inspect, as_bridge(conflist, "true"), mix(w, "flannel", "bridge", "host-local"))
    eq(list(Path("/var/lib/cni/flannel").iterdir()), [], "state files")


def microk8s(w, conflist, path=None):
    own_var()
    flannel, common = plugin(conflist, "flannel"), "/var/snap/microk8s/common"
    eq(flannel["subnetFile"], f"{common}/run/flannel/subnet.env", "the file's subnetFile")
    flannel_daemon(flannel["subnetFile"], (4,), "true")

    def inspect(_, __):
        names = sorted(path.name for path in Path(flannel["dataDir"]).iterdir())
        eq([name[:5] for name in names], ["first", "secon"], "state files of both pods")
        kept = json.loads(Path(flannel["dataDir"], names[0]).read_text())
        eq(kept["name"], conflist["name"], "the list's name, not the inner one")

    life(w, conflist, inspect=inspect, means=as_bridge(conflist, "true"), path=path)
    eq(list(Path(flannel["dataDir"]).iterdir()), [], "state files")
    assert not Path("/var/lib/cni/flannel").exists(), "state where nobody asked for it"


@test
def microk8s_flannel(w):
    microk8s(w, load(w, "microk8s-flannel.conflist"))


@test
def microk8s_flannel_before_debians_portmap(w):
    microk8s(w, load(w, "microk8s-flannel.conflist"), mix(w, "flannel", "bridge", "host-local"))


@test
def microk8s_flannel_without_a_version(w):
    """As the sibling that microk8s ships beside it."""
    conflist = load(w, "microk8s-flannel.conflist")
    del conflist["cniVersion"]
    microk8s(w, conflist)


@test
def multus_portmap_nft(w):
    """conditionsV4 in nft's words: the host port is open but for two destinations."""
    w.sh("ip addr add 198.19.254.254/32 dev lo; ip addr add 198.19.254.1/32 dev lo")
    w.before = w.others()

    def inspect(_, __):
        for proto in ("tcp", "udp"):
            eq(client(w.lan, "198.19.254.1", 8080, proto), LAN4, "client through another address")
            assert closed(w.lan, "198.19.254.254", 8080, proto), "the excluded address is open"
            assert closed(w, "127.0.0.1", 8080, proto), "127.0.0.1 is open, and excluded"

    life(w, load(w, "multus-portmap-nft.conflist"), inspect=inspect)
    w.promise_others_unchanged()


@test
def podman_default(w):
    def inspect(_, first):
        eq(first.json["cniVersion"], "0.4.0", "version of the result")
        eq([ip["version"] for ip in first.json["ips"]], ["4"], "version of each address")

    life(w, load(w, "podman-default.conflist"), inspect=inspect)


@test
def podman_default_behind_a_closed_forward(w):
    """As beside Docker: what no rule accepts is dropped, but for what the firewall plugin lets through."""
    w.sh("iptables -P FORWARD DROP")
    life(w, load(w, "podman-default.conflist"))
    eq(w.sh("iptables -S FORWARD").stdout.count("ACCEPT"), 1, "rules that accept, after all is gone")


@test
def podman_default_after_a_boot(w):
    """systemd-tmpfiles empties /var/lib/cni/networks at boot; podman still deletes its old pods."""
    conflist, pod, fresh = load(w, "podman-default.conflist"), w.pod("a"), w.pod("b")
    w.chain(conflist, "ADD", pod, "first-id", caps=PORTS).ok()
    w.remove(pod)
    shutil.rmtree("/var/lib/cni/networks")
    w.chain(conflist, "DEL", None, "first-id", caps=PORTS).ok()
    w.promise_nothing_left(("first-id",))
    serve(fresh, 80)
    w.chain(conflist, "ADD", fresh, "second-id", caps=PORTS).ok()
    eq(client(w.lan, NODE4, 8080), LAN4, "client at the host port after the boot")
    w.chain(conflist, "DEL", fresh, "second-id", caps=PORTS).ok()
    w.promise_nothing_left(("first-id", "second-id"))


if __name__ == "__main__":
    run()
