# SPDX-License-Identifier: GPL-2.0-or-later
"""The host of one case: inside a world of tests/lib/world.py, chains run by bench/chain.c."""

import ipaddress
import json
import os
import select
import statistics
import subprocess
import time
from pathlib import Path

from variants import BITS, BRIDGE, GATEWAY, NETWORK, Pod, Rules, mappings

FLOOR_NETWORK = "floor"
RESERVED = Path("/var/lib/cni/networks")
FLOOR_FIRST = int(ipaddress.ip_address("10.89.200.0"))
FIRST_PORT = 10000
FIRST_MANY = 20000
# After a DEL, so that what it left to the kernel is not paid by the next one measured; contention has its own case.
PAUSE = 0.04


def spread(samples):
    """Median and quartiles, rounded to whole numbers."""
    low, middle, high = statistics.quantiles(samples, n=4, method="inclusive") if len(samples) > 1 else samples * 3
    return {"median": round(middle), "q1": round(low), "q3": round(high), "n": len(samples)}


class Driver:
    """One bench/chain process: a folder of programs and a list."""

    count = 0

    def __init__(self, tools, folder, conflist):
        Driver.count += 1
        path = Path(f"/run/world/{Driver.count}.conflist")
        path.write_text(json.dumps(conflist))
        self.process = subprocess.Popen([f"{tools}/chain", folder, str(path)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def send(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def receive(self):
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": "bench/chain died"}
        if "error" in answer:
            raise AssertionError(answer["error"])
        return answer

    def ask(self, **request):
        self.send(**request)
        return self.receive()

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


class Pods:
    """Attachments of one variant on this host: real ones, and for the reference made-up rules."""

    def __init__(self, tools, variant, chain, conflist=None, ports=1):
        self.tools, self.variant, self.chain, self.n_ports = tools, variant, chain, ports
        self.conflist = conflist or variant.conflist(chain)
        self.driver = Driver(tools, variant.folder, self.conflist)
        self.next = self.made = 0
        self.present = 0
        self.mapped = 0
        self.rules = None

    def netns(self, index):
        if index >= self.made:
            count = max(1, index - self.made + 1)
            os.makedirs("/run/netns", exist_ok=True)
            self.driver.ask(netns=self.prefix, first=self.made, count=count)
            self.made += count
        return f"/run/netns/{self.prefix}{index}"

    prefix = "p"

    def request(self, index):
        return {"id": f"{self.prefix}{index}", "netns": self.netns(index), "args": "",
                "runtimeConfig": {"portMappings": mappings(self.ports(index))}}

    def ports(self, index):
        first = FIRST_PORT + index * self.n_ports
        return range(first, first + self.n_ports)

    def add(self, **more):
        """Add the next pod; its request, with the result for DEL, and the answer."""
        request = self.request(self.next)
        self.next += 1
        answer = self.driver.ask(verb="ADD", **request, **more)
        request["prevResult"] = answer.get("result")
        return request, answer

    def delete(self, request, **more):
        return self.driver.ask(verb="DEL", **request, **more)

    def round(self):
        """One more pod comes and goes: both answers."""
        request, added = self.add()
        deleted = self.delete(request)
        select.select([], [], [], PAUSE)
        return added, deleted

    def fill(self, count):
        """So many pods are there, all of them really added."""
        while self.present < count:
            self.add()
            self.present += 1

    def map_ports(self, count, each=250):
        """So many host ports more are mapped, by as few pods as that needs."""
        while count > 0:
            number = min(each, count)
            mapped = range(FIRST_MANY + self.mapped, FIRST_MANY + self.mapped + number)
            self.driver.ask(verb="ADD", id=f"many{self.mapped}", netns=self.netns(self.next), args="",
                            runtimeConfig={"portMappings": mappings(mapped)})
            self.next += 1
            self.mapped += number
            count -= number

    def pod_of(self, request):
        ip = request["prevResult"]["ips"][0]["address"].split("/")[0]
        return Pod(request["id"], ip, [m["hostPort"] for m in request["runtimeConfig"]["portMappings"]])


class Floor(Pods):
    """Pods by bench/floor, on the bridge and the table that Podwire made, beside its pods."""

    prefix = "f"

    def __init__(self, tools, chain, bridge=BRIDGE, gateway=GATEWAY, bits=BITS, first=FLOOR_FIRST):
        self.bridge, self.gateway, self.bits, self.first = bridge, gateway, bits, first
        self.chained = chain == "full"
        conf = {"cniVersion": "1.0.0", "name": FLOOR_NETWORK, "plugins": [{"type": "floor"}]}
        variant = type("Tools", (), {"folder": str(tools)})
        super().__init__(tools, variant, chain, conf)
        (RESERVED / FLOOR_NETWORK).mkdir(parents=True, exist_ok=True)

    def request(self, index):
        ip = ipaddress.ip_address(self.first + index)
        args = {"BRIDGE": self.bridge, "NETWORK": FLOOR_NETWORK, "IP": ip, "BITS": self.bits, "GATEWAY": self.gateway,
                "PORT": 60000 + index, "CHAINED": int(self.chained), "ANNOUNCE": 1}
        return {"id": f"{self.prefix}{index}", "netns": self.netns(index),
                "args": ";".join(f"{key}={value}" for key, value in args.items())}


class Reference(Pods):
    """Pods of the Go plugins. Those that only have to be there get a real link, address and reservation
    from the Go bridge without ipMasq, and their rules from Rules: hundreds of milliseconds less a pod."""

    def __init__(self, tools, variant, chain, ports=1):
        super().__init__(tools, variant, chain, ports=ports)
        self.linker = Driver(tools, variant.folder, variant.links_only())

    def start(self):
        """Two real pods; the rules of the second prove those made up after the first."""
        first, second = self.pod_of(self.add()[0]), self.pod_of(self.add()[0])
        self.rules = Rules(first, self.variant.backend)
        self.rules.prove(second)
        self.present = 2

    def fill(self, count):
        if not self.rules and count > 1:
            self.start()
        pods = []
        for _ in range(count - self.present):
            request = self.request(self.next)
            self.next += 1
            request["prevResult"] = self.linker.ask(verb="ADD", **request)["result"]
            pods.append(self.pod_of(request))
        if pods:
            self.rules.load(pods)
            self.present = count

    def fill_rules(self, count):
        """Only the rules of so many pods: all that a packet meets of them."""
        if not self.rules:
            self.start()
        pods = []
        for index in range(self.present, count):
            ip = ipaddress.ip_address(int(ipaddress.ip_address("10.89.100.0")) + index)
            pods.append(Pod(f"r{index}", str(ip), self.ports(5000 // self.n_ports + index)))
        if pods:
            self.rules.load(pods)
            self.present = count


def reserve(network, count, first="10.89.0.2"):
    """So many addresses taken, in host-local's own format."""
    folder = RESERVED / network
    folder.mkdir(parents=True, exist_ok=True)
    start = int(ipaddress.ip_address(first))
    for index in range(count):
        (folder / str(ipaddress.ip_address(start + index))).write_bytes(f"reserved{index}\r\neth0".encode())
    (folder / "last_reserved_ip.0").write_text(str(ipaddress.ip_address(start + count - 1)))
    return folder


def calm(seconds=12):
    """Until the processors have little to do: new pods' IPv6 router solicitations, which every port of the
    bridge gets, go on for seconds after many were added."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        first = _processors()
        select.select([], [], [], 1)
        idle, total = (after - before for before, after in zip(first, _processors()))
        if idle > 0.9 * total:
            break


def _processors():
    """Ticks that all processors were idle, and all ticks."""
    ticks = [int(x) for x in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


__all__ = ["Driver", "Floor", "Pods", "Reference", "NETWORK", "calm", "reserve", "spread"]
