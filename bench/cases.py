# SPDX-License-Identifier: GPL-2.0-or-later
"""The cases of bench/run. Each runs in a world of its own and reports rows as it goes."""

import json
import os
import re
import select
import time
from collections import Counter
from pathlib import Path

from host import FLOOR_NETWORK, Driver, Floor, Pods, Reference, calm, reserve, spread
from variants import NETWORK

LEVELS = (1, 10, 50, 100, 250, 500, 1000)


class Case:
    """What a case gets: the options, the tools, and where rows go."""

    def __init__(self, options, tools, ours, rows):
        self.options, self.tools, self.ours, self.file = options, str(tools), ours, rows

    def row(self, **row):
        self.file.write(json.dumps(row) + "\n")
        self.file.flush()

    @property
    def rounds(self):
        return 3 if self.options.quick else 11

    @property
    def fine_rounds(self):
        """Where small differences count, and a round is short."""
        return 3 if self.options.quick else 41

    def calm(self):
        if not self.options.quick:
            calm()

    def levels(self, most=None):
        most = most or self.options.pods
        return sorted({n for n in LEVELS if n < most} | {most})

    def pods(self, variant, chain, **more):
        kind = Pods if variant is self.ours else Reference
        return kind(self.tools, variant, chain, **more)


def measure(case, groups, rounds, **key):
    """Rounds of ADD and DEL, the groups taking turns, as rows: the chain's time, the peak, and what
    ours takes beyond the floor."""
    samples = {name: {"ADD": [], "DEL": []} for name in groups}
    for _ in range(rounds):
        for name, pods in groups.items():
            for verb, answer in zip(("ADD", "DEL"), pods.round()):
                samples[name][verb].append(answer)
    for name, verbs in samples.items():
        for verb, answers in verbs.items():
            common = {"variant": name, "verb": verb, **key}
            parts = Counter()
            for answer in answers:
                parts.update({p["type"]: p["ns"] for p in answer["programs"]})
            case.row(kind="chain", **common, **spread([a["ns"] for a in answers]),
                     parts={program: total // rounds for program, total in parts.items()})
            case.row(kind="memory", **common, kib=max(p["rss"] for a in answers for p in a["programs"]),
                     driver=max(a["self"] for a in answers))
            if "floor" in groups and name != "floor":
                beyond = [a["ns"] - b["ns"] for a, b in zip(answers, samples["floor"][verb])]
                case.row(kind="extra", **common, **spread(beyond))


def curve(case, variant, chain):
    """ADD and DEL against the number of pods; beside ours the floor, in the same world."""
    def run(w):
        pods = case.pods(variant, chain)
        groups = {variant.name: pods}
        pods.round()
        if variant is case.ours:
            groups["floor"] = Floor(case.tools, chain)
            groups["floor"].round()
        for level in case.levels():
            pods.fill(level - 1)
            case.calm()
            ends = level in (1, case.options.pods) and "floor" in groups
            measure(case, groups, case.fine_rounds if ends else case.rounds, chain=chain, pods=level)
    return run


def beside(case, prepare, **key):
    """Ours and the floor on a node that was prepared, against the same on an empty one."""
    def run(w):
        pods = Pods(case.tools, case.ours, "nat")
        size = prepare(case, pods)
        pods.round()
        floor = Floor(case.tools, "nat")
        floor.round()
        measure(case, {case.ours.name: pods, "floor": floor}, case.fine_rounds, chain="nat", size=size, **key)
    return run


def nothing(case, pods):
    return 0


def reserved_addresses(case, pods):
    count = 300 if case.options.quick else 30000
    for network in (NETWORK, FLOOR_NETWORK):
        reserve(network, count)
    return count


def host_ports(case, pods):
    total, each = (500, 50) if case.options.quick else (5000, 250)
    pods.map_ports(total, each)
    return total


def five_bridges(case):
    def run(w):
        count = 5 * (4 if case.options.quick else 800)
        hosts = []
        for index in range(5):
            conf = case.ours.conflist("nat", f"{NETWORK}{index}", f"cni{index}", f"10.{90 + index}.0.0/16")
            hosts.append(Pods(case.tools, case.ours, "nat", conf))
            hosts[index].prefix = "p" + "abcde"[index]
            hosts[index].ports = lambda pod, at=index: range(10000 + 5000 * at + pod, 10001 + 5000 * at + pod)
            hosts[index].round()
        floor = Floor(case.tools, "nat", "cni4", "10.94.0.1", 16, (10 << 24) + (94 << 16) + (200 << 8))
        floor.round()
        groups = {case.ours.name: hosts[4], "floor": floor}
        measure(case, groups, case.fine_rounds, chain="nat", bridges=5, pods=1)
        for pods in hosts:
            pods.fill(count // 5 - 1)
        case.calm()
        measure(case, groups, case.fine_rounds, chain="nat", bridges=5, pods=count)
    return run


# ---- one pod's DEL against another's ADD

def race(adder, deleter, driver, delay):
    """The time of an ADD that begins `delay` seconds after another pod's DEL."""
    victim, _ = deleter.add()
    driver.send(verb="DEL", **victim)
    select.select([], [], [], delay)
    added, answer = adder.add()
    driver.receive()
    adder.delete(added)
    return answer["ns"]


def contention(case, variant, floor=False):
    def run(w):
        pods = case.pods(variant, "nat")
        pods.round()
        pods.fill(5 if case.options.quick else 50)
        deleter = pods
        if floor:
            pods = Floor(case.tools, "nat")
            pods.round()
            deleter = pods
        second = Driver(case.tools, deleter.variant.folder, deleter.conflist)
        rounds, alone, dels = 3 if case.options.quick else 22, [], []
        for _ in range(rounds):
            added, deleted = pods.round()
            alone.append(added["ns"])
            dels.append(deleted["ns"])
        whole = spread(dels)["median"] / 1e9
        during = [race(pods, deleter, second, whole * at / rounds) for at in range(rounds)]
        name = "floor" if floor else variant.name
        case.row(kind="contention", variant=name, alone=spread(alone), during=spread(during), worst=max(during))
    return run


# ---- what is asked of the kernel

NETLINK_SEND = re.compile(r"^(sendto|sendmsg|sendmmsg)\(\d+<NETLINK:")
NETLINK_RECEIVE = re.compile(r"^(recvmsg|recvfrom|recvmmsg|read)\(\d+<NETLINK:")


def count_calls(path):
    """One process's trace: which program it became, and what it called since."""
    name, calls = None, Counter()
    for line in path.read_text(errors="replace").splitlines():
        started = re.match(r'execve\("([^"]+)".* = 0$', line)
        if started:
            name, calls = os.path.basename(started.group(1)), Counter()
        call = re.match(r"(\w+)\(", line)
        if not call:
            continue
        calls["calls"] += 1
        calls["sends"] += bool(NETLINK_SEND.match(line))
        calls["receives"] += bool(NETLINK_RECEIVE.match(line))
        calls["setns"] += call.group(1) == "setns"
        calls["starts"] += call.group(1) in ("vfork", "fork") or call.group(1).startswith("clone") and "CLONE_THREAD" not in line
    return name, calls


def counts(case):
    def run(w):
        pods = Pods(case.tools, case.ours, "full")
        pods.round()
        floor = Floor(case.tools, "full")
        floor.round()
        for name, group in ((case.ours.name, pods), ("floor", floor)):
            folder = Path(f"/run/world/trace-{name}")
            folder.mkdir()
            request, _ = group.add(trace=f"{folder}/ADD")
            group.delete(request, trace=f"{folder}/DEL")
            for path in sorted(folder.iterdir(), key=lambda p: [int(x) for x in re.findall(r"\d+", p.name)]):
                program, calls = count_calls(path)
                if program:
                    case.row(kind="calls", variant=name, verb=path.name[:3], program=program, **calls)
    return run


# ---- packets

CLIENT, NODE = "192.0.2.2", "192.0.2.1"


class Wire:
    """A machine on the node's eth0, and what it sends through the node."""

    def __init__(self, case, w):
        self.case, self.w = case, w
        self.seconds, self.times = (1, 1) if case.options.quick else (2, 3)
        self.client = w.neighbour("client", v6=None)
        w.sh("echo 1 >/proc/sys/net/ipv4/ip_forward")

    def throughput(self, source, server, address, port, listen):
        """Bits a second of one TCP flow, by iperf3."""
        found = []
        for _ in range(self.times):
            process = server.bg(["iperf3", "-s", "-1", "-p", listen], stdout=-3, stderr=-3)
            listens(server, listen)
            said = source.json(["iperf3", "-J", "-c", address, "-p", port, "-t", self.seconds])
            found.append(said["end"]["sum_received"]["bits_per_second"])
            process.wait(10)
        return spread(found)

    def connections(self, source, server, address, port, listen):
        """New connections a second, one after the other."""
        process = server.bg([f"{self.case.tools}/connect", "serve", listen], stdout=-1)
        process.stdout.readline()
        found = []
        for _ in range(self.times):
            number, took = source.sh([f"{self.case.tools}/connect", address, port, self.seconds]).stdout.split()
            found.append(int(number) * 1e9 / int(took))
        self.w.stop(process)
        return spread(found)


def listens(net, port):
    deadline = time.monotonic() + 5
    while f":{port}" not in net.sh(["ss", "-Hltn", f"sport = {port}"]).stdout:
        if time.monotonic() > deadline:
            raise AssertionError(f"nobody listens on port {port}")


def packets(case, variant, what, levels, per_pod):
    """Both figures at each number of pods; the pod that is measured is the last one. The reference's other
    pods are their rules alone, so what maps our other host ports is few pods, too."""
    def run(w):
        wire = Wire(case, w)
        pods = case.pods(variant, "full" if what == "firewall" else "nat", ports=per_pod)
        for level in levels:
            if isinstance(pods, Reference):
                pods.fill_rules(level - 1)
            elif what == "hostport":
                pods.map_ports((level - 1) * per_pod - pods.mapped)
            else:
                pods.fill(level - 1)
            request, _ = pods.add()
            case.calm()
            pod = type(wire.client)(w, request["id"], request["netns"])
            if what == "firewall":
                ways = [(pod, wire.client, CLIENT, port, port) for port in (5201, 5202)]
            else:
                first = request["runtimeConfig"]["portMappings"][0]["hostPort"]
                ways = [(wire.client, pod, NODE, first + at, 80 + at) for at in (0, 1)]
            key = {"variant": variant.name, "pods": level, "mappings": level * per_pod}
            case.row(kind=what, figure="throughput", **key, **wire.throughput(*ways[0]))
            case.row(kind=what, figure="connections", **key, **wire.connections(*ways[1]))
            pods.delete(request)
    return run
