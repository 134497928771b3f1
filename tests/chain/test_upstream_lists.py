# SPDX-License-Identifier: GPL-2.0-or-later
"""What the Go plugins leak after a crash, a reboot or an odd DEL, and where two of their calls race, as a
list: each entry that concerns our programs names the test that holds it. Those named "here" are below.

Leaks
  bridge: namespace "" or gone, masq and MAC rules stay   netns/test_bridge: del_without_namespace_or_prev_result
  bridge: a failure behind the veth leaves veth and masq  chain/test_faults: bridge
  bridge: BRIDGE.VLAN and the bridge stay                 docs/decisions/004: they are the node's
  all: the namespace's path is a plain file by now        here: a_path_that_is_no_namespace
  portmap: DEL without portMappings does nothing          netns/test_portmap: del_needs_no_runtime_config
  portmap: only the backend in use is cleaned             e2e/test_takeover_nat
  portmap: no rollback between the families               chain/test_faults: portmap (one transaction)
  firewall: DEL without prevResult removes nothing        netns/test_firewall: del_needs_nothing
  firewall: ingress chains stay for good                  netns/test_firewall: policies_are_shared_and_collected
  tuning: the backup stays when the namespace is gone     netns/test_tuning: the_namespace_is_gone
  tuning: switches are never put back                     netns/test_tuning: everything_at_once
  tuning: the folder's mode is 0600                       netns/test_tuning: the_backup_file_is_the_references
  bandwidth: the ifb stays without the same names at DEL  netns/test_bandwidth: del_needs_nothing, gc_keeps_the_living
  bandwidth: a failed ADD is not undone                   chain/test_faults: bandwidth
  bandwidth: the ifb's name ignores the interface         netns/test_bandwidth: two_interfaces_in_one_network
  host-local: an empty file that no DEL matches           netns/test_host_local_faults: damaged_folder
  host-local: last_reserved cannot be written, IP taken   netns/test_host_local_faults: refused_at_every_change_of_add
  host-local: state outlives a reboot, ranges fill up     chain/test_reboot: a_full_range_of_dead_pods
  nobody has a GC                                         gc_* in every netns/test_NAME

Races
  check, then insert: duplicates of shared rules          chain/test_load: twenty_rounds
  two pods make the bridge, its address and MAC           here: the_first_pods_of_a_node
  another's address seen half made on a shared bridge     here: two_networks_on_one_bridge
  BRIDGE.VLAN made twice, "already exists"                here: the_first_pods_of_a_vlan
  host-local: a lock per range set, not per ADD           chain/test_load: twenty_rounds (two sets each)
  host-local: a requested address from a random order     netns/test_host_local: requested_addresses
  host-local: two ADDs of one container                   here: one_container_twice_at_once
  portmap: the last writer's conditions win               netns/test_portmap: conditions_of_the_multus_file
  udevd gives the pair and the bridge other MACs          netns/test_bridge: macs_of_the_pair_are_set_not_random
"""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from crowd import NETWORK, Crowd, eq
from world import main, test

ROOT = Path(__file__).resolve().parents[2]


@test
def every_entry_has_its_tests(w):
    """What the list names is there: a function, or the plugin that a file makes a test for."""
    entries = re.findall(r"^  \w.*  (\w+/test_\w+|here)(?:: (.*))?$", __doc__, re.M)
    assert len(entries) > 20, entries
    for place, names in entries:
        text = (Path(__file__) if place == "here" else ROOT / f"tests/{place}.py").read_text()
        for name in re.findall(r"\w+", re.sub(r"\(.*?\)", "", names)):
            assert re.search(rf"\ndef {name}\(|one_each\(\[.*\"{name}\"", text), f"no test {name} in {place}"


@test
def a_path_that_is_no_namespace(w):
    """The mount on it went, and the empty file below it stayed: DEL has nothing to do in there."""
    crowd = Crowd(w, 4)
    pods = crowd.pods
    crowd.add(pods)
    for pod in pods:
        w.sh(f"umount {pod.path}")
        eq(Path(pod.path).read_bytes(), b"", "what stays")
    for pod in pods[:3]:
        crowd.call("DEL", pod).ok()
    w.sh(f"rm {pods[3].path}")
    crowd.call("DEL", pods[3]).ok()
    eq(w.json("ip -j link show type ifb"), [], "ifbs")
    eq([x["ifname"] for x in w.json("ip -j link show type veth")], ["eth0"], "veths")
    eq("crowd p" in w.sh("nft list ruleset").stdout, False, "elements")
    eq([f.name for f in Path("/var/lib/cni/networks/crowd").iterdir() if f.name[0] in "1f"], [], "addresses")


