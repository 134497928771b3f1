# SPDX-License-Identifier: GPL-2.0-or-later
"""One attachment, tried again and again with one of its system calls going wrong: what the tests of kills
and of failing calls share.

A Subject is what is tried: a program by itself behind a bridge that stays, or a whole chain. Its node has
a second pod, which must live through all of it.
"""

import itertools
import os
import re
from pathlib import Path

from nodestate import NodeState
from world import eq, test, wait_for

BUILD = Path(os.environ.get("PODWIRE_BUILD") or Path(__file__).resolve().parents[2] / "build/dev")
STOPAT = BUILD / "tests/stopat"
PLAIN = os.environ.get("PODWIRE_PLAIN_BIN") or str(BUILD / "plain/bin")
IPAM = {"type": "host-local", "ranges": [[{"subnet": "10.66.0.0/24"}], [{"subnet": "fd66::/64"}]]}
BRIDGE = {"type": "bridge", "bridge": "br0", "isDefaultGateway": True, "ipMasq": True, "macspoofchk": True,
          "hairpinMode": True, "ipam": IPAM}
CHAINED = [
    {"type": "portmap", "capabilities": {"portMappings": True}},
    {"type": "firewall", "ingressPolicy": "same-bridge"},
    {"type": "tuning", "mtu": 1400, "mtuBothEnds": True, "promisc": True, "allmulti": True, "txQLen": 7,
     "mac": "02:00:00:00:66:01",
     "sysctl": {"net.ipv4.conf.IFNAME.log_martians": "1", "net.core.somaxconn": "500"}},
    {"type": "bandwidth", "ingressRate": 8000000, "ingressBurst": 800000, "egressRate": 8000000, "egressBurst": 800000},
]
LIVING = [BRIDGE, *({k: v for k, v in p.items() if k != "mac"} for p in CHAINED)]
CHAIN = {"cniVersion": "1.1.0", "name": "trial", "plugins": [BRIDGE, *CHAINED]}
PORTS = {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
                          {"hostPort": 8080, "containerPort": 80, "protocol": "udp"}]}
LIVING_PORT = {"portMappings": [{"hostPort": 9090, "containerPort": 80, "protocol": "tcp"}]}
SWITCHES = ["net/core/somaxconn"]


class Subject:
    """`plugins` of a list named like CHAIN; `base`, if any, is a list that is added before and stays. With
    gc=True the attachment is one that only GC takes away: what is in its namespace does not count."""

    def __init__(self, w, plugins, base=None, gc=False, ifname="eth0"):
        w.bin = PLAIN
        self.w, self.plugins, self.ifname, self.prev = w, plugins, ifname, None
        self.alive, self.pod = w.pod("alive"), w.pod("a")
        w.chain({**CHAIN, "plugins": LIVING}, "ADD", self.alive, id="alive", caps=LIVING_PORT).ok()
        self.alive.serve(80)
        if base:
            self.prev = w.chain({**CHAIN, "plugins": base}, "ADD", self.pod).ok().json
        self.after = ("DEL", "GC") if gc else ("DEL",)
        for verb in ("ADD", *self.after):  # what stays for good (docs/decisions/004)
            self.run(verb).ok()
        self.state = NodeState([self.alive] if gc else [self.alive, self.pod], SWITCHES)
        # The bridge's own link-local address goes through its detection.
        wait_for(lambda: "tentative" not in w.sh("ip -6 addr show dev br0").stdout, "br0's addresses")
        self.before = self.state.take()

    def run(self, verb, under=None, prev=True, path=None):
        """The whole list (prev False: without prevResult, as after an ADD that never returned)."""
        given = {"prevResult": self.prev} if self.prev and (prev or verb == "ADD") else {}
        if not prev:
            self.w.results.clear()
        return self.w.chain({**CHAIN, "plugins": [{**p, **given} for p in self.plugins]}, verb, self.pod, caps=PORTS,
                            ifname=self.ifname, under=under, path=path, valid=[("alive", "eth0")])

    def same(self, what):
        self.state.same(self.before, what)

    def left(self):
        """What is not as it was, but hints, which the next who comes mends (docs/decisions/009)."""
        return [x for x in self.state.changed(self.before) if "/.podwire/" not in x]

    def unharmed(self):
        """The other pod, and one more of the subject."""
        self.run("ADD").ok()
        eq([self.alive.pings(x) for x in ("10.66.0.1", "fd66::1")], [True, True], "the other pod")
        eq([self.w.ask(x, 9090) is not None for x in ("10.66.0.1", "fd66::1")], [True, True], "its host port")
        for verb in self.after:
            self.run(verb).ok()
        self.same("at the end")


