# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole chain, for a crowd of pods at once: every pod has both families, one host port, masquerade,
firewall, tuned attributes and limits. Many processes: the programs as they ship, if they were built."""

import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from world import eq, wait_for  # noqa: E402

HOST, HOST6, NODE2, NODE26 = "192.0.2.1", "2001:db8:0:1::1", "192.0.2.2", "2001:db8:0:1::2"
PORT = 20000
RATE = 1000000000
NETWORK = {"cniVersion": "1.1.0", "name": "crowd", "plugins": [
    {"type": "bridge", "bridge": "cni0", "isDefaultGateway": True, "ipMasq": True, "hairpinMode": True,
     "macspoofchk": True, "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.77.0.0/23"}], [{"subnet": "fd77::/64"}]]}},
    {"type": "portmap", "capabilities": {"portMappings": True}},
    {"type": "firewall"},
    {"type": "tuning", "sysctl": {"net.ipv4.conf.IFNAME.log_martians": "1"}, "mtu": 1400, "txQLen": 500},
    {"type": "bandwidth", "ingressRate": RATE, "ingressBurst": RATE, "egressRate": RATE, "egressBurst": RATE}]}


def settled(text):
    """Without what moves on by design: the round robin's memory and the folder's stamp."""
    return "\n".join(x for x in text.splitlines() if "last_reserved_ip" not in x and "/.podwire" not in x)


class Crowd:
    MISSING = " podwire is missing; the next ADD on this node brings it back"

    def __init__(self, w, n):
        w.bin = os.environ.get("PODWIRE_PLAIN_BIN") or w.bin
        self.w, self.node2 = w, w.neighbour()
        self.node2.serve(7000)
        self.pods = [w.pod(f"p{i}") for i in range(n)]
        self.ports = {f"p{i}": PORT + i for i in range(n)}
        self.call("ADD", self.pods[0]).ok()
        self.call("DEL", self.pods[0]).ok()
        for dev in ("cni0", "eth0"):
            wait_for(lambda dev=dev: "fe80" in w.sh(f"ip -6 addr show dev {dev} scope link -tentative").stdout, f"{dev}'s fe80::")
        self.empty = self.snapshot()
        self.rules = self.shared()

    def snapshot(self):
        return settled(self.w.snapshot(pods=self.pods[:3]))

    def caps(self, pod):
        return {"portMappings": [{"hostPort": self.ports[pod.name], "containerPort": 80, "protocol": "tcp"}]}

    def call(self, verb, pod, **more):
        return self.w.chain(NETWORK, verb, pod, id=pod.name, caps=self.caps(pod), **more)

    def at_once(self, *calls):
        """Run (verb, pod) all at once, and (verb, pod, more of chain()'s arguments); every one of them has
        to succeed. Their replies."""
        with ThreadPoolExecutor(len(calls)) as pool:
            return [r.ok() for r in pool.map(lambda c: self.call(*c[:2], **dict(*c[2:])), calls)]

    def check(self, pod):
        """CHECK by each program alone: the words of those that fail, by program."""
        replies = {}
        for plugin in NETWORK["plugins"]:
            conf = {**plugin, "name": "crowd", "cniVersion": "1.1.0", "prevResult": self.w.results[("crowd", pod.name, "eth0")],
                    "runtimeConfig": self.caps(pod)}
            reply = self.w.call(plugin["type"], "CHECK", conf, pod, id=pod.name)
            if reply.code != 0:
                replies[plugin["type"]] = reply.fails(103).msg
        return replies

    def shared(self):
        """Every line that serves all pods, as often as it is there: the ruleset without the elements."""
        text = re.sub(r"\n\t*elements = \{[^}]*\}", "", self.w.sh("nft -s list ruleset").stdout)
        return "\n".join(sorted(line for line in text.splitlines() if line.strip(" \t}")))

    def add(self, pods):
        self.at_once(*(("ADD", pod) for pod in pods))

    def delete(self, pods):
        self.at_once(*(("DEL", pod) for pod in pods))

    def turn(self, go, come):
        self.at_once(*[("DEL", pod) for pod in go], *[("ADD", pod) for pod in come])

    def running(self, pods, shared=True):
        """These pods run, and no other: nobody's address is another's, every shared rule is there once."""
        ips = [ip for pod in pods for ip in self.w.results[("crowd", pod.name, "eth0")]["ips"]]
        addresses = [ip["address"] for ip in ips]
        eq(len(set(addresses)), 2 * len(pods), f"addresses {sorted(addresses)}")
        if shared:
            eq(self.shared(), self.rules, "shared rules")
        listed = self.w.sh("nft list map inet podwire hostport4").stdout
        eq(sorted(re.findall(r"comment \"crowd (p\d+) ", listed)), sorted(p.name for p in pods), "host ports")

    def left(self, rebuilt=False):
        """No pod runs: the node is as it was after the first ADD and DEL. A table that was built anew may
        have its chains in another order."""
        before, after = self.empty, self.snapshot()
        if rebuilt:
            before, after = ("\n".join(sorted(x.splitlines())) for x in (before, after))
        self.w.same(before, after)

    def traffic(self, *pods):
        """A host port in both families with the client's address, and the way out."""
        for pod in pods:
            port = self.ports[pod.name]
            for host, other, out in ((HOST, NODE2, HOST), (HOST6, NODE26, HOST6)):
                eq(self.node2.ask(host, port), f"{pod.name} {other}", f"{pod.name}'s host port")
                eq(pod.ask(other, 7000), f"hello {out}", f"{pod.name}'s way out")
