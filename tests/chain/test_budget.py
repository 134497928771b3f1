#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a verb may cost: the size of each program as it ships, and its system calls, messages to netlink and
switches of namespace. A figure that has to rise is raised here, by the commit that needs it and says why."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from counts import read_counts, traced_folder  # noqa: E402
from world import eq, main, test, wait_for  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PLAIN = os.environ.get("PODWIRE_PLAIN_BIN") or str(ROOT / "build/dev/plain/bin")
MAX_BYTES = 200 * 1000
CHAIN = {"cniVersion": "1.1.0", "name": "budget", "plugins": [
    {"type": "bridge", "bridge": "br0", "isDefaultGateway": True, "ipMasq": True, "hairpinMode": True, "ipam": {
        "type": "host-local", "ranges": [[{"subnet": "10.77.0.0/16"}], [{"subnet": "fd77::/64"}]]}},
    {"type": "portmap", "capabilities": {"portMappings": True}},
    {"type": "firewall"},
    {"type": "tuning"},
    {"type": "bandwidth", "ingressRate": 20000000, "ingressBurst": 2000000}]}
NAMES = [p["type"] for p in CHAIN["plugins"]] + ["host-local"]
# (calls, messages to netlink, switches of namespace, programs started), dual stack, one host port. The calls of
# another C library may differ by a call or two (malloc's growth): `calls` is the most that may be, the others are exact.
BUDGET = {
    ("ADD", "bridge"): (218, 17, 2, 1),
    ("ADD", "host-local"): (78, 0, 0, 0),
    ("ADD", "portmap"): (180, 11, 0, 0),
    ("ADD", "firewall"): (188, 8, 0, 0),
    ("ADD", "tuning"): (29, 0, 0, 0),
    ("ADD", "bandwidth"): (73, 8, 2, 0),
    ("CHECK", "bridge"): (164, 14, 2, 1),
    ("CHECK", "host-local"): (40, 0, 0, 0),
    ("CHECK", "portmap"): (194, 9, 0, 0),
    ("CHECK", "firewall"): (141, 7, 0, 0),
    ("CHECK", "tuning"): (27, 0, 0, 0),
    ("CHECK", "bandwidth"): (68, 7, 2, 0),
    ("DEL", "bandwidth"): (48, 5, 0, 0),
    ("DEL", "tuning"): (28, 0, 0, 0),
    ("DEL", "firewall"): (118, 3, 0, 0),
    ("DEL", "portmap"): (157, 4, 0, 0),
    ("DEL", "bridge"): (204, 9, 0, 1),
    ("DEL", "host-local"): (68, 0, 0, 0),
}


def port(n):
    return {"portMappings": [{"hostPort": 10000 + n, "containerPort": 80, "protocol": "tcp"}]}


def cost(w, verb, n):
    pod = w.pods.get(f"p{n}") or w.pod(f"p{n}")
    w.chain(CHAIN, verb, pod, id=pod.name, caps=port(n), path=traced_folder(w, PLAIN, set(NAMES) - {"host-local"})).ok()
    return read_counts()


def plainly(w, verb, numbers):
    for n in numbers:
        pod = w.pods.get(f"p{n}") or w.pod(f"p{n}")
        w.chain(CHAIN, verb, pod, id=pod.name, caps=port(n), path=PLAIN).ok()


@test
def no_program_is_larger(w):
    for program in sorted(Path(PLAIN).iterdir()):
        stripped = Path("/run/world/stripped")
        subprocess.run(["strip", "-o", stripped, program], check=True, timeout=30)
        size = stripped.stat().st_size
        print(program.name, size)
        assert size <= MAX_BYTES, f"{program.name}: {size} bytes stripped, {MAX_BYTES} are allowed"


def too_much(key, one):
    """bridge's ADD asks for its port, a millisecond apart, until the kernel lets it take part (pkg/netlink/announce.c):
    each of those waits, with a question and two reads, is no cost of ours."""
    calls, sends, *rest = BUDGET[key]
    waits = one.waits if key == ("ADD", "bridge") else 0
    switches = 4 if key == ("CHECK", "portmap") else 0  # what else keeps a host port from working
    exact = [one.sends, one.setns, one.starts] == [sends + waits, *rest]
    return not exact or waits > 20 or one.calls > calls + 4 * waits or one.switches > switches


def within_budget(w, others):
    """One pod's verbs, with so many other pods on the node."""
    plainly(w, "ADD", range(others))
    wait_for(lambda: "tentative" not in w.sh("ip -6 addr show dev br0").stdout, "br0's addresses: an ADD waits for them")
    found = {(verb, name): one for verb in ("ADD", "CHECK", "DEL") for name, one in cost(w, verb, others).items()}
    eq(sorted(found), sorted(BUDGET), "who was started")
    eq({key: one for key, one in found.items() if too_much(key, one)}, {}, "not as the budget says")


@test
def no_verb_costs_more(w):
    within_budget(w, 1)


@test
def nor_with_fifty_pods(w):
    within_budget(w, 50)


# overlay's own ADD while all stands, with nodesFile; bridge and host-local cost what they cost anyway.
# By the number of nodes: of one peer, and of the most that are ever asked about.
OVERLAY_ADD = {2: (185, 9, 0, 1), 2000: (219, 9, 0, 1)}


def overlay_add(w, nodes):
    """With so many nodes."""
    list_file = Path("/run/world/nodes.json")
    list_file.write_text(json.dumps([{"name": f"n{n}", "publicIP": f"192.0.{2 + n // 250}.{1 + n % 250}",
                                      "subnet": f"10.{128 + n // 250}.{n % 250}.0/24"} for n in range(nodes)]))
    conf = {"cniVersion": "1.1.0", "name": "podnet", "plugins": [
        {"type": "overlay", "network": "10.128.0.0/9", "ipMasq": True, "nodesFile": str(list_file),
         "backend": {"type": "vxlan"}, "delegate": {"isDefaultGateway": True}}]}
    # A list that was changed a moment ago is not trusted.
    wait_for(lambda: time.time() - list_file.stat().st_ctime > 0.11, "a quiet file")
    w.chain(conf, "ADD", w.pod("first"), id="first", path=PLAIN).ok()
    w.chain(conf, "ADD", w.pod("second"), id="second", path=traced_folder(w, PLAIN, {"overlay"})).ok()
    return read_counts()["overlay"]


def overlay_within_budget(w, nodes):
    w.neighbour()
    one = overlay_add(w, nodes)
    print(nodes, one)
    calls, *rest = OVERLAY_ADD[nodes]
    eq(([one.sends, one.setns, one.starts], one.calls <= calls, one.switches), (rest, True, 0), one)


@test
def overlay_with_two_nodes(w):
    overlay_within_budget(w, 2)


@test
def overlay_with_two_thousand(w):
    overlay_within_budget(w, 2000)


if __name__ == "__main__":
    main()