class HostLocal(Subject):
    """The program by itself, as bridge would call it."""

    def run(self, verb, under=None, prev=True):
        conf = {**CHAIN, **BRIDGE, "cni.dev/valid-attachments": [{"containerID": "alive", "ifname": "eth0"}]}
        return self.w.call("host-local", verb, conf, self.pod, under=(under or {}).get("host-local", ()))


def killed(subject, plugin, verb, how="kill", after=("DEL",)):
    """SIGKILL at every system call of one verb of one program (how "tree": with all its processes; "step": only at
    those that may change something); then, by the verbs `after`, the node is as it was."""
    for k in itertools.count(1):
        if verb == "DEL":
            subject.run("ADD").ok()
        r = subject.run(verb, {plugin: [STOPAT, how, k]})
        hit = "\nstopat: killed" in "\n" + r.err
        eq(r.code != 0, hit, f"{plugin} {verb}, to be killed at {k}: {r!r}")
        what = f"{plugin} {verb}, {r.err.strip().splitlines()[-1] if hit else 'to its end'}, then {' '.join(after)}"
        for again in after:
            # A runtime has no result of an ADD that was killed, and keeps one until a DEL is done.
            r = subject.run(again, prev=verb == "DEL" or again != "DEL" or not hit)
            eq(r.code, 0, f"{what}: {r!r}")
        subject.same(what)
        if not hit:
            eq(k > (10 if how == "step" else 50), True, f"{what}: {k - 1} calls")
            return


def failing_add(subject, plugin):
    """Every call of ADD that may fail fails once: an ADD that fails has undone itself completely."""
    for k in itertools.count(1):
        r = subject.run("ADD", {plugin: [STOPAT, "fail", k]})
        hit = "stopat: failed" in r.err
        what = f"{plugin} ADD, {r.err.strip()}: {r.out.strip()}"
        if r.code == 0:
            subject.run("DEL").ok()
        else:
            eq((r.code, hit, bool(r.msg)), (1, True, True), what)
        subject.same(what)
        if not hit:
            eq(k > 10, True, f"{what}: {k - 1} calls")
            return


def failing_del(subject, plugin, parts, stays="nothing"):
    """The same of DEL. One that succeeds leaves nothing (on the host: a pod's namespace goes with the pod, and but
    for `stays`), one that fails leaves one of `parts` (patterns) at most, and the next finishes it."""
    for k in itertools.count(1):
        subject.run("ADD").ok()
        r = subject.run("DEL", {plugin: [STOPAT, "fail", k]})
        hit = "stopat: failed" in r.err or any("stopat: failed" in step.err for step in r.steps)
        what = f"{plugin} DEL, {r.err.strip()}: {r.out.strip()}"
        left = subject.left()
        if r.code == 0:
            eq([x for x in left if not x.startswith("a ") and not re.search(stays, x)], [], what)
        elif "network configuration on stdin" not in r.msg:
            some = [part for part in parts if any(re.search(part, x) for x in left)]
            eq((r.code, hit, bool(r.msg), len(some) <= 1), (1, True, True, True), f"{what}: left {left}")
        subject.run("DEL").ok()
        subject.same(what)
        if not hit:
            eq(k > 10, True, f"{what}: {k - 1} calls")
            return


def one_each(plugins, trial, timeout=200):
    """A test of each plugin's name: trial(w, plugin)."""
    for plugin in plugins:
        def run(w, plugin=plugin):
            trial(w, plugin)
        run.__name__ = plugin
        test(timeout=timeout)(run)


def each_of_the_chain(verb, how="kill", tree=False, **more):
    """A test for each program of the chain: killed at every call of `verb`; with `tree` bridge also with its delegate."""
    def trial(w, plugin, way=how):
        subject = Subject(w, [BRIDGE, *CHAINED], gc="after" in more)
        killed(subject, plugin, verb, way, **more)
        subject.unharmed()

    def bridge_and_host_local(w):
        trial(w, "bridge", "tree")

    one_each(["bridge", *(p["type"] for p in CHAINED)], trial)
    if tree:
        test(timeout=200)(bridge_and_host_local)