def at_once(w, conf, pods, *others):
    """One ADD for each pod, by `conf` and the `others` in turn."""
    confs = (conf, *others)
    with ThreadPoolExecutor(len(pods)) as pool:
        return list(pool.map(lambda i: w.call("bridge", "ADD", confs[i % len(confs)], pods[i], id=pods[i].name), range(len(pods))))


@test
def the_first_pods_of_a_node(w):
    """16 at once, and nothing is there yet: one bridge, each gateway address once, a MAC that all are told."""
    pods = [w.pod(f"f{i}") for i in range(16)]
    conf = {**NETWORK["plugins"][0], "name": "first", "cniVersion": "1.1.0", "bridge": "br5"}
    results = [r.ok().json for r in at_once(w, conf, pods)]
    eq(sorted(w.sh("ip -br addr show dev br5").stdout.split()[2:4]), ["10.77.0.1/23", "fd77::1/64"], "gateways")
    mac = w.json("ip -j link show br5")[0]["address"]
    eq({r["interfaces"][0]["mac"] for r in results}, {mac}, "the bridge's MAC in every result")
    eq(len({ip["address"] for r in results for ip in r["ips"]}), 32, "addresses")
    eq([pod.pings("10.77.0.1") for pod in pods[::5]], [True] * 4, "pods at their gateway")


@test
def two_networks_on_one_bridge(w):
    """Two subnets, and neither is there yet: whose address came first stays, and the others' pods are refused;
    with forceAddress the last one's. Never both."""
    for turn in range(12):
        bridge, force = f"br{turn}", turn % 2 == 1
        confs = [{"cniVersion": "1.1.0", "name": f"net{n}", "type": "bridge", "bridge": bridge, "isGateway": True,
                  "forceAddress": force, "ipam": {"type": "host-local", "subnet": f"10.9{n}.0.0/24"}} for n in (0, 1)]
        replies = at_once(w, confs[0], [w.pod(f"{bridge}-{i}") for i in range(6)], confs[1])
        [address] = w.ips(bridge, 4)
        for i, reply in enumerate(replies):
            if force or address == f"10.9{i % 2}.0.1/24":
                reply.ok()
            else:
                reply.fails(101, f"already has an IP address different from 10.9{i % 2}.0.1/24, namely {address}")


@test(needs=("vlan_filtering", "vlan"))
def the_first_pods_of_a_vlan(w):
    pods = [w.pod(f"f{i}") for i in range(6)]
    conf = {"cniVersion": "1.1.0", "name": "first", "type": "bridge", "bridge": "br5", "vlan": 7, "isGateway": True,
            "ipam": {"type": "host-local", "subnet": "10.97.0.0/24"}}
    for reply in at_once(w, conf, pods):
        reply.ok()
    eq(len([x for x in w.json("ip -j link") if x["ifname"].startswith("br5.7")]), 1, "gateways of the VLAN")
    eq([pod.pings("10.97.0.1", seconds=10) for pod in pods], [True] * 6, "pods at their gateway")


@test
def one_container_twice_at_once(w):
    """A runtime that lost its answer tries again while the first try still runs: one of them is it."""
    pod = w.pod("a")
    conf = {"cniVersion": "1.1.0", "name": "twice", "type": "bridge", "bridge": "br5", "isGateway": True, "ipMasq": True,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.97.0.0/24"}], [{"subnet": "fd97::/64"}]]}}
    folder = Path("/var/lib/cni/networks/twice")
    for _ in range(8):
        replies = at_once(w, conf, [pod, pod, pod])
        won = [r for r in replies if r.code == 0]
        assert len(won) == 1, [r.msg for r in replies]
        eq(sorted(f.name for f in folder.iterdir() if f.name[0] in "1f"), sorted(won[0].ips()), "reservations")
        eq(sorted(x.split("/")[0] for x in pod.ips("eth0")), sorted(won[0].ips()), "the pod's addresses")
        eq(pod.pings("10.97.0.1"), True, "the way out")
        w.call("bridge", "DEL", conf, pod, id="a").ok()
        eq([f.name for f in folder.iterdir() if f.name[0] in "1f"], [], "reservations after DEL")


if __name__ == "__main__":
    main()
