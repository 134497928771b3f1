# SPDX-License-Identifier: GPL-2.0-or-later
"""bench/run works: every case ends well and tells its figures, and the floor that all is compared with
makes what our programs make. No time is asserted."""

import json
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("tests/lib", "tests/e2e", "bench")]
from world import Net, eq, main, test  # noqa: E402

from host import Floor, Pods  # noqa: E402
from variants import Variant, newest_go  # noqa: E402

TOOLS = Path(os.environ.get("PODWIRE_BUILD") or ROOT / "build/dev") / "bench"
KINDS = {"curve": {"chain", "memory"}, "node": {"chain", "memory", "extra"}, "bridges": {"chain", "memory", "extra"},
         "contention": {"contention"}, "counts": {"calls"}, "hostport": {"hostport"}, "firewall": {"firewall"},
         "nodes": {"nodes"}, "standing": {"standing"}, "datapath": {"datapath"}}
WHY_NOT = newest_go()[1]  # here, for in a world there is no network


def needs_go(name):
    return "-go-" in name and WHY_NOT is not None and os.environ.get("CNI_TEST_REQUIRE_ALL") != "1"


@test(timeout=280)
def every_case_tells_its_figures(w):
    run = [str(ROOT / "bench/run"), "--bin", w.bin, "--tools", TOOLS]
    names = w.sh([*run, "--quick", "--list"]).stdout.split()
    done = w.sh([*run, "--quick", "--pods", "12", "--out", w.tmp / "bench.json"], check=False, timeout=270)
    data = json.loads((w.tmp / "bench.json").read_text())
    failed = {n: c["error"][-900:] for n, c in data["cases"].items() if c["status"] != "ok" and not needs_go(n)}
    eq(failed, {}, f"failed cases; stderr: {done.stderr[-2000:]}")
    eq(list(data["cases"]), names, "cases")
    for name, case in data["cases"].items():
        kinds = {row["kind"] for row in case["rows"]}
        wanted = KINDS[name.split("-")[0]]
        assert needs_go(name) or wanted <= kinds, f"{name} told of {kinds}, not of {wanted}"
    if not any(needs_go(name) for name in names):
        eq(done.returncode, 0, done.stderr[-2000:])
        for heading in ("| Podwire |", "| Go 1.9.1, nftables |", "peak memory", "ADD in all", "through firewall, 3 pods"):
            assert heading in done.stdout, f"no {heading!r} in the table: {done.stdout}"
        for name in ("add", "del", "packets"):
            assert "<svg" in (w.tmp / f"bench-{name}.svg").read_text(), f"no picture bench-{name}.svg"


def links_of(w, pod, veth):
    """Both ends, as `ip` shows them, without what is each pod's own."""
    host = w.sh(f"ip -d addr show dev {veth}; bridge -d link show dev {veth}").stdout
    inside = pod.sh("ip -d addr show dev eth0; ip route; ip -6 route; cat /proc/sys/net/ipv4/conf/eth0/arp_filter"
                    " /proc/sys/net/ipv4/conf/eth0/arp_notify /proc/sys/net/ipv6/conf/eth0/accept_dad").stdout
    # What each pod has for itself, and what moves: names, numbers, addresses, timers.
    text = re.sub(r"(?m)^\d+: |_timer +[\d.]+", "", host + inside)
    for pattern in (r"veth\w+", r"fe80::[0-9a-f]+:[0-9a-f:]+", r"[0-9a-f:]{17}", r"10\.89\.(0\.2|200\.0)\b", r"@if\d+", r"link-netns(id)? \S+",
                    r"0x80\w\w", r"port_no \w+", r"designated_port \d+", r"alias podwire .*", r" (tentative|state \w+)"):
        text = re.sub(pattern, "*", text)
    return text


def elements(w, owner):
    """The elements whose comment is this owner: (map, the kind of what it maps to)."""
    found = []
    for item in json.loads(w.sh("nft -j list table inet podwire").stdout)["nftables"]:
        for element in item.get("map", {}).get("elem", []):
            text = json.dumps(element)
            if owner in text:
                found.append((item["map"]["name"], re.sub(r"[\d.]+|veth\w+|" + owner, "*", text)))
    return sorted(found)


def steady(w):
    """The node without its link-local addresses, which come when the kernel has waited for others'."""
    return "\n".join(line for line in w.snapshot().splitlines() if "fe80" not in line and "ff00::/8" not in line)


@test
def the_floor_makes_what_we_make(w):
    w.neighbour("client", v6=None)
    ours = Pods(TOOLS, Variant("podwire", w.bin), "full")
    floor = Floor(TOOLS, "full")
    mine, _ = ours.add()
    before = steady(w)
    theirs, _ = floor.add()
    pods = [Net(w, r["id"], r["netns"]) for r in (mine, theirs)]
    veth = next(i["name"] for i in mine["prevResult"]["interfaces"] if i["name"].startswith("veth"))
    eq(links_of(w, pods[1], "vethf0"), links_of(w, pods[0], veth), "links")
    eq(elements(w, "floor f0 eth0"), elements(w, "bench p0 eth0"), "elements")
    eq(Path("/var/lib/cni/networks/floor/10.89.200.0").read_bytes(), b"f0\r\neth0", "reservation")
    pods[1].serve(80, text="floor")
    eq(w.pods["client"].ask("192.0.2.1", 60000), "floor 192.0.2.2", "through the floor's host port")
    floor.delete(theirs)
    w.same(before, steady(w))


if __name__ == "__main__":
    main()
