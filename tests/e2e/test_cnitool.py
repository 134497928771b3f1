#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""cnitool, built from its newest release, over each file in conf-examples/: add, check, del, gc,
status.

It is built once, by a Go of at least 1.21 (gotools.py).
"""

import ipaddress
import json
import os
import re
from pathlib import Path

from gotools import CACHE, install
from node import NODE4, ROOT, closed, eq, links, run, test, world
from traffic import PORTS, Traffic, plugin
from flannel import of_the_example

MODULE = "github.com/containernetworking/cni/cnitool@latest"
TOOL = CACHE / "bin" / "cnitool"
EXAMPLES = Path(os.environ.get("PODWIRE_EXAMPLES", ROOT / "conf-examples"))
VLAN_KEYS = {"vlan", "vlanTrunk"}
KINDS = {
    "podman": "cni-podman",
    "containerd": "promiscMode",
    "dual stack": "::/",
    "layer 2 alone": '"ipam": {}',
    "VLAN": '"vlan"',
    "spoof check": "macspoofchk",
    "several ranges": "rangeStart",
}


WHY_NOT = install("bin", MODULE)


class Cnitool:
    """cnitool on one network file; its container ID is a hash of the namespace's path."""

    def __init__(self, w, conflist):
        if WHY_NOT:
            w.skip(WHY_NOT)
        self.w, self.name = w, conflist["name"]
        os.makedirs("/etc/cni/net.d", exist_ok=True)
        Path("/etc/cni/net.d/10-test.conflist").write_text(json.dumps(conflist))

    def __call__(self, verb, pod, caps=None):
        env = {
            "NETCONFPATH": "/etc/cni/net.d",
            "CNI_PATH": self.w.bin,
            "CAP_ARGS": json.dumps(caps) if caps else "",
        }
        return self.w.sh([TOOL, verb, self.name, pod.path], check=False, env=env)

    def ok(self, verb, pod, caps=None):
        done = self(verb, pod, caps)
        assert done.returncode == 0, f"cnitool {verb}: {done.stdout}{done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None


def examples():
    """Each file as a conflist; a plain configuration becomes a list of one, as libcni does it."""
    for path in sorted(EXAMPLES.glob("*.conf*")):
        conf = json.loads(path.read_text())
        if "plugins" not in conf:
            conf = {"cniVersion": conf.get("cniVersion"), "name": conf["name"], "plugins": [conf]}
        yield path, conf


def example_test(path, conflist):
    def example(w):
        if plugin(conflist, "flannel"):
            of_the_example()
        overlay = plugin(conflist, "overlay")
        if overlay:
            be_the_first(w, overlay["nodes"][0])
        vlans = VLAN_KEYS & set(plugin(conflist, "bridge"))
        if overlay and overlay["backend"]["type"] == "ipip" and not world.PROBES["ipip"](w):
            refuses_ipip(w, conflist)
        elif vlans and not world.PROBES["vlan_filtering"](w):
            refuses_vlans(w, conflist)
        else:
            life(w, conflist)

    example.__name__ = re.sub(r"\W", "_", path.stem)
    return example


def be_the_first(w, node):
    """This node is the one of the list."""
    w.sh(f"ip addr add {node['publicIP']}/24 dev eth0")
    if "publicIPv6" in node:
        w.sh(f"ip addr add {node['publicIPv6']}/64 dev eth0 nodad")
    w.before = w.others()


def refuses_ipip(w, conflist):
    """This kernel has no ipip: STATUS and ADD say so, and nothing is made. What works is the VM's to show."""
    tool, pod = Cnitool(w, conflist), w.pod("a")
    for verb in ("status", "add"):
        done = tool(verb, pod)
        assert done.returncode != 0 and "ipip" in done.stdout + done.stderr, f"{verb}: {done.stdout}{done.stderr}"
    tool.ok("del", pod)
    w.promise_others_unchanged()


def refuses_vlans(w, conflist):
    """This kernel has no VLAN filtering: the error says so, and the pod is as before."""
    tool, pod = Cnitool(w, conflist), w.pod("a")
    done = tool("add", pod)
    message = done.stdout + done.stderr
    assert done.returncode != 0, f"VLANs on a kernel without VLAN filtering: {message}"
    w.promise("vlan" in message.lower(), f"no word about VLANs: {message}")
    w.promise_eq(list(links(pod)), ["lo"], "links in the pod")
    w.promise_nothing_left(("cnitool-",))
    tool.ok("del", pod)


