# SPDX-License-Identifier: GPL-2.0-or-later
"""A node's very first ADD, killed at each of its steps, when bridge, tables, rules and folders are half made. The DEL
leaves nothing of the pod, the next ADD finishes what is the node's, and after its DEL there is what a first ADD and
DEL leave that nobody killed (docs/decisions/004)."""

import itertools
import re
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from nodestate import NodeState  # noqa: E402
from trials import BRIDGE, CHAIN, CHAINED, PLAIN, PORTS, STOPAT, one_each  # noqa: E402
from world import eq, main  # noqa: E402


def empty(w):
    w.sh("ip link del br0 2>/dev/null; nft flush ruleset; echo 0 >/proc/sys/net/ipv4/ip_forward;"
         "echo 0 >/proc/sys/net/ipv6/conf/all/forwarding")
    for folder in ("/run/podwire", "/var/lib/cni/networks"):
        shutil.rmtree(folder, ignore_errors=True)
    w.results.clear()


def node(w):
    """What there is, whoever made it in which order: MAC, numbers and handles are another each time."""
    shown = w.sh("nft -s list ruleset; ip -br link | grep -v '^lo'; ip -4 -br addr show dev br0; ip -6 -br addr show dev br0;"
                 "cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding"
                 " /proc/sys/net/ipv4/conf/br0/route_localnet", check=False).stdout
    shown = re.sub(r"(..:){5}..|fe80\S*|\b(UP|DOWN|UNKNOWN|LOWERLAYERDOWN|NO-CARRIER,|,LOWER_UP)\b| +", " ", shown)
    files = w.files("/run/podwire") + "\n" + w.files("/var/lib/cni/networks")
    return "\n".join(sorted(x.strip() for x in shown.splitlines()) + [
        x for x in files.splitlines() if "last_reserved_ip" not in x and "stamp" not in x])


def of_the_pod(state):
    return [k for k, v in state.take().items() if re.search(r"trial c1 eth0|container c1|c1\\r\\neth0|veth", repr(v))]


def first(w, plugin):
    w.bin = PLAIN
    pod, state = w.pod("a"), NodeState()
    plugins = [BRIDGE, *(p for p in CHAINED if p["type"] == plugin)]

    def run(verb, under=None):
        return w.chain({**CHAIN, "plugins": plugins}, verb, pod, caps=PORTS, under=under)

    run("ADD").ok()
    eq([bool(of_the_pod(state)), pod.pings("10.66.0.1")], [True, True], "a pod leaves traces and has a network")
    run("DEL").ok()
    usual = node(w)
    for k in itertools.count(1):
        empty(w)
        r = run("ADD", {plugin: [STOPAT, "step", k]})
        hit = "stopat: killed" in r.err
        eq(r.code != 0, hit, repr(r))
        what = f"the first ADD, {plugin} {r.err.strip()}"
        run("DEL").ok()
        eq(of_the_pod(state), [], f"left by DEL after {what}")
        run("ADD").ok()
        run("DEL").ok()
        eq(node(w), usual, f"ADD and DEL after {what}")
        if not hit:
            eq(k > 10, True, f"{k - 1} steps")
            break
    run("ADD").ok()
    eq([pod.pings(x) for x in ("10.66.0.1", "fd66::1")], [True, True], "the pod at the end")


one_each(["bridge", "portmap", "firewall"], first)

if __name__ == "__main__":
    main()
