# SPDX-License-Identifier: GPL-2.0-or-later
"""The cluster's file changes and every node applies it, while streams between pods run on: those of nodes
that nothing happens to lose no packet, and no TCP connection breaks."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from crossing import Underlay, all_pairs  # noqa: E402
from lab import Lab  # noqa: E402
from wire import Stream  # noqa: E402
from world import eq, main, test  # noqa: E402


class Cluster:
    """Three nodes or four with a pod each, and streams between n1 and n2 in both directions."""

    def __init__(self, w, mode, without=()):
        self.lab = Lab(w, mode)
        self.entries = {e["name"]: e for e in self.lab.entries()}
        self.absent = {name: self.lab.nodes.pop(name) for name in without}
        self.lab.up()
        p1, p2, p3 = (self.lab.pods[f"p{n}a"] for n in (1, 2, 3))
        self.steady = [Stream(a, b, address) for a, b in ((p1, p2), (p2, p1)) for address in b.addresses]
        self.touched = [Stream(p1, p3, p3.v4), Stream(p3, p2, p2.v4)]

    def apply(self):
        """The file as self.entries has it, onto all nodes and into effect, one after the other."""
        self.lab.write([e for e in self.entries.values() if e["name"] not in self.absent])
        for node in self.lab.nodes.values():
            self.lab.overlay(node, "apply")

    def come(self, name):
        self.lab.nodes[name] = self.absent.pop(name)
        self.apply()
        self.lab.add(self.lab.nodes[name], f"p{name[1]}a")

    def leave(self, name):
        self.absent[name] = self.lab.nodes.pop(name)
        for pod in self.lab.pods_on(self.absent[name].number):
            del self.lab.pods[pod.name]
        self.apply()

    def still(self, *, touched=False):
        """All streams go on; but for the touched ones, with every datagram so far."""
        for stream in (*self.steady, *self.touched):
            stream.fresh()
        all_pairs(self.lab, bulk=False)
        for stream in self.steady:
            eq(stream.end()["lost"], [], f"datagrams lost, {stream.name}")
        for stream in self.touched:
            lost = stream.end()["lost"]
            eq([] if touched else lost, [], f"datagrams lost, {stream.name}")


def traces(node, *words):
    """What a node still shows of an address, a subnet or a MAC."""
    text = node.sh("ip -d addr; ip route show table all; ip -6 route show table all; ip nexthop; ip neigh; bridge fdb;"
                   "nft list ruleset").stdout
    return [line.strip() for line in text.splitlines() if any(word in line for word in words)]


def of_modes(*modes):
    def mark(function):
        for mode in modes:
            def run(w, mode=mode):
                function(w, mode)
            run.__name__ = f"{function.__name__}_{mode.replace('-', '_')}"
            test(run, timeout=100)
        return function
    return mark


@of_modes("vxlan", "direct", "dual")
def node_added_and_removed(w, mode):
    cluster = Cluster(w, mode, without=("n4",))
    cluster.come("n4")
    all_pairs(cluster.lab, bulk=False)
    gone = cluster.lab.nodes["n4"]
    cluster.leave("n4")
    for node in cluster.lab.nodes.values():
        eq(traces(node, gone.v4, gone.v6, gone.subnet4.split("/")[0], gone.subnet6.split("::")[0] + "::"), [],
           f"what {node.name} keeps of n4")
    cluster.still()


@of_modes("vxlan", "host-gw", "dual")
def node_readdressed(w, mode):
    cluster = Cluster(w, mode)
    n3 = cluster.lab.nodes["n3"]
    old = n3.v4
    n3.v4 = cluster.entries["n3"]["publicIP"] = "192.168.50.33"
    n3.sh(f"ip addr add {n3.v4}/24 dev eth0; ip addr del {old}/24 dev eth0; ip addr show dev eth0 | grep {n3.v4} ||"
          f" ip addr add {n3.v4}/24 dev eth0")
    n3.default_routes()
    cluster.apply()
    for node in cluster.lab.nodes.values():
        # Not the neighbours that eth0 itself has looked for.
        eq([line for line in traces(node, f"{old} ") if not line.startswith(f"{old} dev eth0 ")], [], f"what {node.name} keeps of n3")
    cluster.still(touched=True)


@of_modes("vxlan", "dual")
def vtep_replaced(w, mode):
    """Its device is made anew, and the list gives it another MAC."""
    cluster = Cluster(w, mode)
    n3 = cluster.lab.nodes["n3"]
    old = [link["address"] for link in n3.json("ip -j link show type vxlan")]
    n3.sh("ip link del flannel.1")
    cluster.entries["n3"]["vtepMAC"] = "02:00:00:00:be:03"
    if cluster.lab.dual:
        cluster.entries["n3"]["vtepMACV6"] = "02:00:00:00:be:63"
    cluster.apply()
    eq(n3.json("ip -j link show flannel.1")[0]["address"], "02:00:00:00:be:03", "MAC of n3")
    for node in cluster.lab.nodes.values():
        eq(traces(node, *old), [], f"what {node.name} keeps of n3's MAC")
    cluster.still(touched=True)


@of_modes("vxlan", "dual")
def direct_routing_comes_and_goes(w, mode):
    """Two routes take turns at the same destination."""
    cluster = Cluster(w, mode)
    for direct in (True, False):
        cluster.lab.backend["directRouting"] = direct
        cluster.apply()
        with Underlay(cluster.lab) as underlay:
            all_pairs(cluster.lab, bulk=False)
        underlay.check()
    cluster.still()


if __name__ == "__main__":
    main()
