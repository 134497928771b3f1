#!/usr/bin/env python3
"""Default configurations of real installations, run as they are with our folder first.

The files are those of $PODWIRE_SHARED/conflists, or of `shared/conflists` beside the clone. Those of
flannel need a program that does not exist yet; LATER names them, and any file that nobody here knows
is a failure.
"""

import json
import os
import shutil
from pathlib import Path

from lib import DEBIAN, LAN4, NODE4, ROOT, Chain, Server, addresses, ask, equal, main, refused, test
from traffic import PORTS, Traffic, go_cni, plugin

LATER = {"kubeadm-flannel.conflist", "microk8s-flannel.conflist"}


def folder(w):
    shared = Path(os.environ.get("PODWIRE_SHARED", ROOT.parent / "shared"))
    if not (shared / "conflists").is_dir():
        w.skip(f"no folder {shared}/conflists; set PODWIRE_SHARED")
    return shared / "conflists"


def load(w, name):
    return json.loads((folder(w) / name).read_text())


def life(w, name, caps=PORTS, inspect=None):
    """ADD two pods, check packets, CHECK, DEL; a second round must end in the same state as the first."""
    conflist = load(w, name)
    chain = Chain(w, conflist, [w.bin, DEBIAN])
    states = []
    for turn in ("one", "two"):
        a, b = w.pod(f"a{turn}"), w.pod(f"b{turn}")
        results = chain.add(a, f"id-a-{turn}", caps=caps), chain.add(b, f"id-b-{turn}")
        Traffic(w, conflist).check(a, b, *results)
        chain.check(a, f"id-a-{turn}")
        if inspect and turn == "one":
            inspect(a, *results)
        for pod, ident in ((a, f"id-a-{turn}"), (b, f"id-b-{turn}")):
            chain.delete(pod, ident)
            chain.delete("", ident)
        w.promise_nothing_left((f"id-a-{turn}", f"id-b-{turn}"))
        a.remove()
        b.remove()
        states.append(w.everything())
    w.promise_equal(states[1], states[0], "the node after the second round")
    assert refused(ask, w.lan.path, NODE4, 8080), "the host port is still open"
    return conflist


@test
def every_file_is_known(w):
    known = {"containerd-default.conflist", "k0s-kuberouter.conflist", "multus-portmap-nft.conflist",
             "podman-default.conflist"}
    equal({path.name for path in folder(w).glob("*.conflist")}, known | LATER, "files in conflists")


@test
def containerd_default(w):
    def inspect(pod, result, _):
        equal(w.links()["cni0"]["promiscuity"] > 0, True, "promiscuous mode of cni0")
        equal(len(addresses(result)), 2, "addresses of a dual stack pod")
        assert "default via 10.88.0.1" in pod.sh("ip route"), "no IPv4 default route from IPAM"
        assert "default via 2001:4860:4860::1" in pod.sh("ip -6 route"), "no IPv6 default route from IPAM"

    life(w, "containerd-default.conflist", go_cni(PORTS), inspect)
    w.promise_others_unchanged()


@test
def containerd_keeps_a_default_route_from_router_advertisements(w):
    """ADD turns IPv6 forwarding on, upon which the kernel drops routes of protocol ra."""
    w.sh("ip -6 route del default")
    w.sh("ip -6 route add default via fd50::2 dev eth0 proto ra expires 1000")
    chain = Chain(w, load(w, "containerd-default.conflist"), [w.bin, DEBIAN])
    pod = w.pod("a")
    chain.add(pod)
    equal(w.sh("sysctl -n net.ipv6.conf.all.forwarding").strip(), "1", "IPv6 forwarding")
    w.promise("default via fd50::2" in w.sh("ip -6 route"), "the default route learnt from the router is gone")
    w.promise(w.sh("sysctl -n net.ipv6.conf.eth0.accept_ra").strip() == "2", "accept_ra of eth0 is not 2")
    chain.delete(pod)


