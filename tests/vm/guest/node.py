# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests in the guest share: configurations, a neighbour for the node, and what the kernel shows.

Worlds and pods come from tests/lib/world.py; `w` is the node of one test.
"""

import re
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TESTS / "lib"))

import world  # noqa: E402 (the path comes first)
from world import eq, main, wait_for  # noqa: E402

__all__ = ["eq", "main", "test", "wait_for"]

ACCESS = {"PVID", "Egress Untagged"}
UNSTEADY = r"fe80:|ff00::/8|valid_lft|/networks(/[^/ ]+)? |/(last_reserved_ip\.\d+|lock|\.podwire|stamp) "
NODE4, LAN4 = "192.0.2.1", "192.0.2.2"
NODE6, LAN6 = "2001:db8:0:1::1", "2001:db8:0:1::2"


def test(function):
    """A test with the time that an emulated machine may need."""
    return world.test(function, timeout=300)


def network(name, *subnets, **keys):
    """A bridge configuration; one host-local range per subnet, none: pure L2."""
    ipam = {}
    if subnets:
        ipam = {"type": "host-local", "ranges": [[{"subnet": subnet}] for subnet in subnets]}
    return {"cniVersion": "1.0.0", "name": name, "type": "bridge", "bridge": "cni0", "ipam": ipam, **keys}


def add(w, conf, pod, ident, **more):
    """ADD that must succeed; gives the result."""
    return w.call(conf["type"], "ADD", conf, pod, ident, **more).ok().json


def delete(w, conf, pod, ident, **more):
    w.call(conf["type"], "DEL", conf, pod, ident, **more).ok()


def check(w, conf, pod, ident, result):
    return w.call(conf["type"], "CHECK", {**conf, "prevResult": result}, pod, ident)


def refusal(reply, *words, code=None):
    """The reply must be an error whose text holds each of the words; gives the text."""
    reply.fails(code)
    text = f"{reply.msg} {reply.json.get('details', '')}"
    for word in words:
        assert word in text, f"no {word!r} in the error: {text}"
    return text


def host_end(result):
    """The host veth of a bridge result: cni0, veth, eth0 in this order."""
    return result["interfaces"][1]["name"]


def address(result, number=0):
    return result["ips"][number]["address"].split("/")[0]


def links(where):
    """{name: link} as `ip` shows it, in the node's namespace (w) or a pod's."""
    return {link["ifname"]: link for link in where.json("ip -d -j addr")}


def vlans(w):
    """{port: {VLAN: its flags}} as `bridge` shows it."""
    table = {}
    for port in w.json("bridge -j vlan show"):
        for entry in port.get("vlans", []):
            for number in range(entry["vlan"], entry.get("vlanEnd", entry["vlan"]) + 1):
                table.setdefault(port["ifname"], {})[number] = set(entry.get("flags", []))
    return table


def steady(w, *pods):
    """w.snapshot() without what the kernel changes by itself, and without host-local's folders, hint
    and lock, which stay as in the reference; addresses in use are seen."""
    return "\n".join(line for line in w.snapshot(pods=pods).splitlines()
                     if not re.search(UNSTEADY, line))


def chain_of(name, *subnets, bridge=None, portmap=None):
    """bridge with masquerade, host-local, portmap: what a node runs."""
    conf = network(name, *subnets, isDefaultGateway=True, ipMasq=True, **(bridge or {}))
    return {"cniVersion": "1.1.0", "name": name, "plugins": [
        conf, {"type": "portmap", "capabilities": {"portMappings": True}, **(portmap or {})}]}


def ports(*mappings):
    """Capability arguments from (host port, container port, protocol)."""
    return {"portMappings": [{"hostPort": host, "containerPort": port, "protocol": protocol}
                             for host, port, protocol in mappings]}


def up(w, conflist, ident, caps=None, **more):
    """A pod attached by the whole chain, answering on port 80 if it has host ports."""
    pod = w.pod(ident)
    pod.sh("ip link set lo up")
    pod.result = w.chain(conflist, "ADD", pod, ident, caps=caps, **more).ok()
    pod.v4, *v6 = pod.result.ips()
    pod.v6 = v6[0] if v6 else None
    if caps:
        for protocol in ("tcp", "udp"):
            pod.serve(80, protocol, ident)
    return pod


def down(w, conflist, pod, caps=None):
    w.chain(conflist, "DEL", pod, pod.name, caps=caps).ok()
    w.remove(pod)