def life(w, conflist):
    """Status, add, packets, check; then del, the second time gc. The rounds end alike."""
    tool, states, network = Cnitool(w, conflist), [], plugin(conflist, "bridge")
    if network.get("mtu") == "auto":
        for node in (w, w.lan):
            node.sh("ip link set eth0 mtu 1420")
        w.before = w.others()
    for turn in ("one", "two"):
        a, b = w.pod(f"a{turn}"), w.pod(f"b{turn}")
        tool.ok("status", a)
        first, second = tool.ok("add", a, {**PORTS, **wishes(network)}), tool.ok("add", b)
        if network:
            wishes_come_true(network, a, first)
            Traffic(w, conflist).check(a, b, addresses(first), addresses(second))
        if plugin(conflist, "loopback"):
            assert a.pings("127.0.0.1"), "loopback is not up"
        if conflist["cniVersion"] >= "0.4.0":
            done = tool("check", a, PORTS)
            w.promise(done.returncode == 0, f"CHECK: {done.stderr}{done.stdout}")
            missing_address_is_seen(tool, network, a)
        if turn == "one":
            for pod in (a, b, a):
                tool.ok("del", pod, PORTS)
        else:
            collect(w, tool, conflist, a)
        if plugin(conflist, "overlay"):
            w.sh([f"{w.bin}/overlay", "remove", "/etc/cni/net.d/10-test.conflist"])
        w.addresses_free()
        w.promise_nothing_left(("cnitool-",))
        w.remove(a)
        w.remove(b)
        states.append(w.everything())
    w.promise_eq(states[1], states[0], "the node after the second round")
    assert closed(w.lan, NODE4, 8080), "the host port is still open"
    w.promise_others_unchanged()


def addresses(result):
    found = [ip["address"] for ip in result.get("ips", [])]
    found += [result[key]["ip"] for key in ("ip4", "ip6") if key in result]
    return [address.split("/")[0] for address in found]


def wishes(network):
    """A MAC and an address, for networks that declare these capabilities."""
    able = network.get("capabilities", {})
    caps = {"mac": "02:00:5e:10:00:01"} if able.get("mac") else {}
    if able.get("ips"):
        subnet = network["ipam"]["ranges"][0][0]["subnet"]
        caps["ips"] = [str(ipaddress.ip_network(subnet)[77])]
    return caps


def wishes_come_true(network, pod, result):
    asked = wishes(network)
    eq(
        links(pod)["eth0"]["address"],
        asked.get("mac", links(pod)["eth0"]["address"]),
        "MAC in the pod",
    )
    for address in asked.get("ips", []):
        assert address in addresses(result), f"{address} was asked for, not {addresses(result)}"
    if network.get("dns"):
        eq(result["dns"], network["dns"], "dns in the result")


def missing_address_is_seen(tool, network, pod):
    """CHECK must miss an address that was taken off the pod; DEL comes after all the same."""
    for address in pod.ips("eth0")[:1] if network.get("ipam") else []:
        pod.sh(f"ip addr del {address} dev eth0")
        assert (
            tool("check", pod, PORTS).returncode != 0
        ), f"CHECK does not see that {address} is gone"


def collect(w, tool, conflist, pod):
    """cnitool gc deletes all attachments in libcni's cache, then sends GC without the attachments
    key: an error by our decision (docs/decisions/003), since a wrong guess would cut off live pods.
    """
    done = tool("gc", pod, PORTS)
    if w.own and conflist["cniVersion"] == "1.1.0":
        said = done.stdout + done.stderr
        assert done.returncode != 0 and "valid-attachments" in said, f"GC without the key: {said}"
    else:
        eq(done.returncode, 0, f"exit of gc: {done.stderr}")


for _path, _conflist in examples():
    test(example_test(_path, _conflist))


@test
def the_examples_show_every_kind(w):
    texts = {path.name: path.read_text() for path, _ in examples()}
    for need, word in KINDS.items():
        assert any(
            word in text for text in texts.values()
        ), f"no example for {need} among {sorted(texts)}"


if __name__ == "__main__":
    run()
