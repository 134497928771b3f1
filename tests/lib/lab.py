# SPDX-License-Identifier: GPL-2.0-or-later
"""A cluster of four nodes, for tests of the overlay and, by scripts/lab, for people.

    n1 ── n2 ── n3 ── router   192.168.50.0/24, fd50::/64: one L2, whose switch is the host of the world,
                      │  │     with a port (n1, n2, n3, router) for each
                      │  n4    192.168.51.0/24, fd51::/64
                      outside  203.0.113.10, 2001:db8:113::10; knows the nodes, and no pods

Every machine is one of tests/lib/machine.py. Node n2 has 10.244.2.0/24 and fd44:0:0:2::/64 for its pods,
whose names are p2a, p2b, …; each answers on port 80 with its name and the client that it sees.
"""

import json

from machine import Machine
from wire import pings_all
from world import wait_for

NETWORK4, NETWORK6 = "10.244.0.0/16", "fd44::/48"
OUTSIDE4, OUTSIDE6, OUTSIDE_PORT = "203.0.113.10", "2001:db8:113::10", 7000
VNI, PORT = 1, 8472
FILE = "/run/podnet.conflist"
MODES = {
    "vxlan": {"backend": {"type": "vxlan", "vni": VNI, "port": PORT}},
    "host-gw": {"backend": {"type": "host-gw"}},
    "ipip": {"backend": {"type": "ipip"}},
    "direct": {"backend": {"type": "vxlan", "vni": VNI, "port": PORT, "directRouting": True}},
    "ipip-direct": {"backend": {"type": "ipip", "directRouting": True}},
    "dual": {"backend": {"type": "vxlan", "vni": VNI, "port": PORT}, "dual": True},
    "host-gw-dual": {"backend": {"type": "host-gw"}, "dual": True},
}


class Node(Machine):
    """A node of the cluster. Number 4 is behind the router."""

    def __init__(self, number, pid=None):
        super().__init__(f"n{number}", pid)
        self.number = number
        net = 51 if number == 4 else 50
        self.v4, self.v6 = f"192.168.{net}.{number}", f"fd{net}::{number}"
        self.routers = f"192.168.{net}.254", f"fd{net}::fe"
        self.subnet4, self.subnet6 = f"10.244.{number}.0/24", f"fd44:0:0:{number}::/64"

    def entry(self, dual):
        v4 = {"name": self.name, "publicIP": self.v4, "subnet": self.subnet4}
        return {**v4, "publicIPv6": self.v6, "subnetV6": self.subnet6} if dual else v4

    def default_routes(self):
        for family, router in zip((4, 6), self.routers):
            self.sh(f"ip -{family} route replace default via {router}")


