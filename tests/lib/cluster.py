# SPDX-License-Identifier: GPL-2.0-or-later
"""Two nodes with VXLAN between them as flannel makes it, pods on both, and a machine outside; by hand,
with ip and bridge, so that what is tested is only what a test itself puts on top.

The test's host is node 1. Both families. Names: node2, out, and the pods a, b (node 1) and c (node 2).
"""

import os
import subprocess

from world import eq

NET = {4: "10.244.0.0/16", 6: "fd00:244::/48"}
OUT = {4: "192.168.50.9", 6: "fd00:50::9"}
FAR = {4: "172.30.0.9", 6: "fd00:172::9"}  # behind `out`, which knows the way to the pods
FAMILIES = (4, 6)


def subnet(node, family):
    return f"10.244.{node}.0/24" if family == 4 else f"fd00:244:0:{node}::/64"


def vtep(node, family):
    """The address of a node in the tunnel: what other nodes see of the node itself."""
    return f"10.244.{node}.0" if family == 4 else f"fd00:244:0:{node}::"


def node_ip(node, family):
    return f"192.168.50.{node}" if family == 4 else f"fd00:50::{node}"


def pod_ip(node, number, family):
    return f"10.244.{node}.{number}" if family == 4 else f"fd00:244:0:{node}::{number}"


def mac(node, family):
    return f"0a:00:00:00:0{family}:0{node}"


def _vxlan(node, peer):
    """flannel.1 and flannel-v6.1 with one peer, the order and attributes of flannel's backend."""
    lines = []
    for family, dev in ((4, "flannel.1"), (6, "flannel-v6.1")):
        bits = 32 if family == 4 else 128
        lines += [
            f"ip link add {dev} address {mac(node, family)} type vxlan id 1 local {node_ip(node, family)}"
            " dev eth0 dstport 8472 nolearning",
            f"ip addr add {vtep(node, family)}/{bits} dev {dev}" + (" nodad" if family == 6 else ""),
            f"ip link set {dev} up",
            f"ip neigh replace {vtep(peer, family)} lladdr {mac(peer, family)} dev {dev} nud permanent",
            f"bridge fdb replace {mac(peer, family)} dev {dev} dst {node_ip(peer, family)} self permanent",
            f"ip -{family} route replace {subnet(peer, family)} via {vtep(peer, family)} dev {dev} onlink",
        ]
    return lines


def _pod(node, name, number):
    lines = [f"ip link add veth{name} type veth peer name eth0 netns {name}",
             f"ip link set veth{name} master cni0 up",
             f"ip -n {name} link set lo up; ip -n {name} link set eth0 up"]
    for family, bits in ((4, 24), (6, 64)):
        lines += [f"ip -n {name} addr add {pod_ip(node, number, family)}/{bits} dev eth0" + (" nodad" if family == 6 else ""),
                  f"ip -n {name} -{family} route add default via {pod_ip(node, 1, family)}"]
    return lines


def _node(node, peer, pods):
    lines = ["echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding",
             f"ip addr add {node_ip(node, 4)}/24 dev eth0; ip addr add {node_ip(node, 6)}/64 dev eth0 nodad",
             "ip link set lo up; ip link set eth0 up",
             "ip link add cni0 type bridge; ip link set cni0 up",
             f"ip addr add {pod_ip(node, 1, 4)}/24 dev cni0; ip addr add {pod_ip(node, 1, 6)}/64 dev cni0 nodad",
             f"ip route add default via {OUT[4]}; ip -6 route add default via {OUT[6]}"]
    lines += _vxlan(node, peer)
    for name, number in pods:
        lines += _pod(node, name, number)
    return "\n".join(["set -e", *lines])


class Cluster:
    def __init__(self, w):
        self.w = w
        self.lan, self.node2, self.out = (w.pod(name) for name in ("lan", "node2", "out"))
        self.a, self.b, self.c = (w.pod(name) for name in "abc")
        for net in (w, *w.pods.values()):
            net.sysctl("net.ipv6.conf.default.accept_dad", 0)  # else links are of no use for two seconds
        self.lan.sh("ip link add br0 type bridge mcast_snooping 0; ip link set br0 up")
        for net, port in ((w, "n1"), (self.node2, "n2"), (self.out, "o")):
            where = "" if net is w else f"netns {net.name}"
            self.w.sh(f"ip link add {port} netns lan type veth peer name eth0 {where};"
                      f" ip -n lan link set {port} master br0 up")
        w.sh(_node(1, 2, (("a", 2), ("b", 3))))
        self.node2.sh(_node(2, 1, (("c", 2),)))
        self.out.sh("ip link set lo up; ip link set eth0 up")
        for family, bits in ((4, 24), (6, 64)):
            self.out.sh(f"ip addr add {OUT[family]}/{bits} dev eth0 " + ("nodad" if family == 6 else "") + ";"
                        f"ip addr add {FAR[family]}/{32 if family == 4 else 128} dev lo;"
                        f"ip -{family} route add {NET[family]} via {node_ip(1, family)} src {OUT[family]}")
        self.out.serve(80, text="out")
        for net in (self.a, self.b, self.c):
            net.serve(80, text=net.name)


def rules(net, verb, *args, node=1, families=FAMILIES, check=True, **keys):
    """overlay_rules (tests/lib/overlay_rules.c) for node `node`; a CompletedProcess."""
    argv = [f"{os.environ['PODWIRE_BUILD']}/tests/overlay_rules", verb]
    for family in families:
        argv += [f"net={NET[family]}", f"own={subnet(node, family)}"]
    argv += [f"{key}={value}" for key, value in keys.items()]
    done = net.sh([*argv, *args], check=False)
    if done.returncode not in (0, 1) or (check and done.returncode != 0):
        raise AssertionError(f"overlay_rules {verb}: {done.returncode} {done.stdout}{done.stderr}")
    return done


def seen(client, address, who, want, **kw):
    """`client` asks; `who` answers and has seen the client as `want`."""
    answer = None
    for _ in range(2):  # a neighbour that has to be found first
        answer = answer or client.ask(address, 80 if "port" not in kw else kw["port"],
                                      **{k: v for k, v in kw.items() if k != "port"})
    eq(answer, f"{who} {want}", f"[{client.name}] {address} {kw}")


def ended(process):
    """Its output, after an end that is asked for."""
    process.terminate()
    try:
        return process.communicate(timeout=10)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]