@test
def containerd_with_ipv6_off(w):
    """IPv6 switched off by sysctl: both families work, or the ADD says which range is the trouble."""
    conflist, pod = load(w, "containerd-default.conflist"), w.pod("a")
    for where in (w, pod):
        where.sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1")
    chain = Chain(w, conflist, [w.bin, DEBIAN])
    reply = chain.call(plugin(conflist, "bridge"), "ADD", pod)
    if reply.code != 0:
        _, message = reply.error()
        w.promise("2001:4860:4860:" in message and "IPv6" in message, f"unclear: {message}")
        w.promise_nothing_left(("first-id",))
        return
    other = w.pod("b")
    second = chain.add(other, "second-id")
    for address in addresses(second):
        assert pod.pings(address), f"{address} does not answer"
    chain.delete(pod)
    chain.delete(other, "second-id")
    w.promise_nothing_left(("first-id", "second-id"))


@test
def k0s_kuberouter(w):
    def inspect(pod, result, _):
        equal(pod.links()["eth0"]["mtu"], 1450, "MTU")
        equal(result["cniVersion"], "0.3.0", "version of the result")
        assert "default via 10.244.0.1" in pod.sh("ip route"), "no default route"

    life(w, "k0s-kuberouter.conflist", inspect=inspect)
    w.promise_others_unchanged()


@test
def k0s_before_the_node_has_a_subnet(w):
    """The file as the image ships it, before kube-router has written the ranges."""
    conflist = load(w, "k0s-kuberouter.conflist")
    bridge = plugin(conflist, "bridge")
    bridge["ipam"] = {"type": "host-local"}
    chain, before, pod = Chain(w, conflist, [w.bin, DEBIAN]), w.everything(), w.pod("a")
    code, message = chain.call(bridge, "ADD", pod).error()
    assert "no IP ranges specified" in message, message
    w.promise(code == 7, f"code {code}")
    w.promise_equal(w.everything(), before, "the node after the failed ADD")
    w.promise(list(pod.links()) == ["lo"], f"links in the pod: {list(pod.links())}")


@test
def multus_portmap_nft(w):
    """conditionsV4 in nft's words: the host port is open but for two destinations."""
    w.sh("ip addr add 198.19.254.254/32 dev lo; ip addr add 198.19.254.1/32 dev lo")
    conflist = load(w, "multus-portmap-nft.conflist")

    def inspect(pod, _, __):
        for protocol in ("tcp", "udp"):
            equal(ask(w.lan.path, "198.19.254.1", 8080, protocol), LAN4, "client through another address")
            assert refused(ask, w.lan.path, "198.19.254.254", 8080, protocol=protocol), "excluded address is open"
            assert refused(ask, None, "127.0.0.1", 8080, protocol=protocol), "127.0.0.1 is open"

    equal(plugin(conflist, "portmap")["conditionsV4"][0], "ip", "first condition")
    w.before = w.others()
    life(w, "multus-portmap-nft.conflist", inspect=inspect)


@test
def podman_default(w):
    def inspect(pod, result, _):
        equal(result["cniVersion"], "0.4.0", "version of the result")
        equal([ip["version"] for ip in result["ips"]], ["4"], "version of each address")
        equal(w.links()["cni-podman0"]["operstate"], "UP", "state of cni-podman0")

    life(w, "podman-default.conflist", inspect=inspect)


@test
def podman_default_after_a_boot(w):
    """systemd-tmpfiles empties /var/lib/cni/networks at boot while podman still deletes old pods."""
    conflist = load(w, "podman-default.conflist")
    chain, pod = Chain(w, conflist, [w.bin, DEBIAN]), w.pod("a")
    chain.add(pod, caps=PORTS)
    pod.remove()
    shutil.rmtree("/var/lib/cni/networks")
    chain.delete("")
    w.promise_nothing_left(("first-id",))
    fresh = w.pod("b")
    Server(fresh.path, 80)
    chain.add(fresh, "second-id", caps=PORTS)
    equal(ask(w.lan.path, NODE4, 8080), LAN4, "client through the host port after the boot")
    chain.delete(fresh, "second-id")
    w.promise_nothing_left(("first-id", "second-id"))


if __name__ == "__main__":
    main()