class Lab:
    """The machines and their wires. `mode` is one of MODES; `backend` has more keys for it, `keys` more for
    the plugin. Nothing of the overlay stands yet: that is what up() does."""

    def __init__(self, w, mode="vxlan", mtu=1500, nodes=4, backend=None, keys=None):
        self.w, self.mode, self.mtu = w, mode, mtu
        self.dual = MODES[mode].get("dual", False)
        self.backend = {**MODES[mode]["backend"], **(backend or {})}
        self.keys = keys or {}
        self.pods = {}
        self.foreign = {}  # nodes of others: {node: FlannelNode}
        w.sh("ip link add lan type bridge mcast_snooping 0; sysctl -qw net.ipv6.conf.all.disable_ipv6=1;"
             f"echo 0 | tee /proc/sys/net/bridge/bridge-nf-call-* >/dev/null || :; ip link set lan mtu {mtu} up")
        self.router, self.outside = Machine("router"), Machine("outside")
        self.nodes = {f"n{number}": Node(number) for number in range(1, nodes + 1)}
        self.machines = {**self.nodes, "router": self.router, "outside": self.outside}
        self.plug(self.router, "192.168.50.254/24", "fd50::fe/64")
        for machine, port, own, theirs in (
                (self.outside, "out", ("203.0.113.254/24", "2001:db8:113::fe/64"),
                 (f"{OUTSIDE4}/24", f"{OUTSIDE6}/64")),
                (self.nodes.get("n4"), "n4", ("192.168.51.254/24", "fd51::fe/64"), ("192.168.51.4/24", "fd51::4/64"))):
            if machine:
                self.wire(self.router, port, own, machine, "eth0", theirs)
        self.router.sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
        self.outside.sh("ip route add default via 203.0.113.254; ip -6 route add default via 2001:db8:113::fe")
        for node in self.nodes.values():
            if node.number != 4:
                self.plug(node, f"{node.v4}/24", f"{node.v6}/64")
            node.default_routes()
        for proto in ("tcp", "udp"):
            self.outside.serve(OUTSIDE_PORT, proto, "outside")
        self.settle()

    def settle(self):
        """New links take a moment: every node reaches every other, and the outside."""
        targets = [node.v4 for node in self.nodes.values()] + [OUTSIDE4]
        if self.dual:
            targets += [node.v6 for node in self.nodes.values()] + [OUTSIDE6]
        for node in self.nodes.values():
            wait_for(lambda: not pings_all(node, targets, seconds=1), f"{node.name}'s wires")  # noqa: B023

    # ---- wires

    def plug(self, machine, *addresses):
        """The machine's eth0, and the switch's port named like the machine."""
        self.wire(self.w, machine.name, (), machine, "eth0", addresses)
        self.w.sh(f"ip link set {machine.name} master lan")

    def wire(self, one, port, own, other, ifname, theirs):
        one.sh(f"ip link add {port} mtu {self.mtu} type veth peer name {ifname} mtu {self.mtu} netns {other.pid}")
        for machine, name, addresses in ((one, port, own), (other, ifname, theirs)):
            # Else a second goes by whenever a new link loses a question.
            machine.sh(f"sysctl -qw net.ipv6.conf.{name}.accept_dad=0 net.ipv6.neigh.{name}.retrans_time_ms=100;"
                       f"ip link set {name} up;" + "".join(
                f"ip addr add {a} dev {name} {'nodad' if ':' in a else ''};" for a in addresses))

    # ---- the overlay

    def ours(self):
        return [node for node in self.nodes.values() if node not in self.foreign]

    def entries(self):
        return [self.foreign[node].entry() if node in self.foreign else node.entry(self.dual)
                for node in self.nodes.values()]

    def conflist(self, entries=None):
        """The file that is the same on every node."""
        v6 = {"networkV6": NETWORK6} if self.dual else {}
        return {"cniVersion": "1.1.0", "name": "podnet", "plugins": [
            {"type": "overlay", "network": NETWORK4, **v6, "ipMasq": True, "backend": self.backend,
             "nodes": entries or self.entries(), "delegate": {"isDefaultGateway": True, "hairpinMode": True},
             **self.keys},
            {"type": "portmap", "capabilities": {"portMappings": True}}]}

    def write(self, entries=None, nodes=None):
        """The file onto every node of ours (or `nodes`)."""
        text = json.dumps(self.conflist(entries), indent=1) + "\n"
        for node in nodes or self.ours():
            node.write(FILE, text)

    def overlay(self, node, word, *more, check=True):
        """`overlay WORD FILE` on a node."""
        done = node.sh(["env", "-u", "CNI_COMMAND", f"CNI_PATH={node.bin}", f"{node.bin}/overlay", word, FILE, *more],
                       check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"overlay {word} on {node.name}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def up(self, pods="a"):
        """The overlay on every node, and on each a pod per letter; the first has host port 8080."""
        self.write()
        for node in self.ours():
            self.overlay(node, "apply")
        for node in self.ours():
            for letter in pods:
                self.add(node, f"p{node.number}{letter}", 8080 if letter == pods[0] else None)
        return self

    def conf_of(self, node):
        return json.loads(node.sh(["cat", FILE]).stdout)

    def add(self, node, name, port=None, conflist=None, path=None):
        """A pod by the whole list, and its servers; host port `port` leads to its port 80."""
        pod = node.pod(name)
        pod.sh("ip link set lo up")
        pod.caps = {"portMappings": [{"hostPort": port, "containerPort": 80, "protocol": proto}
                                     for proto in ("tcp", "udp")]} if port else None
        self.pods[name] = pod
        conflist = conflist or self.conf_of(node)
        self.found(pod, node.chain(conflist, "ADD", pod, name, caps=pod.caps, path=path).ok().ips())
        return pod

    def found(self, pod, addresses):
        pod.v4 = next((a for a in addresses if ":" not in a), None)
        pod.v6 = next((a for a in addresses if ":" in a), None)
        pod.addresses = addresses
        for proto in ("tcp", "udp"):
            pod.serve(80, proto, pod.name)

    def remove(self, pod):
        node = pod.machine
        node.chain(self.conf_of(node), "DEL", pod, pod.name, caps=pod.caps).ok()
        node.remove(pod)
        del self.pods[pod.name]

    def pods_on(self, *numbers):
        return [pod for pod in self.pods.values() if pod.machine.number in numbers]
